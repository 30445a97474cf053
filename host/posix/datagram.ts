// Sockets of messages: UDP, ping, raw, packet and netlink.
//
// The program's end is one half of a unix SEQPACKET pair (a DGRAM pair would not tell that the program has closed its
// end). Datagrams received are put into the pair, so that poll and plain read and recv are native; their addresses and
// ancillary data wait here, in the same order, for the calls that ask for them. A program that waits in such calls gets
// its datagrams from the core instead (see `direct`).
// Differences that remain: a pending error (ECONNREFUSED) is told by the next notified call; it wakes poll as readable, and
// a native recv returns 0 instead of failing, unless the program asks for errors (error_pair.ts). A native send to an unconnected socket is dropped instead of failing with
// EDESTADDRREQ.
import { DATA, DATA_SIZE, Poll } from '../abi/constants.js';
import {
  AF_NETLINK, EAGAIN, EDESTADDRREQ, EINTR, EINVAL, EMSGSIZE, EOPNOTSUPP, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, FIONREAD, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK,
  SHUT_RDWR, SIOCOUTQ, SOCK_CLOEXEC, SOCK_NONBLOCK, SO_LINGER, SO_RCVBUF, SO_SNDBUF,
} from './linux.js';
import { MSGHDR_BYTES, SCRATCH, type Call } from './call.js';
import { replacePair } from './error_pair.js';
import { manySends, receiveMany } from './many_messages.js';
import type { Datagram } from './message.js';
import { PosixSocket } from './socket.js';
import { LONGEST } from './written.js';

/** Datagrams moved in one turn of one direction. */
const BURST = 64;
/** Addresses kept before looking at how many datagrams the program has read without telling. */
const RESYNC = 64;
const NONE = new Uint8Array(0);
/** How long a datagram waits for the notified call of a program that has been waiting in such calls, ns. */
const GRACE_NS = 200e3;
/** See DatagramSocket.trial: it doubles with every trial that fails. */
const TRIAL = 4, TRIAL_MAX = 65536;

/**
 * Send buffer of the program's end, bytes (the kernel takes twice that): a datagram that is far too long fails at once with EMSGSIZE there;
 * one that is a little too long the core refuses.
 */
export const SEND_BUFFER = 65536;

interface Queued {
  address: Uint8Array;
  control: Uint8Array;
  flags: number;
  length: number;
  /** What it costs the pair (SIOCOUTQ). */
  cost: number;
  /** No datagram: an empty message that wakes the program for an error. */
  wake: boolean;
}

export class DatagramSocket extends PosixSocket {
  readonly queue: Queued[] = [];
  /** Sum of the costs in `queue`. */
  private cost = 0;
  private readable = false;
  private writable = true;
  /** An error to be told by the next notified call, errno. */
  error = 0;
  /**
   * The program waits in notified calls: datagrams stay in the core, from where such a call takes them at a third of the
   * price. One that is not called for within GRACE_NS shows that the program polls, or reads natively: then as before.
   */
  private direct = false;
  /** Blocking notified calls in a row that took something, and how many of them make a new trial of `direct`. */
  private streak = 0;
  private trial = TRIAL;
  private graceTimer = -1;
  /** Notified calls took something since the timer was set. */
  private taken = false;
  /**
   * Notified calls take what there is: the pair holds one datagram at most, for poll; the others stay in the core, from where such a call takes
   * many at once. A native call that reads it ends this.
   */
  private sparing = false;
  /** The pair can show errors, and shows one. */
  private shows = false;
  raised = false;
  private raising = false;
  /** Written natively and taken from the pair, but not sent: there was no room for it, or an error came first. */
  private unsent: Uint8Array[] = [];
  /** The likely length of what is written next, bytes; errno of what was written last, to be told. */
  private expected = 0;
  private refused = 0;
  /** Taken from the core when the pair had no room. */
  kept: { bytes: Uint8Array; datagram: Datagram } | undefined;

