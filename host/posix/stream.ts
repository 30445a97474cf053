// A stream socket: before it is connected, while it listens, and connected.
//
// A fresh socket is a unix stream socket without a peer: it polls OUT|HUP as an unconnected one of TCP. connect and listen
// make it the program's end of a pair. Until the connection stands it is kept full of junk bytes, so that it is
// neither readable nor writable; a listener's end holds a byte while a connection waits to be accepted.
// Differences that remain: a fresh socket reads EINVAL (ENOTCONN) and writes ENOTCONN (EPIPE); one that was refused polls nothing
// (not OUT|HUP), reads and writes EAGAIN; SO_RCVLOWAT does not hold back poll; a lingering close() returns at once.
import { ARG, DATA, DATA_SIZE, Poll } from '../abi/constants.js';
import {
  AF_INET6, AF_UNSPEC, EAGAIN, EALREADY, ECONNABORTED, EFAULT, EINPROGRESS, EINTR, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPIPE, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT,
  EPOLLPRI, EPOLLRDHUP, FIONREAD, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_OOB, SHUT_RD, SHUT_RDWR, SHUT_WR, SIOCOUTQ, SOCK_CLOEXEC, SOCK_NONBLOCK,
  SOCK_STREAM, SOL_SOCKET, SO_LINGER, SO_PEERNAME, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDBUF, SO_SNDTIMEO,
} from './linux.js';
import { MSGHDR_BYTES, SCRATCH, type Call } from './call.js';
import { Flow, pumpIn, pumpOut } from './pump.js';
import { PosixSocket } from './socket.js';
import type { Supervisor } from './supervisor.js';

const enum State { FRESH, CONNECTING, CONNECTED, LISTENING, DEAD }

/** sizeof(struct sockaddr_in), sockaddr_in6. */
const SOCKADDR_IN = 16, SOCKADDR_IN6 = 28;
/** Readiness bytes of a listener not yet taken back: one per arrival (each is an edge for EPOLLET), at most this many. */
const TOKENS_MAX = 16;
/** Size of the pair's buffers when the program asks for nothing, as net.core.wmem_default. */
const BUFFER = 212992;
/** Interval at which a stream write with an address looks for room, µs. */
const RETRY_US = 5000;

export class StreamSocket extends PosixSocket {
  private state = State.FRESH;
  /** The last connect() was answered EINPROGRESS: the outcome shows on the descriptor, and to the next connect(). */
  private announced = false;
  /** A failed connection that no connect() has told yet. */
  private failed = false;
  private tokens = 0;
  /** Accepted from the core, but the accept() that took them was interrupted. */
  private returned: number[] = [];
  private sendBuffer = 0;
  private receiveBuffer = 0;
  private lowWater = 0;
  /** Junk bytes in the pair until the connection stands. */
  private filling = 0;
  /** The program's end has time limits that are not its own. */
  private quiet = false;
  /** SO_ERROR when the pumps have already taken it from the core. */
  private error = 0;
  /** The program's end has an error of its own, which stands for ours. */
  private shown = false;
  // of the pumps
  readable = false;
  /** It is so for bytes alone, no end of them: what comes later, the descriptor (edge-triggered) tells again. */
  bytesOnly = false;
  writable = false;
  urgent = false;
  /** Bytes at the end of the program's stream that are ours: left unread they turn our close into a reset. */
  planted = 0;
  outEnded = false;
  inEnded = false;
  /** SO_LINGER with time 0. */
  private abortive = false;
  /** Fast Open: for the program the connection stands already. */
  private early = false;

  constructor(sup: Supervisor, handle: number, inode: number, family: number) {
    super(sup, handle, inode, family, SOCK_STREAM);
  }

