// The supervisor of programs: answers their notified system calls with the core, in the stack's own thread.
//
// A socket is known by the inode of the program's end of its pair, so that dup, fork, exec and passing it to another
// program need no tracking; its close shows as a hang-up of our end.
import { ARG } from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import type { Core } from '../core.js';
import type { CoreMemory } from '../memory.js';
import { Call, SCRATCH } from './call.js';
import { DatagramSocket, SEND_BUFFER } from './datagram.js';
import { foreignIoctl, socketIoctl } from './ioctl.js';
import {
  AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, EADDRINUSE, ECONNRESET, EFAULT, EINVAL, ENOENT, EPIPE, EPOLLIN, SIOCOUTQ, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_PACKET, SOCK_SEQPACKET,
  SOCK_STREAM, SOCK_TYPE_MASK, SOL_SOCKET, SO_ERROR, SO_SNDBUF, callNumbers, type CallNumbers,
} from './linux.js';
import { Messages } from './message.js';
import type { PosixNative } from './native.js';
import { PacketMirror, type Shadow } from './packet.js';
import { getsockopt, setsockopt } from './options.js';
import { Readiness } from './readiness.js';
import { TaskMessages } from './task_messages.js';
import { Written } from './written.js';
import type { PosixSocket, Waiter } from './socket.js';
import { StreamSocket } from './stream.js';

/** Calls taken from one program's queue before other sources get their turn. */
const BURST = 32;
/**
 * How long the next call of a program that is taking datagrams is waited for before frames are looked at, µs: under more
 * frames than the program can take, receiving them only to drop them would starve it. Once it does not come back in that
 * time, the next IMPATIENCE calls are not waited for.
 */
const PATIENCE_US = 20;
const IMPATIENCE = 16;
/** In place of a time to wait: a call is there. */
const READY = -1;
/** How often sockets without a data descriptor are looked at, ns. */
const SWEEP_NS = 500e6;
/** How often the end of the last sockets is looked for once every program has gone, ns. */
const DRAIN_NS = 2e6;
/** How long the peers of the last programs have to acknowledge what was sent to them, ns. The kernel would go on alone. */
const LINGER_NS = 30e9;
/** sizeof(struct sockaddr_in). */
const SOCKADDR_IN = 16;
/** struct sockaddr_nl: its size, and where nl_pid is. */
const SOCKADDR_NL = 12, NL_PID = 4;
/** What usage() of the core counts. */
const SOCKETS = 0;
/** Calls kept for reuse. */
const SPARE = 64;

/** What the supervisor needs of the thread's loop (host/threads/loop.ts). */
export interface GlueLoop {
  /** ns, monotonic. */
  now(): number;
  /** Set HDR_NOW before a group of calls into the core. */
  stamp(): void;
  addSource(fd: number, events: number, fn: (events: number) => void, direct?: boolean): number;
  removeSource(id: number): void;
  setTimer(atNs: number, fn: () => void): number;
  clearTimer(id: number): void;
  /** Run the core's poll before sleeping. */
  requestPoll(): void;
  /** Send frames now, and receive what is already there. */
  exchange(): void;
  /** Tell sockets' events that the core has raised already. */
  tellEvents(): void;
}

export interface SupervisorOptions {
  /** Start the guardian that resets the programs' sockets when this process is killed; default true. */
  guardian?: boolean;
  /** A program has sent a netlink request, which may have changed the settings. */
  netlinkSent?: () => void;
  /** Diagnostics, one line each. */
  log?: (text: string) => void;
}

