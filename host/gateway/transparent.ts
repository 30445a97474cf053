// Sockets of the gateway's core that speak for every address (IP_TRANSPARENT), and the calls for connection requests and refusals.
import { ARG, DATA, Errno, Poll, REQ_LOCAL, REQ_PEER, REQ_SIZE } from '../abi/constants.js';
import { SOCKADDR_BYTES, endpoint, readSockaddr, writeSockaddr, type SocketAddress } from '../sockets/address.js';
import { CoreDatagram } from '../sockets/core_datagram.js';
import type { CoreSocket } from '../sockets/core_socket.js';
import type { CoreSockets } from '../sockets/core_sockets.js';
import { CoreListener } from '../sockets/core_stream.js';
import { check } from '../sockets/error.js';
import { AF_INET6, IPPROTO_IPV6, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } from '../sockets/linux.js';
import { unmapped } from './target.js';

const IPV6_TRANSPARENT = 75, IPV6_RECVORIGDSTADDR = 74, IP_RECVORIGDSTADDR = 20, SO_BINDTODEVICE = 25;
/** The port the sockets for everything are bound to themselves; of no importance. */
const ANY_PORT = 1;
/** What an ICMP error quotes of a datagram, bytes. */
const QUOTE = 512;
const UDP_HEADER = 8;

export interface Pair {
  /** Who asks. */
  peer: SocketAddress;
  /** Whom it asked for. */
  local: SocketAddress;
}

/** A key of a flow. */
export const pairKey = ({ peer, local }: Pair): string => `${peer.address} ${peer.port} ${local.address} ${local.port}`;

/** A name as a dual-stack socket shows it, in its own family. */
export const plain = (a: SocketAddress): SocketAddress => ({ ...a, address: unmapped(a.address) });

function takeAll(s: CoreSocket, device: string): void {
  makeTransparent(s);
  s.setOption(SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${device}\0`));
}

/** Let a socket bind to any address. */
export function makeTransparent(s: CoreSocket): void { s.setOption(IPPROTO_IPV6, IPV6_TRANSPARENT, 1); }

/** A connection request that waits for the host. */
export class ConnectionRequest implements Pair {
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  constructor(private readonly sockets: CoreSockets, private readonly listener: number, private readonly record: Uint8Array) {
    const view = new DataView(record.buffer, record.byteOffset);
    this.peer = plain(readSockaddr(view, REQ_PEER, SOCKADDR_BYTES)!);
    this.local = plain(readSockaddr(view, REQ_LOCAL, SOCKADDR_BYTES)!);
  }
  /** What sys_request_answer says: 0 or -errno (-ENOENT: the peer has given up). */
  answer(errno: number): number {
    const x = this.sockets.enter('answer');
    this.sockets.mem.u8.set(this.record, ARG);
    const r = x.sys_request_answer(this.listener, ARG, errno);
    this.sockets.driver.requestPoll();
    return r;
  }
  get waiting(): boolean { return this.answer(Errno.EINPROGRESS) === 0; }
}

/** Takes connections to every address and port of both families that come in by `device`. */
export class AnyListener extends CoreListener {
  onrequest?: () => void;

  constructor(sockets: CoreSockets, device: string, backlog: number) {
    super(sockets, check(sockets.enter('socket').sys_socket(AF_INET6, SOCK_STREAM, 0), 'socket'), 6);
    takeAll(this, device);
    this.listen('::', ANY_PORT, backlog);
    check(this.enter('tproxy').ctl_tproxy(this.handle), 'tproxy');
  }
  override event(mask: number): void {
    if (mask & Poll.PRI) this.onrequest?.();
    super.event(mask);
  }
  /** The next request that was not given out yet. */
  request(): ConnectionRequest | undefined {
    const r = this.enter('request').sys_request_take(this.handle, ARG);
    if (r === -Errno.EAGAIN) return undefined;
    check(r, 'request');
    return new ConnectionRequest(this.sockets, this.handle, this.sockets.mem.u8.slice(ARG, ARG + REQ_SIZE));
  }
}

/** Takes datagrams to every address and port that no other socket wants. */
export class AnyDatagram extends CoreDatagram {
  constructor(sockets: CoreSockets, device: string) {
    super(sockets, check(sockets.enter('socket').sys_socket(AF_INET6, SOCK_DGRAM, 0), 'socket'), 6);
    takeAll(this, device);
    this.setOption(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1);
    this.setOption(0, IP_RECVORIGDSTADDR, 1);
    this.bind('::', ANY_PORT);
    check(this.enter('tproxy').ctl_tproxy(this.handle), 'tproxy');
  }
  /** The next datagram (its bytes are valid until the next call of any socket) with its addresses. */
  next(): Pair & { data: Uint8Array } | undefined {
    const d = this.receive();
    const local = d && originalDestination(d.control);
    if (!d?.from || !local) return undefined;
    return { data: d.data, peer: plain(d.from), local };
  }
}

/** IP_ORIGDSTADDR or IPV6_ORIGDSTADDR: a socket address behind one cmsg header of 16 bytes. */
function originalDestination(control: Uint8Array): SocketAddress | undefined {
  return control.length < 32 ? undefined : readSockaddr(new DataView(control.buffer, control.byteOffset), 16, control.length - 16);
}

/** Tell who sent `quote` (transport header and what follows, at least 8 bytes) from `peer` to `local` on interface `ifindex` that it failed. */
export function reject(sockets: CoreSockets, ifindex: number, protocol: number, { peer, local }: Pair, quote: Uint8Array, errno: number): void {
  const x = sockets.enter('reject'), { mem } = sockets, n = Math.min(quote.length, QUOTE);
  writeSockaddr(mem.view, ARG, 6, endpoint(peer.address, peer.port));
  writeSockaddr(mem.view, ARG + SOCKADDR_BYTES, 6, endpoint(local.address, local.port));
  mem.u8.set(quote.subarray(0, n), DATA);
  check(x.sys_reject(ifindex, protocol, ARG, DATA, n, errno), 'reject');
  sockets.driver.requestPoll();
}

/** The UDP header of a datagram, for a refusal that quotes it; its checksum is not known any more. */
export function quoteUdp({ peer, local }: Pair, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(UDP_HEADER + Math.min(data.length, QUOTE - UDP_HEADER)), view = new DataView(out.buffer);
  view.setUint16(0, peer.port);
  view.setUint16(2, local.port);
  view.setUint16(4, UDP_HEADER + data.length);
  out.set(data.subarray(0, out.length - UDP_HEADER), UDP_HEADER);
  return out;
}