  /** Have an end of our own: 0 or -errno. Without one, whether the program still holds the socket is only looked up now and then. */
  private join(quiet: boolean): number {
    if (this.fd >= 0 || this.state !== State.FRESH) return 0;
    const { native, pair } = this.sup;
    const own = native.posixJoin(this.tid, this.there, this.inode, quiet ? 1 : 0, pair);
    if (own < 0) return own;
    this.filling = pair[0];
    this.quiet = quiet;
    this.watch(own);
    this.seen(this.tid, this.there);
    this.sup.held(this);
    return 0;
  }
  /** Not connected, nor about to be: blocking calls of the program must not wait for ever. */
  private quieten(): void {
    if (this.quiet || this.fd < 0) return;
    this.quiet = true;
    this.withEnd((end) => {
      this.sup.native.posixSetTimeout(end, SO_SNDTIMEO, 1);
      this.sup.native.posixSetTimeout(end, SO_RCVTIMEO, 1);
    });
  }

  onData(events: number): void {
    if (this.state === State.CONNECTED) {
      if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        this.readable = true;
        this.bytesOnly = !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
      }
      if (events & EPOLLOUT) this.writable = true;
      if (events & EPOLLPRI) this.urgent = true;
      if (events & EPOLLHUP && (this.abortive || this.outEnded) && this.abandoned(events)) {
        pumpOut(this); // what was written before the close is on its way before the reset
        this.free();
      } else this.pump();
    } else if (this.abandoned(events)) this.free();
  }
  onCore(mask: number): void {
    if (this.state === State.CONNECTED) this.pump();
    else if (this.state === State.CONNECTING) this.connectProgress();
    else if (this.state === State.LISTENING) this.arrivals(mask);
  }
  isAbandoned(events: number): boolean {
    return this.abandoned(events);
  }
  again(): void {
    this.pump();
  }
  /** Move what can be moved. */
  private pump(): void {
    if (this.closed || this.fd < 0) return;
    const incoming = pumpIn(this);
    const outgoing = pumpOut(this);
    if (outgoing === Flow.CLOSED) this.free();
    else if (outgoing === Flow.ABORTED) this.abort();
    else if (incoming === Flow.BROKEN || outgoing === Flow.BROKEN) this.break();
    else if (incoming === Flow.MORE || outgoing === Flow.MORE) this.sup.again(this);
    else if (this.inEnded && !this.outEnded && this.sup.core.sys_poll(this.handle) & (Poll.ERR | Poll.HUP)) this.refuse();
  }
  /** The peer, which had ended its direction, has reset the connection: what the program writes now fails with EPIPE, its reads end as before. */
  private refuse(): void {
    const { native, mem } = this.sup;
    while (native.posixReceive(this.fd, mem.u8, DATA, DATA_SIZE, 0) > 0) continue; // unread, it would make our close a reset
    this.die();
    this.shown = false;
  }
  /** Take note of an error that the core told the pumps, and with that forgot; false when it is only the end of the stream. */
  failedWith(errno: number): boolean {
    if (errno === 0 || errno === EPIPE || errno === ENOTCONN) return false;
    this.error = errno;
    return true;
  }
  override takeError(): number {
    const e = this.error || super.takeError();
    this.error = 0;
    if (!this.shown) return e;
    // The program's end has an error too, unless a read has told it already.
    this.shown = false;
    let untold = 0;
    this.withEnd((end) => { untold = this.sup.native.posixTakeError(end); });
    return untold > 0 ? e : 0;
  }
  /** Close with a reset (SO_LINGER 0). */
  private abort(): void {
    this.sup.setOption(this.handle, SOL_SOCKET, SO_LINGER, [1, 0]);
    this.free();
  }
  /** The connection is gone: the program reads what it was sent and then ECONNRESET. */
  private break(): void {
    this.breakEnd();
    this.die();
  }
  /** No data descriptor any more; the core's socket stays for SO_ERROR and the like until the program closes. */
  private die(): void {
    this.state = State.DEAD;
    this.shown = true;
    this.unwatch();
    this.sup.sweepLater(this);
  }

  // ---- connect ----
  connect(call: Call): void {
    if (this.state === State.DEAD && this.failed) {
      // The first call after a failure on the descriptor only tells it (inet_stream_connect).
      this.failed = false;
      call.answer(-(this.takeError() || ECONNABORTED));
      return;
    }
    if (this.state === State.DEAD && !this.reopen(call)) return;
    if (this.state === State.CONNECTED && call.readAddress(1, this.sup.mem.u8, ARG) >= 2 && this.sup.mem.view.getUint16(ARG, true) !== AF_UNSPEC) {
      call.answer(this.announced ? 0 : -EISCONN);
      this.announced = false;
      return;
    }
    if (this.state === State.CONNECTING) {
      this.awaitConnection(call, -EALREADY);
      return;
    }
    // One that does not block needs no limits: should the program change that, its calls wait for the connection, as the kernel's.
    let r = this.join(!call.nonblock) || this.sup.coreConnect(this.handle, call);
    // The failure before this attempt has been told already.
    if (r === -ECONNABORTED) r = this.sup.coreConnect(this.handle, call);
    if (this.state === State.CONNECTED || (r < 0 && r !== -EINPROGRESS)) {
      if (this.state === State.FRESH) this.quieten();
      call.answer(r);
      return;
    }
    if (r === 0) {
      // TCP_FASTOPEN_CONNECT: what the program writes makes the core send the SYN.
      this.early = true;
      this.established();
      call.answer(0);
      return;
    }
    this.state = State.CONNECTING;
    this.announced = false;
    this.awaitConnection(call, -EINPROGRESS);
  }
  private awaitConnection(call: Call, immediate: number): void {
    if (call.nonblock) {
      this.announced = true;
      call.answer(immediate);
      return;
    }
    this.hold('writers', call, this.sendTimeout, () => -EINPROGRESS, () => {
      if (this.state === State.CONNECTING) return false;
      if (this.state === State.CONNECTED) this.announced = !call.answer(0);
      else {
        call.answer(-(this.sup.takeError(this.handle) || ECONNABORTED));
        this.sup.disconnect(this.handle);
      }
      return true;
    });
  }
  /** The program has written, perhaps closed, and the core still waits for the answer to the SYN with that: no FIN yet. */
  opening(): boolean {
    if (!this.early) return false;
    const { core } = this.sup;
    this.early = core.sys_getpeername(this.handle, ARG) === -ENOTCONN && !(core.sys_poll(this.handle) & (Poll.OUT | Poll.ERR | Poll.HUP));
    return this.early;
  }
  /** sendto and sendmsg with MSG_FASTOPEN: the SYN takes what it can; a call that blocks waits for the connection and sends the rest. */
  private fastopen(call: Call, flags: number): void {
    const { core, mem } = this.sup;
    if (this.state === State.DEAD && this.failed) {
      this.connect(call);
      return;
    }
    if (this.state === State.DEAD && !this.reopen(call)) return;
    if (this.state !== State.FRESH) {
      call.answer(this.state === State.CONNECTING ? -EALREADY : -EISCONN);
      return;
    }
    const send = (): number => {
      const record = this.firstData(call);
      return record < 0 ? record : call.valid() ? core.sys_sendmsg(this.handle, record, flags) : -EINTR;
    };
    let r = send();
    if (r === -ECONNABORTED) r = send(); // the failure before this attempt has been told already
    const length = this.sup.messages.length;
    if (r < 0 && r !== -EINPROGRESS) {
      call.answer(r);
      return;
    }
    const taken = Math.max(0, r), rest = mem.u8.slice(DATA + taken, DATA + length), own = this.join(!call.nonblock);
    if (own < 0) {
      this.sup.disconnect(this.handle);
      call.answer(own);
      return;
    }
    this.state = State.CONNECTING;
    this.announced = call.nonblock || (flags & MSG_DONTWAIT) !== 0;
    if (this.announced) call.answer(r);
    else this.hold('writers', call, this.sendTimeout, () => r, () => this.afterSyn(call, taken, rest));
  }
  /** What the call sends, and where to, as a record for the core; -errno. */
  private firstData(call: Call): number {
    const { mem, messages, taskMessages, numbers } = this.sup;
    if (call.nr !== numbers.sendto) {
      const header = taskMessages.readHeaders(call, call.long(1), 1, MSGHDR_BYTES), n = header < 0 ? header : taskMessages.load(1);
      return n < 0 ? n : taskMessages.record(0);
    }
    const length = Math.min(call.long(2), DATA_SIZE), named = call.readAddress(4, mem.u8, messages.name);
    if (named < 0) return named;
    return call.read(call.long(1), mem.u8, DATA, length) < 0 ? -EFAULT : messages.record(named, length);
  }
  /** The answer to the SYN may be here: true when the call was answered. */
  private afterSyn(call: Call, taken: number, rest: Uint8Array): boolean {
    if (this.state === State.CONNECTING) return false;
    if (this.state !== State.CONNECTED) {
      call.answer(-(this.sup.takeError(this.handle) || ECONNABORTED));
      this.sup.disconnect(this.handle);
      return true;
    }
    let more = 0;
    if (rest.length) this.withEnd((end) => { more = Math.max(0, this.sup.native.posixSend(end, rest, 0, rest.length, 0)); });
    call.answer(taken + more);
    return true;
  }
  private connectProgress(): void {
    const ready = this.sup.core.sys_poll(this.handle);
    if (ready & (Poll.ERR | Poll.HUP)) {
      const told = this.writers.length > 0;
      this.state = State.FRESH;
      this.quieten();
      this.retry('writers');
      // Nobody waits for the result: it must show on the descriptor. The junk still unread makes it an error there.
      if (told || !this.announced) return;
      this.failed = true;
      this.die();
    } else if (ready & Poll.OUT) {
      this.established();
      this.retry('writers');
    }
  }
  /** The connection stands: the program's end becomes an ordinary pair. Buffers first, then the junk (one edge, not two). */
  private established(): void {
    const { native } = this.sup;
    const timed = this.quiet || this.receiveTimeout > 0 || this.sendTimeout > 0;
    // SO_SNDBUF stores twice what it is given.
    native.posixOpenPair(
      this.tid, this.there, this.inode, this.fd, (this.sendBuffer || BUFFER) >> 1, this.filling,
      this.lowWater, timed ? this.receiveTimeout : -1, timed ? this.sendTimeout : -1,
    );
    this.quiet = false;
    this.transfer();
  }
  /** Start moving data. */
  transfer(): void {
    if (this.receiveBuffer) this.sup.native.posixSetInt(this.fd, SO_SNDBUF, this.receiveBuffer);
    this.state = State.CONNECTED;
    this.readable = true;
    this.bytesOnly = false;
    this.writable = true;
    this.pump();
  }
  /** After a connection has failed on the descriptor, connect() starts afresh: a new pair in the place of the old. */
  private reopen(call: Call): boolean {
    const { native } = this.sup;
    const inode = this.sup.makePair(SOCK_STREAM);
    if (inode < 0) {
      call.answer(inode);
      return false;
    }
    const [end, own] = this.sup.pair;
    if (call.nonblock) native.posixNonblock(end);
    this.filling = Math.max(0, native.posixPrepare(end, 1));
    this.quiet = true;
    const placed = native.posixNotifyReplaceFd(call.notify, call.record, end, call.int(0), 0);
    native.posixClose(end);
    if (placed < 0) {
      native.posixClose(own);
      call.answer(placed);
      return false;
    }
    this.sup.renumber(this, inode);
    this.state = State.FRESH;
    this.hangupIsAmbiguous = this.outEnded = this.inEnded = false;
    this.planted = 0;
    this.watch(own);
    this.seen(call.tid, call.int(0));
    return true;
  }

  // ---- listen, accept ----
  listen(call: Call): void {
    const r = this.join(true) || this.sup.core.sys_listen(this.handle, call.int(1));
    if (r === 0 && this.state === State.FRESH) {
      this.state = State.LISTENING;
      this.withEnd((end) => this.sup.native.posixShutdown(end, SHUT_WR)); // EPIPE for who writes
    }
    call.answer(r);
  }
  accept(call: Call, flags: number): void {
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
      call.answer(-EINVAL);
      return;
    }
    if (this.tryAccept(call, flags)) return;
    if (call.nonblock) call.answer(-EAGAIN);
    else this.hold('readers', call, this.receiveTimeout, () => -EAGAIN, () => !call.valid() || this.tryAccept(call, flags));
  }
  /** The peer's address at ARG, also when it has reset the connection: its length. */
  private peerOf(handle: number): number {
    const { core } = this.sup, n = core.sys_getpeername(handle, ARG);
    return n === -ENOTCONN ? core.sys_getsockopt(handle, SOL_SOCKET, SO_PEERNAME, ARG, this.family === AF_INET6 ? SOCKADDR_IN6 : SOCKADDR_IN) : n;
  }
  /** True when the call was answered. */
  private tryAccept(call: Call, flags: number): boolean {
    const { core, native } = this.sup;
    const handle = this.returned.shift() ?? core.sys_accept(this.handle);
    if (handle < 0) {
      this.updateTokens();
      if (handle === -EAGAIN) return false;
      call.answer(handle);
      return true;
    }
    const inode = this.sup.makePair(SOCK_STREAM);
    if (inode < 0) {
      core.sys_close(handle);
      call.answer(inode);
      return true;
    }
    const [end, own] = this.sup.pair;
    const child = new StreamSocket(this.sup, handle, inode, this.family);
    child.receiveTimeout = this.receiveTimeout;
    child.sendTimeout = this.sendTimeout;
    child.sendBuffer = this.sendBuffer;
    child.receiveBuffer = this.receiveBuffer;
    if (flags & SOCK_NONBLOCK) native.posixNonblock(end);
    if (this.sendBuffer) native.posixSetInt(end, SO_SNDBUF, this.sendBuffer);
    if (this.receiveTimeout || this.sendTimeout) child.applyTimeouts(end);
    child.watch(own);
    this.sup.add(child);
    const named = this.sup.answerName(call, this.peerOf(handle), 1);
    const there = named < 0 ? named : call.giveFd(end, !!(flags & SOCK_CLOEXEC));
    native.posixClose(end);
    if (there >= 0) {
      child.seen(call.tid, there);
      child.transfer();
    } else if (named < 0) {
      child.free();
      call.answer(named);
    } else {
      // Interrupted: the connection waits for the next accept(). Any other error is the program's (EMFILE).
      child.giveBack();
      this.returned.push(handle);
      call.answer(there);
    }
    this.updateTokens();
    return true;
  }
  /** Forget this socket but not the core's. */
  private giveBack(): void {
    this.closed = true;
    this.unwatch();
    this.sup.forget(this);
  }
  private arrivals(mask: number): void {
    this.retry('readers');
    if (mask & Poll.IN && this.tokens < TOKENS_MAX && this.pending()) {
      if (this.sup.native.posixSend(this.fd, SCRATCH, 0, 1, 0) === 1) this.tokens++;
    }
    if (mask & (Poll.ERR | Poll.HUP)) this.retry('readers');
  }
  private pending(): boolean {
    return this.returned.length > 0 || (this.sup.core.sys_poll(this.handle) & Poll.IN) !== 0;
  }
  /** The listener is readable exactly while a connection waits. */
  private updateTokens(): void {
    const { native } = this.sup;
    const pending = this.pending();
    if (pending && this.tokens === 0) {
      if (native.posixSend(this.fd, SCRATCH, 0, 1, 0) === 1) this.tokens = 1;
    } else if (!pending && this.tokens > 0) {
      this.withEnd((end) => native.posixReceive(end, SCRATCH, 0, TOKENS_MAX, 0));
      this.tokens = 0;
    }
  }

  override free(): void {
    super.free();
    for (const handle of this.returned) this.sup.core.sys_close(handle);
    this.returned = [];
  }

  // ---- the rest ----
  shutdown(call: Call): void {
    const { native, core } = this.sup;
    const how = call.int(1);
    if (how < SHUT_RD || how > SHUT_RDWR) {
      call.answer(-EINVAL);
      return;
    }
    if (this.state !== State.CONNECTED || this.outEnded) {
      call.answer(core.sys_shutdown(this.handle, how));
      if (this.state === State.LISTENING) this.retry('readers');
      return;
    }
    this.hangupIsAmbiguous = true;
    this.withEnd((end) => {
      if (how !== SHUT_RD && !this.outEnded && !this.planted && native.posixSend(end, SCRATCH, 0, 1, 0) === 1) this.planted = 1;
      native.posixShutdown(end, how);
    });
    if (how !== SHUT_WR) core.sys_shutdown(this.handle, SHUT_RD);
    this.readable = true;
    this.bytesOnly = false;
    this.pump();
    call.answer(0);
  }
  /** sendto with an address, sendmsg, sendmmsg: TCP ignores the address; the bytes take the ordinary way. */
  send(call: Call): void {
    const { numbers } = this.sup;
    const flags = call.nr === numbers.sendto || call.nr === numbers.sendmmsg ? call.int(3) : call.int(2);
    if (flags & MSG_FASTOPEN && !this.early) {
      if (call.nr === numbers.sendmmsg) call.answer(-EOPNOTSUPP);
      else this.fastopen(call, flags);
    } else if (this.state !== State.CONNECTED) call.answer(-EPIPE);
    else if (call.nr !== numbers.sendto) call.pass();
    else if (!this.trySend(call)) this.sendLater(call);
  }
  private trySend(call: Call): boolean {
    const { native, mem } = this.sup;
    const length = Math.min(call.long(2), DATA_SIZE);
    if (call.read(call.long(1), mem.u8, DATA, length) < 0) {
      call.answer(-EFAULT);
      return true;
    }
    let n = -EPIPE;
    this.withEnd((end) => { n = native.posixSend(end, mem.u8, DATA, length, call.int(3)); });
    if (n === -EAGAIN && !(call.int(3) & MSG_DONTWAIT) && !call.nonblock) return false;
    call.answer(n);
    return true;
  }
  private sendLater(call: Call): void {
    this.hold('writers', call, RETRY_US, () => -EAGAIN, () => this.trySend(call));
    const w = this.writers[this.writers.length - 1];
    this.sup.loop.clearTimer(w.timer);
    const again = (): void => {
      w.timer = -1;
      if (!call.valid() || this.closed || this.trySend(call)) this.drop(w);
      else w.timer = this.sup.loop.setTimer(this.sup.loop.now() + RETRY_US * 1000, again);
    };
    w.timer = this.sup.loop.setTimer(this.sup.loop.now() + RETRY_US * 1000, again);
  }
  receive(call: Call): void {
    const { numbers } = this.sup;
    const flags = call.nr === numbers.recvmsg ? call.int(2) : call.int(3);
    if (flags & MSG_ERRQUEUE) call.answer(-EAGAIN);
    else if (this.state === State.CONNECTED || this.state === State.DEAD) call.pass();
    else call.answer(flags & MSG_OOB && this.state !== State.LISTENING ? -EINVAL : -ENOTCONN);
  }
  queued(_call: Call, command: number): number {
    const { native } = this.sup;
    const beyond = this.sup.coreIoctl(this.handle, command);
    if (beyond < 0 || this.fd < 0 || this.state !== State.CONNECTED) return beyond;
    let here = 0;
    if (command === SIOCOUTQ) here = native.posixQueued(this.fd, FIONREAD) - this.planted;
    else this.withEnd((end) => { here = native.posixQueued(end, FIONREAD); });
    return beyond + Math.max(0, here);
  }
  mirror(option: number, value: number): void {
    const { native } = this.sup;
    if (option === SO_SNDBUF) this.sendBuffer = value;
    else if (option === SO_RCVBUF) this.receiveBuffer = value;
    else if (option === SO_RCVLOWAT) this.lowWater = value;
    else if (option === SO_LINGER) this.abortive = value === 0;
    if (option === SO_LINGER || this.state !== State.CONNECTED) return;
    if (option === SO_RCVBUF) native.posixSetInt(this.fd, SO_SNDBUF, value);
    else this.withEnd((end) => native.posixSetInt(end, option, value));
  }
  override setTimeout(option: number, microseconds: number): void {
    super.setTimeout(option, microseconds);
    if (this.state === State.CONNECTED) this.withEnd((end) => this.applyTimeouts(end));
  }
}