export class Supervisor {
  readonly core: CoreExports;
  readonly mem: CoreMemory;
  readonly messages: Messages;
  readonly taskMessages: TaskMessages;
  readonly written: Written;
  readonly readiness: Readiness;
  readonly numbers: CallNumbers;
  /** The last makePair: the program's end and ours. */
  readonly pair = new Int32Array(2);
  /** See SupervisorOptions. */
  readonly netlinkSent: () => void;
  private readonly byInode = new Map<number, PosixSocket>();
  private readonly byHandle = new Map<number, PosixSocket>();
  /** Thread -> the call of it that is held: a thread that calls again was interrupted. */
  private readonly waiters = new Map<number, { socket: PosixSocket; waiter: Waiter }>();
  private readonly unfinished = new Set<PosixSocket>();
  private readonly orphans = new Set<PosixSocket>();
  private readonly costs = new Map<number, number>();
  private readonly spare: Call[] = [];
  private readonly calls: Map<number, (s: PosixSocket, call: Call) => void>;
  private againTimer = -1;
  private sweepTimer = -1;
  /** A call has sent frames: what they bring back comes before the next call. */
  private sent = false;
  /** A call has received and left more to receive: the next is waited for (PATIENCE_US). */
  more = false;
  /** So many times there is no waiting, after a program did not come back. */
  private impatience = 0;
  private packets: PacketMirror;
  /** Sockets that were there before: of the stack's own services, not of programs. */
  private readonly others: number;
  private control = -1;
  /** The call in the core: it is never answered when the core traps. */
  private current: Call | undefined;
  private probe: Int32Array | undefined;
  /** Notification descriptor -> its source. */
  private readonly notifiers = new Map<number, number>();

  constructor(core: Core, readonly native: PosixNative, readonly loop: GlueLoop, options: SupervisorOptions = {}) {
    this.core = core.exports;
    this.mem = core.mem;
    this.others = this.core.usage(SOCKETS);
    this.messages = new Messages(core.mem);
    this.taskMessages = new TaskMessages(native, core.mem, this.messages);
    this.written = new Written(native, core.mem);
    this.numbers = callNumbers(process.arch);
    this.readiness = new Readiness(native, loop);
    this.calls = this.table();
    this.netlinkSent = options.netlinkSent ?? (() => undefined);
    this.packets = new PacketMirror(this, []);
    if (options.guardian !== false) {
      const r = native.posixGuardianStart();
      if (r < 0) options.log?.(`no guardian: error ${-r}`);
    }
  }

  /** Serve the program behind a notification descriptor until it and all it started have ended. The descriptor is ours from now on. */
  attach(notify: number, gone: () => void): void {
    this.native.posixNotifySync(notify); // where it is not known, calls only take longer
    this.native.posixGuardNotify(notify, 0);
    const source = this.loop.addSource(notify, EPOLLIN, (events) => {
      if (this.serve(notify, events)) return;
      this.loop.removeSource(source);
      this.native.posixGuardForget(notify);
      this.native.posixClose(notify);
      this.native.posixForgetTasks(); // those of a program that has gone would stay open
      this.notifiers.delete(notify);
      this.whenDone(gone, this.loop.now() + LINGER_NS);
    }, true);
    this.notifiers.set(notify, source);
  }
  /** Packet sockets of the programs are the kernel's, on these interfaces. */
  useShadows(shadows: readonly Shadow[]): void {
    this.packets.close(false);
    this.packets = new PacketMirror(this, shadows);
  }
  /** Call `gone` when what the last programs wrote has been handed to the core and acknowledged: closed sockets live until then. */
  private whenDone(gone: () => void, until: number): void {
    if (this.notifiers.size === 0) this.sweep();
    const now = this.loop.now();
    const ours = this.others + this.byHandle.size + this.packets.socketCount + (this.control >= 0 ? 1 : 0);
    const busy = this.notifiers.size === 0 && (this.byHandle.size > this.orphans.size || (this.core.usage(SOCKETS) > ours && now < until));
    if (!busy) gone();
    else this.loop.setTimer(now + DRAIN_NS, () => { this.whenDone(gone, until); });
  }
  /** Readiness from the core; false when the socket is not one of a program. */
  onSocketEvents(handle: number, mask: number): boolean {
    const s = this.byHandle.get(handle);
    if (!s) return this.packets.onCore(handle);
    s.onCore(mask);
    return true;
  }
  get socketCount(): number { return this.byHandle.size; }
  /** The core is a fresh one: the sockets of before are reset, programs go on and may open others. Its devices are there. */
  restarted(): void {
    for (const s of [...this.byHandle.values()]) s.reset();
    for (const list of [this.byHandle, this.byInode, this.waiters, this.unfinished, this.orphans]) list.clear();
    this.control = -1;
    if (this.current && !this.current.answered) this.current.answer(-ECONNRESET);
    this.current = undefined;
    this.packets.restarted();
  }
  /** The stack ends, or its core is `dead`: programs that still run see resets, and for their later calls the network is down. */
  close(dead: boolean): void {
    for (const s of this.byHandle.values()) s.reset();
    if (this.current && !this.current.answered) this.current.answer(-ECONNRESET);
    this.packets.close(dead);
    this.byHandle.clear();
    this.byInode.clear();
    for (const [notify, source] of this.notifiers) {
      this.loop.removeSource(source);
      // Without a guardian later calls fail with ENOSYS, with it with ENETDOWN.
      if (this.native.posixGuardNotify(notify, 1) < 0) this.native.posixClose(notify);
    }
    this.notifiers.clear();
    for (const fd of this.probe ?? []) this.native.posixClose(fd);
    this.probe = undefined;
    this.readiness.close();
  }