  onData(events: number): void {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) this.readable = true;
    if (events & EPOLLOUT) this.writable = true;
    this.pumpOut();
    if (!this.closed && this.writable) this.pumpIn();
  }
  onCore(mask: number): void {
    if (mask & Poll.OUT) {
      // A thread wrote natively before it made a call that is held.
      this.pumpOut();
      this.retry('writers');
    }
    if (this.closed) return;
    // An error that shows stays in the core, whose queue of errors knows when it is over.
    if (mask & Poll.ERR && !this.shows) this.noteError(this.sup.takeError(this.handle));
    if (mask & (Poll.IN | Poll.ERR)) this.pumpIn();
    if (mask & Poll.ERR) this.settle(true);
  }
  override showErrors(call: Call): void {
    if (this.shows || this.queue.length || this.kept || this.fd < 0) return;
    this.shows = replacePair(this, call);
  }
  /** Let the pair show an error while there is one, and none otherwise. `fresh`: there is a new one. */
  settle(fresh = false): void {
    if (!this.shows || this.closed || this.raising) return;
    const pending = this.error !== 0 || (this.sup.core.sys_poll(this.handle) & Poll.ERR) !== 0;
    if (!pending) this.lower();
    else if (fresh || !this.raised) this.raise();
  }
  private raise(): void {
    this.raising = true;
    this.pumpOut();
    this.withEnd((end) => { this.raised = this.sup.native.posixRaise(this.fd, end) === 0; });
    this.raising = false;
  }
  private lower(): void {
    if (!this.raised) return;
    this.raised = false;
    this.withEnd((end) => this.sup.native.posixTakeError(end));
  }
  protected override breakEnd(): void {
    if (!this.shows) super.breakEnd();
    else this.withEnd((end) => {
      this.sup.native.posixRaise(this.fd, end);
      this.sup.native.posixShutdown(end, SHUT_RDWR);
    });
  }
  /** Keep an error (errno, 0 = none) for the next call, and wake a program that polls. */
  private noteError(errno: number): void {
    this.error ||= errno;
    if (!this.error) return;
    this.retry('readers');
    this.settle(true);
    if (!this.error || this.shows || this.fd < 0 || this.queue.some((q) => q.wake)) return;
    if (this.sup.native.posixSend(this.fd, this.sup.mem.u8, DATA, 0, 0) === 0) this.enqueue({ address: NONE, control: NONE, flags: 0, length: 0 }, true);
  }
  /** Remember what stands in the pair. */
  private enqueue(d: Datagram, wake: boolean): void {
    const cost = this.sup.costOf(d.length);
    this.queue.push({ address: d.address, control: d.control, flags: d.flags, length: d.length, cost, wake });
    this.cost += cost;
  }
  /** Forget the first in the pair, which has been read. */
  private dequeue(): void {
    this.cost -= (this.queue.shift() as Queued).cost;
  }
  /** Take a wake-up that is next in the pair out of it. */
  unwake(): void {
    this.resync();
    if (!this.queue[0]?.wake) return;
    this.withEnd((end) => {
      if (this.sup.native.posixReceive(end, SCRATCH, 0, 1, 0) === 0) this.dequeue();
    });
  }

  // ---- the pair ----
  /** What the program wrote natively -> core. */
  private pumpOut(): void {
    const { core, native, written } = this.sup;
    // What a netlink message brings about comes before the next.
    const most = this.family === AF_NETLINK ? 1 : BURST;
    for (let taken = 0; taken < BURST;) {
      if (!this.sendUnsent() || !this.readable || this.fd < 0) return;
      // Take nothing the core has no room for.
      if (!(core.sys_poll(this.handle) & Poll.OUT)) return;
      const n = written.take(this.fd, this.expected, most);
      if (n < 0) {
        this.readable = false;
        if (n !== -EAGAIN && this.abandoned(native.posixPoll(this.fd, 0))) this.free();
        return;
      }
      this.readable = written.more;
      this.expected = written.length(n - 1);
      taken += n;
      for (let i = 0; i < n; i++) {
        const gone = this.sendWritten(written.place(i), written.length(i));
        if (gone && !this.refused) continue;
        // Who is told of the error uses the place of those that are left.
        this.unsent = written.copies(gone ? i + 1 : i, n);
        this.tellRefused();
        if (!gone) return;
        break;
      }
    }
    this.sup.again(this);
  }
  /** Send what had no room, or was behind an error; whether that is all. */
  private sendUnsent(): boolean {
    while (this.unsent.length) {
      const bytes = this.unsent[0];
      this.sup.mem.u8.set(bytes, DATA);
      const gone = this.sendWritten(DATA, bytes.length);
      if (gone) this.unsent.shift();
      this.tellRefused();
      if (!gone) return false;
    }
    return true;
  }
  /** Send a datagram that the program wrote; false when the core will tell of room for it. What is wrong with it goes to `refused`. */
  private sendWritten(at: number, length: number): boolean {
    const { core, messages } = this.sup;
    if (length > LONGEST) {
      this.refused = EMSGSIZE;
      return true;
    }
    const send = (): number => core.sys_sendmsg(this.handle, messages.recordAt(0, 0, at, length, 0, 0), MSG_DONTWAIT);
    let sent = send();
    // An error of an earlier datagram is told in place of sending this one.
    if (sent < 0 && REPORTED.has(-sent)) {
      this.refused = -sent;
      sent = send();
    }
    if (this.family === AF_NETLINK && sent >= 0) this.sup.netlinkSent();
    if (sent === -EAGAIN) return (core.sys_poll(this.handle) & Poll.OUT) !== 0;
    // Of no use to a later call, which names its destination or does not send.
    if (sent < 0 && sent !== -EDESTADDRREQ) this.refused ||= -sent;
    return true;
  }
  private tellRefused(): void {
    const errno = this.refused;
    this.refused = 0;
    if (errno) this.noteError(errno);
  }
  /** Core -> pair. */
  private pumpIn(): void {
    const { core } = this.sup;
    // Held calls come first: they were made when there was nothing in the pair.
    this.retry('readers');
    if (this.fd < 0) return;
    if (this.kept) {
      this.sup.mem.u8.set(this.kept.bytes, DATA);
      if (!this.push(this.kept.datagram)) return;
      this.kept = undefined;
    }
    if (this.direct) {
      this.awaitCall();
      return;
    }
    for (let i = 0; i < BURST && this.writable && !this.closed; i++) {
      if (this.shows && !(core.sys_poll(this.handle) & Poll.IN)) return; // its error is for a call to take
      if (this.sparing && this.queue.length) this.resync();
      if (this.sparing && this.queue.length) return;
      const n = core.sys_recvmsg(this.handle, this.sup.messages.receiveRecord(), MSG_DONTWAIT);
      if (n === -EAGAIN) return;
      if (n < 0) {
        this.noteError(-n);
        return;
      }
      const datagram = this.sup.messages.received(n);
      if (!this.push(datagram)) this.kept = { bytes: this.sup.mem.u8.slice(DATA, DATA + n), datagram };
    }
    if (this.writable && !this.closed) this.sup.again(this);
  }
  /** A notified call found something, one of a program that `waits` in them. */
  servedAtOnce(waits: boolean): void {
    if (this.direct) return;
    this.streak = waits ? this.streak + 1 : 0;
    if (this.streak >= this.trial) this.goDirect();
  }
  /** A notified call waited for what it got. */
  goDirect(): void {
    this.direct = true;
    this.streak = 0;
    this.awaitCall();
  }
  /** Leave what the core has to a notified call that comes soon. */
  private awaitCall(): void {
    const { core, loop } = this.sup;
    if (this.graceTimer >= 0 || !(core.sys_poll(this.handle) & Poll.IN)) return;
    this.taken = false;
    this.graceTimer = loop.setTimer(loop.now() + GRACE_NS, () => {
      this.graceTimer = -1;
      if (this.closed) return;
      if (!this.taken) {
        this.direct = false;
        this.trial = Math.min(2 * this.trial, TRIAL_MAX);
      }
      loop.stamp();
      this.pumpIn();
      loop.requestPoll();
    });
  }
  /** Put the datagram, whose bytes are at `at`, into the pair; false when there is no room. */
  private push(d: Datagram, at = DATA): boolean {
    const { native, mem } = this.sup;
    const n = native.posixSend(this.fd, mem.u8, at, d.length, 0);
    if (n === -EAGAIN) {
      this.writable = false;
      return false;
    }
    if (n < 0) { // the program reads no more
      if (this.shows && native.posixUnixAlive(this.inode) === 0) this.free();
      return true;
    }
    this.enqueue(d, false);
    if (this.queue.length % RESYNC === 0) this.resync();
    return true;
  }
  /** Forget the addresses of datagrams that were read natively: what the pair still holds are the last ones. */
  private resync(): void {
    if (!this.queue.length) return;
    const held = this.sup.native.posixQueued(this.fd, SIOCOUTQ);
    while (this.queue.length && this.cost > held) {
      this.dequeue();
      this.sparing = false;
    }
  }
  again(): void {
    this.pumpOut();
    if (!this.closed && this.writable) this.pumpIn();
  }

  // ---- receiving ----
  /** The next datagram to DATA, or -errno. */
  take(call: Call, flags: number): Datagram | number {
    const d = this.takeNext(call, flags);
    this.settle();
    return d;
  }
  private takeNext(call: Call, flags: number): Datagram | number {
    const { native, core, mem, messages } = this.sup;
    if (flags & MSG_ERRQUEUE) {
      const n = core.sys_recvmsg(this.handle, messages.receiveRecord(), flags | MSG_DONTWAIT);
      if (n < 0) return n;
      if (this.shows) this.error = 0; // as sock_dequeue_err_skb: what is left in the core's queue counts
      return messages.received(n);
    }
    if (this.error || this.raised) {
      const e = this.takeError();
      this.lower();
      if (e) return -e;
    }
    this.unwake();
    if (this.queue.length) {
      const n = native.posixTaskReceive(call.tid, call.int(0), mem.u8, DATA, DATA_SIZE, flags & MSG_PEEK);
      if (n >= 0) {
        const q = this.queue[0];
        if (!(flags & MSG_PEEK)) this.dequeue();
        this.took();
        return { length: n, address: q.address, control: q.control, flags: q.flags };
      }
      if (n !== -EAGAIN) return n;
    }
    if (this.kept) {
      const { bytes, datagram } = this.kept;
      mem.u8.set(bytes, DATA);
      if (!(flags & MSG_PEEK)) this.kept = undefined;
      return datagram;
    }
    const n = core.sys_recvmsg(this.handle, messages.receiveRecord(), (flags & MSG_PEEK) | MSG_DONTWAIT);
    if (n < 0) return n;
    const datagram = messages.received(n);
    this.took();
    return datagram;
  }
  /** A notified call has taken a datagram. */
  took(): void {
    this.taken = this.sparing = true;
    this.sup.more = this.direct && (this.queue.length > 0 || (this.sup.core.sys_poll(this.handle) & Poll.IN) !== 0);
  }
  receive(call: Call): void {
    const { numbers } = this.sup;
    const flags = call.nr === numbers.recvmsg ? call.int(2) : call.int(3);
    // The descriptor is asked only when it matters: that costs a system call.
    const nonblock = (): boolean => (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) !== 0 || call.nonblock;
    if (call.nr === numbers.recvmmsg) {
      receiveMany(this, call, flags, nonblock());
      return;
    }
    const waits = this.direct || !nonblock();
    if (this.tryReceive(call, flags)) {
      this.servedAtOnce(waits);
      return;
    }
    if (nonblock()) {
      call.answer(-EAGAIN);
      return;
    }
    this.hold('readers', call, this.receiveTimeout, () => -EAGAIN, () => {
      if (!call.valid()) return true;
      if (!this.tryReceive(call, flags)) return false;
      this.goDirect();
      return true;
    });
  }
  private tryReceive(call: Call, flags: number): boolean {
    const { taskMessages, messages } = this.sup, header = call.nr === this.sup.numbers.recvmsg;
    const bad = header ? taskMessages.readHeaders(call, call.long(1), 1, MSGHDR_BYTES) : 0;
    const d = bad < 0 ? bad : this.take(call, flags);
    if (typeof d === 'number') {
      if (d === -EAGAIN) return false;
      call.answer(d);
      return true;
    }
    taskMessages.put(d);
    let result = header ? taskMessages.store(1, flags) : messages.toRecvfrom(call, d, flags);
    if (header && result > 0) result = taskMessages.result(0);
    this.offer();
    // Interrupted: nothing arrived there, so the datagram stays to be received.
    if (!call.answer(result) && !(flags & (MSG_PEEK | MSG_ERRQUEUE))) this.giveBack(0, 1);
    return true;
  }
  /** Before a call is answered: what is left shows to poll. */
  offer(): void {
    const { taskMessages, core } = this.sup;
    if (this.direct || !this.sparing || this.queue.length || this.kept || !this.writable || this.closed || !(core.sys_poll(this.handle) & Poll.IN)) return;
    const next = taskMessages.next(core, this.handle, this.sup.coreIoctl(this.handle, FIONREAD));
    if (!next) this.sup.again(this); // no room beside what the call takes
    else if (!this.push(next.datagram, next.place)) this.kept = { bytes: this.sup.mem.u8.slice(next.place, next.place + next.datagram.length), datagram: next.datagram };
  }
  /** Messages [from, to) of the list stay to be received, as far as there is room. */
  giveBack(from: number, to: number): void {
    const { taskMessages, mem } = this.sup;
    for (let i = from; i < to; i++) {
      const d = taskMessages.datagram(i), at = taskMessages.place(i);
      if (this.push(d, at)) continue;
      this.kept ??= { bytes: mem.u8.slice(at, at + d.length), datagram: d };
      return;
    }
  }
  // ---- sending ----
  send(call: Call): void {
    const { numbers } = this.sup;
    // What was written natively before has just been told by the descriptor (Supervisor.serve).
    this.pumpOut();
    if (this.closed) return;
    if (this.error) {
      call.answer(-this.takeError());
      return;
    }
    const flags = call.nr === numbers.sendmsg ? call.int(2) : call.int(3);
    const attempt = call.nr === numbers.sendmmsg ? manySends(this, call, flags) : () => this.trySend(call, flags);
    if (attempt()) return;
    if (flags & MSG_DONTWAIT || call.nonblock) call.answer(-EAGAIN);
    else this.hold('writers', call, this.sendTimeout, () => -EAGAIN, () => !call.valid() || attempt());
  }
  private trySend(call: Call, flags: number): boolean {
    const { messages, taskMessages, core, numbers } = this.sup;
    let r = call.nr === numbers.sendmsg ? taskMessages.readHeaders(call, call.long(1), 1, MSGHDR_BYTES) : messages.fromSendto(call);
    if (call.nr === numbers.sendmsg) {
      if (r > 0) r = taskMessages.load(1);
      // A call that was interrupted meanwhile comes again: nothing is sent twice, and nothing of another task's.
      if (r > 0) r = call.valid() ? taskMessages.record(0) : -EINTR;
    }
    if (r >= 0) r = core.sys_sendmsg(this.handle, r, flags | MSG_DONTWAIT);
    this.sentSome(r);
    if (r === -EAGAIN) return false;
    this.sup.sendFrames();
    call.answer(r);
    return true;
  }
  sentSome(n: number): void {
    if (this.family === AF_NETLINK && n >= 0) this.sup.netlinkSent();
    this.settle();
  }
  // ---- the rest ----
  connect(call: Call): void {
    call.answer(this.sup.coreConnect(this.handle, call));
  }
  listen(call: Call): void {
    call.answer(this.sup.core.sys_listen(this.handle, call.int(1)));
  }
  accept(call: Call, flags: number): void {
    call.answer(flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) ? -EINVAL : -EOPNOTSUPP);
  }
  shutdown(call: Call): void {
    const how = call.int(1);
    if (how < 0 || how > SHUT_RDWR) {
      call.answer(-EINVAL);
      return;
    }
    const r = this.sup.core.sys_shutdown(this.handle, how);
    if (r === 0) {
      this.hangupIsAmbiguous = true;
      this.withEnd((end) => this.sup.native.posixShutdown(end, how));
    }
    call.answer(r);
  }
  queued(_call: Call, command: number): number {
    this.unwake();
    if (command === FIONREAD && this.queue.length) return this.queue[0].length;
    if (command === FIONREAD && this.kept) return this.kept.datagram.length;
    return this.sup.coreIoctl(this.handle, command);
  }
  mirror(option: number, value: number): void {
    const { native } = this.sup;
    if (option === SO_RCVBUF) native.posixSetInt(this.fd, SO_SNDBUF, value);
    else if (option === SO_SNDBUF) this.withEnd((end) => native.posixSetInt(end, SO_SNDBUF, Math.min(value, SEND_BUFFER)));
    else if (option !== SO_LINGER) this.withEnd((end) => native.posixSetInt(end, option, value));
  }
  override setTimeout(option: number, microseconds: number): void {
    super.setTimeout(option, microseconds);
    this.withEnd((end) => this.applyTimeouts(end));
  }
  override takeError(): number {
    const e = this.error;
    this.error = 0;
    if (e) this.unwake();
    const error = e || this.sup.takeError(this.handle);
    this.settle();
    return error;
  }
}

/** Errors that ICMP brings to a connected socket (ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPROTO, ENOPROTOOPT). */
const REPORTED = new Set([111, 113, 101, 71, 92]);
