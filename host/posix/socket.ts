// What every supervised socket has: a core handle, a data descriptor shared with the program, calls that wait.
import { SCRATCH, type Call } from './call.js';
import type { Supervisor } from './supervisor.js';
import { EBADF, ECONNRESET, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, FIONREAD, SO_RCVTIMEO, SO_SNDTIMEO } from './linux.js';

const WATCH = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

/** A call that is held until the socket lets it finish. */
export interface Waiter {
  readonly call: Call;
  /** Try again: true when it was answered (or turned out to be interrupted). */
  readonly attempt: () => boolean;
  timer: number;
}

export abstract class PosixSocket {
  /** Ours; -1 once closed. */
  fd = -1;
  private source = -1;
  /** Where a program was last seen holding it. */
  tid = 0;
  there = -1;
  /** SO_RCVTIMEO and SO_SNDTIMEO in microseconds, 0 = none. */
  receiveTimeout = 0;
  sendTimeout = 0;
  /** Calls held until there is something to receive (or accept), or room to send (or a connection). */
  readers: Waiter[] = [];
  writers: Waiter[] = [];
  /** A shutdown by the program makes our end see a hang-up although the program still holds the socket. */
  hangupIsAmbiguous = false;
  closed = false;

  constructor(readonly sup: Supervisor, readonly handle: number, public inode: number, readonly family: number, readonly type: number) {}

  /** Readiness of the core's socket changed (Poll bits). */
  abstract onCore(mask: number): void;
  /** The data descriptor became ready (EPOLL bits). */
  abstract onData(events: number): void;
  abstract connect(call: Call): void;
  abstract listen(call: Call): void;
  abstract accept(call: Call, flags: number): void;
  abstract shutdown(call: Call): void;
  abstract send(call: Call): void;
  abstract receive(call: Call): void;
  /** FIONREAD and SIOCOUTQ: value or -errno. */
  abstract queued(call: Call, command: number): number;
  /** An int option of the data path on the program's end, at once or when it is connected. */
  abstract mirror(option: number, value: number): void;

  /** The program wants to know of errors (IP_RECVERR), in the call being answered. */
  showErrors(_call: Call): void { /* a connection's show anyway */ }

  /** Go on moving data that one turn did not finish. */
  abstract again(): void;

  /** SO_ERROR: the pending error, taken; 0 = none. */
  takeError(): number {
    return this.sup.takeError(this.handle);
  }
  /** Use `fd` as the data descriptor. */
  watch(fd: number): void {
    this.fd = fd;
    this.source = this.sup.readiness.add(fd, WATCH, (events) => { this.onData(events); });
  }
  /** Stop using the data descriptor and close it. */
  unwatch(): void {
    if (this.fd < 0) return;
    this.sup.native.posixGuard(this.fd, 0, 0, 0);
    this.sup.readiness.closed(this.source);
    this.sup.native.posixClose(this.fd);
    this.fd = -1;
  }
  /** A program holds this socket as `fd`. */
  seen(tid: number, fd: number): void {
    this.tid = tid;
    this.there = fd;
    if (this.fd >= 0) this.sup.native.posixGuard(this.fd, tid, fd, this.inode);
  }
  /** Our own copy of the program's end; the caller closes it. -errno when nobody holds it. */
  end(): number {
    return this.sup.native.posixFindEnd(this.tid, this.there, this.inode);
  }
  /** Do something with the program's end, if there is one. */
  withEnd(fn: (end: number) => void): void {
    const end = this.end();
    if (end < 0) return;
    fn(end);
    this.sup.native.posixClose(end);
  }
  setTimeout(option: number, microseconds: number): void {
    if (option === SO_RCVTIMEO) this.receiveTimeout = microseconds;
    else this.sendTimeout = microseconds;
  }
  /** SO_RCVTIMEO and SO_SNDTIMEO onto the program's end, for its native calls. */
  protected applyTimeouts(end: number): void {
    this.sup.native.posixSetTimeout(end, SO_RCVTIMEO, this.receiveTimeout);
    this.sup.native.posixSetTimeout(end, SO_SNDTIMEO, this.sendTimeout);
  }

  /** Hold a call on one of the lists for at most `microseconds` (0 = for ever), then answer `expired`. */
  hold(list: 'readers' | 'writers', call: Call, microseconds: number, expired: () => number, attempt: () => boolean): void {
    const w: Waiter = { call, attempt, timer: -1 };
    this[list].push(w);
    this.sup.waiting(call.tid, this, w);
    if (microseconds > 0) {
      w.timer = this.sup.loop.setTimer(this.sup.loop.now() + microseconds * 1000, () => {
        w.timer = -1;
        this.drop(w);
        call.answer(expired());
        this.sup.serveNext(call.notify);
      });
    }
  }
  /** Forget a held call without answering it. */
  drop(w: Waiter): void {
    if (w.timer >= 0) this.sup.loop.clearTimer(w.timer);
    w.timer = -1;
    this.readers = this.readers.filter((x) => x !== w);
    this.writers = this.writers.filter((x) => x !== w);
    this.sup.noLongerWaiting(w.call.tid, w);
  }
  /** Try the held calls in order until one cannot finish. */
  protected retry(list: 'readers' | 'writers'): void {
    while (this[list].length) {
      const w = this[list][0];
      if (!w.attempt()) return;
      this.drop(w);
    }
  }
  protected failAll(errno: number): void {
    for (const w of [...this.readers, ...this.writers]) {
      this.drop(w);
      w.call.answer(-errno);
    }
  }

  /** Take the socket away from the program: its calls and reads fail with ECONNRESET. The core is not told. */
  reset(): void {
    this.closed = true;
    this.failAll(ECONNRESET);
    this.breakEnd();
    this.unwatch();
  }
  /** Closing our end with a byte of the program's unread makes its reads fail once the rest is read. */
  protected breakEnd(): void {
    const { native } = this.sup;
    if (this.fd >= 0 && native.posixQueued(this.fd, FIONREAD) <= 0) this.withEnd((end) => native.posixSend(end, SCRATCH, 0, 1, 0));
  }

  /** The program no longer holds the socket (or never will): give everything back. */
  free(): void {
    if (this.closed) return;
    this.closed = true;
    this.failAll(EBADF);
    this.unwatch();
    this.sup.forget(this);
    this.sup.core.sys_close(this.handle);
    this.sup.loop.requestPoll();
  }
  /** Whether a hang-up on our end means that every program has closed the socket. */
  protected abandoned(events: number): boolean {
    if (!(events & EPOLLHUP)) return false;
    return !this.hangupIsAmbiguous || this.sup.native.posixUnixAlive(this.inode) !== 1;
  }
}