  // ---- calls ----
  /** Answer what waits; false when nobody will call any more. */
  private serve(notify: number, events: number): boolean {
    let wait = events & EPOLLIN ? READY : 0;
    for (let i = 0; i < BURST; i++) {
      const call = this.spare.length && (this.spare[this.spare.length - 1]).notify === notify ? this.spare.pop() as Call : new Call(this.native, notify);
      const r = call.receive(wait);
      if (r === -EPIPE) return false;
      if (r < 0) {
        this.recycle(call);
        if (wait > 0) this.impatience = IMPATIENCE;
        wait = 0;
        if (r === -ENOENT) continue;
        return true;
      }
      // What the program did before the call comes first, and what came of its last call.
      this.readiness.deliver();
      if (i > 0 || events === 0) this.loop.stamp(); // else the loop has just done it
      this.loop.tellEvents();
      this.sent = this.more = false;
      this.current = call;
      this.dispatch(call);
      this.current = undefined;
      if (call.answered) this.recycle(call);
      else this.native.posixTaskRelease();
      this.loop.requestPoll();
      if (this.sent) return true;
      wait = this.more && --this.impatience < 0 ? PATIENCE_US : 0;
    }
    return true;
  }
  /**
   * A call was answered outside serve(): the program, which has mostly run meanwhile on this very processor (posixNotifySync), may have made its
   * next call already, and that one need not wait for the end of this turn.
   */
  serveNext(notify: number): void {
    if (this.notifiers.has(notify)) this.serve(notify, 0); // that nobody calls any more, its source tells
  }
  /** Send the frames of this call before it is answered: as of the kernel, they are on their way when the program goes on. */
  sendFrames(): void {
    this.loop.exchange();
    this.sent = true;
  }
  private recycle(call: Call): void {
    if (this.spare.length < SPARE) this.spare.push(call);
  }
  private dispatch(call: Call): void {
    const stale = this.waiters.get(call.tid);
    if (stale) stale.socket.drop(stale.waiter);
    if (call.nr === this.numbers.socket) {
      this.socket(call);
      return;
    }
    const fd = call.int(0), { inode } = call;
    const s = inode > 0 ? this.byInode.get(inode) : undefined;
    if (!s) {
      if (call.nr === this.numbers.ioctl) foreignIoctl(this, call, inode > 0);
      else call.pass();
      return;
    }
    if (s.tid !== call.tid || s.there !== fd) s.seen(call.tid, fd);
    const fn = this.calls.get(call.nr);
    if (fn) fn(s, call);
    else call.pass();
  }
  private table(): Map<number, (s: PosixSocket, call: Call) => void> {
    const n = this.numbers;
    return new Map<number, (s: PosixSocket, call: Call) => void>([
      [n.connect, (s, c) => s.connect(c)],
      [n.bind, (s, c) => c.answer(this.bind(s, c))],
      [n.listen, (s, c) => s.listen(c)],
      [n.accept, (s, c) => s.accept(c, 0)],
      [n.accept4, (s, c) => s.accept(c, c.int(3))],
      [n.getsockname, (s, c) => c.answer(this.tellName(c, this.core.sys_getsockname(s.handle, ARG)))],
      [n.getpeername, (s, c) => c.answer(this.tellName(c, this.core.sys_getpeername(s.handle, ARG)))],
      [n.setsockopt, setsockopt],
      [n.getsockopt, getsockopt],
      [n.shutdown, (s, c) => s.shutdown(c)],
      [n.ioctl, socketIoctl],
      [n.sendto, (s, c) => s.send(c)],
      [n.sendmsg, (s, c) => s.send(c)],
      [n.sendmmsg, (s, c) => s.send(c)],
      [n.recvfrom, (s, c) => s.receive(c)],
      [n.recvmsg, (s, c) => s.receive(c)],
      [n.recvmmsg, (s, c) => s.receive(c)],
    ]);
  }
  private socket(call: Call): void {
    const type = call.int(1) & SOCK_TYPE_MASK, flags = call.int(1) & ~SOCK_TYPE_MASK;
    // The old way of asking for a packet socket.
    const family = call.int(0) === AF_INET && type === SOCK_PACKET ? AF_PACKET : call.int(0);
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
      call.answer(-EINVAL);
      return;
    }
    if (family === AF_PACKET && this.packets.open(call.tid)) {
      call.pass();
      return;
    }
    let handle = this.core.sys_socket(family, type, call.int(2));
    if (handle < 0 && handle !== -EINVAL && this.orphans.size) {
      // Sockets that nobody holds any more may be what fills the table.
      this.sweep();
      handle = this.core.sys_socket(family, type, call.int(2));
    }
    if (handle < 0) {
      call.answer(handle);
      return;
    }
    const stream = type === SOCK_STREAM && (family === AF_INET || family === AF_INET6);
    const inode = stream ? this.native.posixStream(this.pair) : this.makePair(SOCK_SEQPACKET);
    if (inode < 0) {
      this.core.sys_close(handle);
      call.answer(inode);
      return;
    }
    const [end, own] = this.pair;
    if (flags & SOCK_NONBLOCK) this.native.posixNonblock(end);
    let s: PosixSocket;
    if (stream) {
      s = new StreamSocket(this, handle, inode, family);
      this.sweepLater(s);
    } else {
      s = new DatagramSocket(this, handle, inode, family, type);
      this.native.posixSetInt(end, SO_SNDBUF, SEND_BUFFER);
      s.watch(own);
    }
    this.add(s);
    const there = call.giveFd(end, !!(flags & SOCK_CLOEXEC));
    this.native.posixClose(end);
    if (there >= 0) {
      s.seen(call.tid, there);
    } else {
      s.free();
      call.answer(there);
    }
  }
  private bind(s: PosixSocket, call: Call): number {
    const length = call.readAddress(1, this.mem.u8, ARG);
    if (length < 0) return length;
    if (s.family === AF_NETLINK && length === SOCKADDR_NL && this.mem.view.getUint32(ARG + NL_PID, true) === 0) {
      // As netlink_autobind of Linux: the process's number for its first socket, any other for more.
      this.mem.view.setUint32(ARG + NL_PID, call.tid, true);
      const r = this.core.sys_bind(s.handle, ARG, length);
      if (r !== -EADDRINUSE) return r;
      this.mem.view.setUint32(ARG + NL_PID, 0, true);
    }
    const name = this.orphans.size ? this.mem.u8.slice(ARG, ARG + length) : undefined;
    const r = this.core.sys_bind(s.handle, ARG, length);
    if (r !== -EADDRINUSE || !name) return r;
    // A socket that nobody holds any more may be what has the name.
    this.sweep();
    this.mem.u8.set(name, ARG);
    return this.core.sys_bind(s.handle, ARG, length);
  }
  /** connect(2) in the core with the call's address: its result. */
  coreConnect(handle: number, call: Call): number {
    const length = call.readAddress(1, this.mem.u8, ARG);
    return length < 0 ? length : this.core.sys_connect(handle, ARG, length);
  }
  /** Store the address of `length` bytes at ARG through arguments i and i + 1 (a negative length is passed on): 0 or -errno. */
  answerName(call: Call, length: number, i: number): number {
    return length < 0 ? length : call.writeAddress(call.long(i), call.long(i + 1), this.mem.u8, ARG, length);
  }
  /** getsockname and getpeername, which unlike accept want to have a place for the name. */
  private tellName(call: Call, length: number): number {
    return length >= 0 && !call.long(1) ? -EFAULT : this.answerName(call, length, 1);
  }
  /** End what the core knows of a connection attempt that has failed and was told (tcp_disconnect). */
  disconnect(handle: number): void {
    this.mem.u8.fill(0, ARG, ARG + SOCKADDR_IN);
    this.core.sys_connect(handle, ARG, SOCKADDR_IN);
  }
  /** An option of ints in the core. */
  setOption(handle: number, level: number, name: number, values: number[]): number {
    values.forEach((v, i) => this.mem.view.setInt32(ARG + 4 * i, v, true));
    return this.core.sys_setsockopt(handle, level, name, ARG, 4 * values.length);
  }
  /** SO_ERROR of the core's socket, taken. */
  takeError(handle: number): number {
    return this.core.sys_getsockopt(handle, SOL_SOCKET, SO_ERROR, ARG, 4) < 0 ? 0 : this.mem.view.getInt32(ARG, true);
  }
  /** FIONREAD or SIOCOUTQ in the core: value or -errno. */
  coreIoctl(handle: number, command: number): number {
    this.mem.view.setInt32(ARG, 0, true);
    const r = this.core.sys_ioctl(handle, command, ARG);
    return r < 0 ? r : this.mem.view.getInt32(ARG, true);
  }
  /** A socket of our own for questions about interfaces. */
  controlSocket(): number {
    if (this.control < 0) this.control = this.core.sys_socket(AF_INET, SOCK_DGRAM, 0);
    return this.control;
  }

  // ---- sockets ----
  /** A pair of the given unix type in `pair`; the inode of the program's end, or -errno. */
  makePair(type: number): number {
    return this.native.posixPair(type, this.pair);
  }
  add(s: PosixSocket): void {
    this.byInode.set(s.inode, s);
    this.byHandle.set(s.handle, s);
  }
  forget(s: PosixSocket): void {
    if (this.byInode.get(s.inode) === s) this.byInode.delete(s.inode);
    this.byHandle.delete(s.handle);
    this.unfinished.delete(s);
    this.orphans.delete(s);
  }
  /** The socket's program end was replaced. */
  renumber(s: PosixSocket, inode: number): void {
    this.byInode.delete(s.inode);
    s.inode = inode;
    this.byInode.set(inode, s);
    this.orphans.delete(s);
  }
  /** The socket has a data descriptor, which will tell when no program holds it any more. */
  held(s: PosixSocket): void {
    this.orphans.delete(s);
  }
  waiting(tid: number, socket: PosixSocket, waiter: Waiter): void {
    this.waiters.set(tid, { socket, waiter });
  }
  noLongerWaiting(tid: number, waiter: Waiter): void {
    if (this.waiters.get(tid)?.waiter === waiter) this.waiters.delete(tid);
  }
  /** Let a socket go on in the next turn. */
  again(s: PosixSocket): void {
    this.unfinished.add(s);
    if (this.againTimer >= 0) return;
    this.againTimer = this.loop.setTimer(0, () => {
      this.againTimer = -1;
      const list = [...this.unfinished];
      this.unfinished.clear();
      this.loop.stamp();
      for (const x of list) if (!x.closed) x.again();
      this.loop.requestPoll();
    });
  }
  /** A socket without a data descriptor: look now and then whether a program still holds it. */
  sweepLater(s: PosixSocket): void {
    this.orphans.add(s);
    if (this.sweepTimer >= 0) return;
    this.sweepTimer = this.loop.setTimer(this.loop.now() + SWEEP_NS, () => {
      this.sweepTimer = -1;
      this.loop.stamp();
      this.sweep();
      const [first] = this.orphans;
      if (first) this.sweepLater(first);
    });
  }
  /** Free the sockets without a data descriptor that no program holds. */
  private sweep(): void {
    for (const x of [...this.orphans]) {
      // Where the kernel cannot tell, the end of all programs is the end of their sockets.
      const alive = this.native.posixUnixAlive(x.inode);
      if (alive === 0 || (alive < 0 && this.notifiers.size === 0)) x.free();
    }
  }
  /** What a message of `length` bytes adds to SIOCOUTQ of a pair until it is read: measured once for each length. */
  costOf(length: number): number {
    let cost = this.costs.get(length);
    if (cost !== undefined) return cost;
    if (!this.probe) {
      this.probe = new Int32Array(2);
      this.native.posixPair(SOCK_SEQPACKET, this.probe);
    }
    this.native.posixSend(this.probe[1], this.mem.u8, 0, length, 0);
    cost = Math.max(0, this.native.posixQueued(this.probe[1], SIOCOUTQ));
    this.native.posixReceive(this.probe[0], SCRATCH, 0, 1, 0);
    if (this.costs.size > 4096) this.costs.clear();
    this.costs.set(length, cost);
    return cost;
  }
}
