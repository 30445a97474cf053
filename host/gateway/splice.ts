// One TCP connection through the gateway: the stack's side in the gateway's core, the other a connected socket of the host.
// What one side does the other sees: bytes, with back-pressure both ways (nothing is kept here, both queues are bounded), the end of a
// stream (half-closed), a reset.
import type { Socket } from 'node:net';
import { Errno, DATA, IOV } from '../abi/constants.js';
import type { PosixNative } from '../posix/native.js';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, FIONREAD, MSG_PEEK, SHUT_WR, SO_OOBINLINE } from '../posix/linux.js';
import type { CoreStream } from '../sockets/core_stream.js';
import { SocketError } from '../sockets/error.js';
import { IPPROTO_TCP, SOL_SOCKET, TCP_NODELAY } from '../sockets/linux.js';
import type { Loop } from '../threads/loop.js';
import { descriptorOf } from './host_fd.js';

/** Bytes moved in one step. */
const CHUNK = 256 * 1024;
/** Steps of one direction in one turn, so that one bulk transfer does not starve the others. */
const STEPS = 8;

export interface SpliceParts {
  loop: Loop;
  native: PosixNative;
}

export class Splice {
  private readonly fd: number;
  private readonly source: number;
  private readonly memory: Uint8Array;
  private hostReadable = true;
  /** The host's side has told its end or an error: read until that comes. */
  private hostEnding = false;
  private hostWritable = true;
  /** The host's side has sent its end; the stack's has, and it was passed on. */
  private hostEnded = false;
  private stackEnded = false;
  private closed = false;
  /** A continuation of work that did not fit a turn. */
  private later = 0;

  /** Both sides are connected. `done` is called once, when both are gone. */
  constructor(private readonly parts: SpliceParts, private readonly stream: CoreStream, private readonly socket: Socket, private readonly done: () => void) {
    this.fd = descriptorOf(socket);
    this.memory = parts.loop.core.mem.u8;
    // What the program sent without delay leaves without delay, too; urgent data stays in its place.
    socket.setNoDelay(true);
    parts.native.posixSetInt(this.fd, SO_OOBINLINE, 1);
    stream.setOption(IPPROTO_TCP, TCP_NODELAY, 1);
    stream.setOption(SOL_SOCKET, SO_OOBINLINE, 1);
    stream.onreadable = () => this.upward();
    stream.onwritable = () => this.downward();
    stream.onend = () => this.stackEnd();
    stream.onerror = () => this.reset();
    this.source = parts.loop.addSource(this.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (events) => this.hostEvent(events));
    this.continue();
  }

  /** The gateway ends: hand on what is here, and reset the host's side unless the stack's had come to its end. */
  end(): void {
    this.upward();
    if (!this.stackEnded) return this.reset();
    if (!this.detach()) return;
    this.stream.close();
    this.socket.destroy();
    this.done();
  }
  /** End it with a reset on both sides. */
  reset(): void {
    if (!this.detach()) return;
    this.stream.reset();
    this.socket.resetAndDestroy();
    this.done();
  }

  private hostEvent(events: number): void {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) this.hostReadable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP)) this.hostEnding = true;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) this.hostWritable = true;
    if (events & EPOLLERR) return this.reset();
    if (this.hostReadable) this.downward();
    if (this.hostWritable) this.upward();
  }

  /** Host to stack. */
  private downward(): void {
    const { native } = this.parts;
    for (let step = 0; step < STEPS; step++) {
      if (this.closed || !this.hostReadable || this.hostEnded) return;
      // Room is taken in the core only for what is there.
      const there = native.posixQueued(this.fd, FIONREAD);
      if (there <= 0) return this.hostNothing();
      const want = Math.min(there, CHUNK);
      let got = -1;
      try {
        if (!this.stream.fill(want, (pieces) => (got = native.posixReadv(this.fd, this.memory, IOV, pieces, want))) && got < 0) return;
        // What comes from here on is told by another event.
        if (got === there && !this.hostEnding) {
          this.hostReadable = false;
          return;
        }
      } catch (e) {
        if (!(e instanceof SocketError)) throw e;
        return this.reset(); // the stack's side has failed
      }
    }
    this.continue();
  }

  /** Nothing waits at the host: for now, for good, or because the connection broke. */
  private hostNothing(): void {
    const n = this.parts.native.posixReceive(this.fd, this.memory, DATA, 1, MSG_PEEK);
    if (n > 0) return this.continue();
    if (n === -Errno.EAGAIN) {
      this.hostReadable = false;
      return;
    }
    if (n < 0) return this.reset();
    this.hostEnded = true;
    this.stream.shutdown();
    this.finish();
  }

  /** Stack to host. */
  private upward(): void {
    const { native } = this.parts;
    for (let step = 0; step < STEPS; step++) {
      if (this.closed || !this.hostWritable || this.stackEnded) return;
      let n = 0;
      const taken = this.stream.drain(CHUNK, (pieces) => (n = native.posixWritev(this.fd, this.memory, IOV, pieces)));
      if (n === -Errno.EAGAIN) {
        this.hostWritable = false;
        return;
      }
      if (n < 0) return this.reset();
      if (!taken) return;
    }
    this.continue();
  }

  /** Everything the stack had to say has been handed to the host. */
  private stackEnd(): void {
    this.stackEnded = true;
    this.parts.native.posixShutdown(this.fd, SHUT_WR);
    this.finish();
  }

  private finish(): void {
    if (!this.stackEnded || !this.hostEnded || !this.detach()) return;
    this.stream.close();
    this.socket.destroy();
    this.done();
  }

  private continue(): void {
    if (this.later || this.closed) return;
    const { loop } = this.parts;
    this.later = loop.setTimer(loop.now(), () => {
      this.later = 0;
      this.downward();
      this.upward();
    });
  }

  /** Let go of both sides; false when that was done before. */
  private detach(): boolean {
    if (this.closed) return false;
    this.closed = true;
    if (this.later) this.parts.loop.clearTimer(this.later);
    this.parts.loop.removeSource(this.source);
    this.stream.onreadable = this.stream.onwritable = this.stream.onend = this.stream.onerror = undefined;
    return true;
  }
}
