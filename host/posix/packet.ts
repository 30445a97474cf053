// Packet sockets of programs: the kernel's own, on the shadow interfaces of the program's namespace, so that libpcap's
// memory-mapped rings, BPF, fanout and poll are native. While one is open, every frame of the stack's interfaces is
// copied to their shadows, and what the program sends there leaves through the stack.
// Differences that remain: frames the stack sends come to the program as PACKET_OTHERHOST, not PACKET_OUTGOING; the
// stack's loopback is not shown.
import { closeSync, openSync, readSync } from 'node:fs';
import { ARG, DATA, DATA_SIZE } from '../abi/constants.js';
import { AF_PACKET, EPOLLET, EPOLLIN, ETH_P_ALL, MSG_DONTWAIT, SOCK_RAW, SOL_SOCKET, SO_RCVBUFFORCE } from './linux.js';
import type { Supervisor } from './supervisor.js';

/** An interface of the program's namespace that stands for one of the stack. */
export interface Shadow {
  /** Its TAP. */
  fd: number;
  ifindex: number;
}

/** Frames moved in one turn of one direction. */
const BURST = 64;
/** How often it is looked whether a packet socket is still open, ns. */
const LOOK_NS = 2e9;
/** Receive buffer of the core's socket, bytes. */
const BUFFER = 4 << 20;
/** sizeof(struct sockaddr_ll). */
const SOCKADDR_LL = 20;
const ETH_P_IPV6 = 0x86dd;
/** Where the ICMPv6 type is in a frame whose one extension header is the hop-by-hop options of MLD (RFC 3810 5). */
const MLD_TYPE = 14 + 40 + 8, MLD_FRAME_MIN = MLD_TYPE + 1;
const MLD_TYPES: readonly number[] = [131, 132, 143];

export class PacketMirror {
  /** Core socket -> the shadow it is copied to; empty while no program looks. */
  private readonly bySocket = new Map<number, Shadow>();
  private sources: number[] = [];
  /** /proc/net/packet of the namespace. */
  private list = -1;
  private timer = -1;

  constructor(private readonly sup: Supervisor, private readonly shadows: readonly Shadow[]) {}

  get socketCount(): number { return this.bySocket.size; }

  /** A program, of which `tid` is a thread, is about to open a packet socket. False: there is nothing to open it on. */
  open(tid: number): boolean {
    if (!this.shadows.length) return false;
    if (this.bySocket.size) return true;
    this.list = openSync(`/proc/${tid}/net/packet`, 'r');
    for (const s of this.shadows) this.join(s);
    this.look();
    return true;
  }
  /** Readiness of a socket of the core; false: not one of ours. */
  onCore(handle: number): boolean {
    const shadow = this.bySocket.get(handle);
    if (shadow) this.show(handle, shadow);
    return shadow !== undefined;
  }
  /** The programs have gone, or the stack ends (`dead`: the core must not be called). */
  close(dead: boolean): void {
    if (dead) this.bySocket.clear();
    this.stop();
    for (const s of this.shadows) this.sup.native.posixClose(s.fd);
  }

  private join(shadow: Shadow): void {
    const { core, mem, loop, native } = this.sup;
    // What this kernel has sent until now, nobody asked for.
    while (native.posixFrameRead(shadow.fd, mem.u8, DATA, DATA_SIZE) > 0) continue;
    const handle = core.sys_socket(AF_PACKET, SOCK_RAW, (ETH_P_ALL & 0xff) << 8 | ETH_P_ALL >> 8);
    if (handle < 0) return; // the table is full: this interface is not shown
    this.sup.setOption(handle, SOL_SOCKET, SO_RCVBUFFORCE, [BUFFER]);
    mem.u8.fill(0, ARG, ARG + SOCKADDR_LL);
    mem.view.setUint16(ARG, AF_PACKET, true);
    mem.view.setUint16(ARG + 2, ETH_P_ALL);
    mem.view.setUint32(ARG + 4, shadow.ifindex, true);
    core.sys_bind(handle, ARG, SOCKADDR_LL);
    this.bySocket.set(handle, shadow);
    this.sources.push(loop.addSource(shadow.fd, EPOLLIN | EPOLLET, () => { this.send(handle, shadow); }));
  }
  /** Stack -> shadow. A frame the shadow has no room for is lost, as to a slow packet socket. */
  private show(handle: number, shadow: Shadow): void {
    const { core, native, mem, messages, loop } = this.sup;
    for (let i = 0; i < BURST; i++) {
      const n = core.sys_recvmsg(handle, messages.receiveRecord(), MSG_DONTWAIT);
      if (n < 0) return;
      native.posixFrameWrite(shadow.fd, mem.u8, DATA, n);
    }
    loop.setTimer(0, () => {
      if (!this.bySocket.has(handle)) return;
      loop.stamp();
      this.show(handle, shadow);
    });
  }
  /** Shadow -> wire. */
  private send(handle: number, shadow: Shadow): void {
    const { core, native, mem, messages, loop } = this.sup;
    for (let i = 0; i < BURST; i++) {
      const n = native.posixFrameRead(shadow.fd, mem.u8, DATA, DATA_SIZE);
      if (n <= 0) return;
      if (!this.kernels(n)) core.sys_sendmsg(handle, messages.record(0, n), MSG_DONTWAIT);
    }
    loop.setTimer(0, () => {
      if (!this.bySocket.has(handle)) return;
      loop.stamp();
      this.send(handle, shadow);
      loop.requestPoll();
    });
  }
  /** The frame of n bytes at DATA is the kernel's own: it reports the groups of the shadow's addresses, whatever it is told. */
  private kernels(n: number): boolean {
    const { mem } = this.sup;
    return n >= MLD_FRAME_MIN && mem.view.getUint16(DATA + 12) === ETH_P_IPV6 && mem.u8[DATA + 14 + 6] === 0 && MLD_TYPES.includes(mem.u8[DATA + MLD_TYPE]);
  }
  /** Stop when the last packet socket has been closed. */
  private look(): void {
    this.timer = this.sup.loop.setTimer(this.sup.loop.now() + LOOK_NS, () => {
      const lines = Buffer.alloc(256);
      const text = lines.toString('latin1', 0, readSync(this.list, lines, 0, lines.length, 0));
      // A line of titles, then one for each socket.
      if (text.trimEnd().includes('\n')) {
        this.look();
        return;
      }
      this.sup.loop.stamp();
      this.stop();
    });
  }
  /** The core is a fresh one: its frames are shown again. */
  restarted(): void {
    if (!this.bySocket.size) return;
    for (const s of this.sources) this.sup.loop.removeSource(s);
    this.sources = [];
    this.bySocket.clear();
    for (const s of this.shadows) this.join(s);
  }
  private stop(): void {
    const { loop, core } = this.sup;
    if (this.timer >= 0) loop.clearTimer(this.timer);
    this.timer = -1;
    for (const s of this.sources) loop.removeSource(s);
    this.sources = [];
    for (const handle of this.bySocket.keys()) core.sys_close(handle);
    this.bySocket.clear();
    if (this.list >= 0) closeSync(this.list);
    this.list = -1;
  }
}
