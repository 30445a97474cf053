// Datagrams over a core in this thread: UDP, ping and raw sockets.
import {
  ARG, CONTROL, CONTROL_SIZE, DATA, DATA_SIZE, Errno, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_FLAGS, MSG_NAME, MSG_NAMELEN, Poll,
} from '../abi/constants.js';
import { SOCKADDR_BYTES, readSockaddr, writeSockaddr, type SocketAddress } from './address.js';
import { CoreSocket } from './core_socket.js';
import type { Datagram, DatagramSocket } from './endpoints.js';
import { SocketError, check } from './error.js';
import { MSG_DONTWAIT } from './linux.js';

/** The message record and the name beside it, inside ARG. */
const RECORD = ARG + 0x400, NAME = ARG + 0x480;
/** Ancillary data of one message, bytes. */
const CONTROL_MAX = 4096;

export class CoreDatagram extends CoreSocket implements DatagramSocket {
  onreadable?: () => void;
  onwritable?: () => void;

  get remote(): SocketAddress | undefined {
    return this.closed ? undefined : this.sockets.nameAt(this.sockets.exports.sys_getpeername(this.handle, ARG));
  }

  bind(address: string, port: number): void { this.bindTo(this.parse(address, port), address); }

  connect(address?: string, port = 0): void {
    const to = address === undefined ? undefined : this.parse(address, port), x = this.enter('connect');
    let length = 2;
    if (to) length = this.sockets.putAddress(this.family, to);
    else this.sockets.mem.view.setUint16(ARG, 0, true); // AF_UNSPEC
    check(x.sys_connect(this.handle, ARG, length), 'connect', address === undefined ? undefined : { address, port });
  }

  event(mask: number): void {
    if (mask & (Poll.IN | Poll.ERR)) this.onreadable?.();
    if (!this.closed && mask & Poll.OUT) this.onwritable?.();
  }

  send(data: Uint8Array, address?: string, port = 0, control?: Uint8Array, done?: (error?: SocketError) => void): boolean {
    if (!done) return this.sendNow(data, address, port, control);
    try {
      if (!this.sendNow(data, address, port, control)) return false;
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      done(error);
      return true;
    }
    done();
    return true;
  }
  private sendNow(data: Uint8Array, address: string | undefined, port: number, control: Uint8Array | undefined): boolean {
    const to = address === undefined ? undefined : this.parse(address, port);
    const x = this.enter('send'), { mem, driver } = this.sockets, peer = address === undefined ? undefined : { address, port };
    if (data.length > DATA_SIZE) throw new SocketError(Errno.EMSGSIZE, 'send', peer);
    if (control && control.length > CONTROL_MAX) throw new SocketError(Errno.ENOBUFS, 'send', peer);
    const nameLength = to ? writeSockaddr(mem.view, NAME, this.family, to) : 0;
    mem.u8.set(data, DATA);
    if (control) mem.u8.set(control, CONTROL);
    this.record(nameLength, data.length, control?.length ?? 0);
    const r = x.sys_sendmsg(this.handle, RECORD, MSG_DONTWAIT);
    if (r === -Errno.EAGAIN) return false;
    check(r, 'send', peer);
    driver.requestPoll();
    return true;
  }

  receive(): Datagram | undefined {
    const x = this.enter('recv'), { mem } = this.sockets;
    this.record(SOCKADDR_BYTES, DATA_SIZE, CONTROL_SIZE);
    const n = x.sys_recvmsg(this.handle, RECORD, MSG_DONTWAIT);
    if (n === -Errno.EAGAIN) return undefined;
    check(n, 'recv');
    const nameLength = mem.u32[(RECORD + MSG_NAMELEN) >>> 2], controlLength = Math.min(mem.u32[(RECORD + MSG_CONTROLLEN) >>> 2], CONTROL_SIZE);
    return {
      data: mem.bytes(DATA, n), from: readSockaddr(mem.view, NAME, nameLength),
      control: controlLength ? mem.u8.slice(CONTROL, CONTROL + controlLength) : NONE, flags: mem.u32[(RECORD + MSG_FLAGS) >>> 2],
    };
  }

  private record(nameLength: number, length: number, controlLength: number): void {
    const { u32 } = this.sockets.mem;
    u32[(RECORD + MSG_NAME) >>> 2] = nameLength ? NAME : 0;
    u32[(RECORD + MSG_NAMELEN) >>> 2] = nameLength;
    u32[(RECORD + MSG_DATA) >>> 2] = DATA;
    u32[(RECORD + MSG_DATALEN) >>> 2] = length;
    u32[(RECORD + MSG_CONTROL) >>> 2] = controlLength ? CONTROL : 0;
    u32[(RECORD + MSG_CONTROLLEN) >>> 2] = controlLength;
    u32[(RECORD + MSG_FLAGS) >>> 2] = 0;
  }
}

const NONE = new Uint8Array(0);
