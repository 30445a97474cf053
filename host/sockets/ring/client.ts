// The application's side of a channel: sockets of a stack in another thread, behind the same calls as those of a core in this one.
// Calls that need an answer wait for it (Atomics.wait, some tens of µs); bytes never do. Not for the main thread of a page, which
// may not wait: there applications live in a worker. Browser-safe.
import { Errno } from '../../abi/constants.js';
import type { IpFamily } from '../address.js';
import type { SocketProvider } from '../endpoints.js';
import { SocketError, stackGone } from '../error.js';
import { SOCK_DGRAM } from '../linux.js';
import {
  APP_BELL, APP_PARKED, ARG0, ARG1, ARG2, CALL, Channel, DONE, ENDED, LENGTH, OP, Op, Parked, RESULT, SLOT_DATA, SLOT_DATA_BYTES, STACK_PARKED,
  TO_APP, TO_STACK, type ChannelMemory,
} from './layout.js';
import { RingDatagrams, RingListener, RingStream, type RingSocket } from './client_sockets.js';

/** How long a call may stay unanswered, ms: a stack is far quicker, unless it is gone. */
const CALL_LIMIT_MS = 10_000;
/** How long closes that wait for bytes to be taken (a stream's) are waited for when there is no free slot, ms. */
const FLUSH_WAIT_MS = 5;
/** Looks at an answer before sleeping: waking a thread costs more than a short call. */
const SPINS = 2000;

export class RingClient implements SocketProvider {
  readonly channel: Channel;
  private readonly sockets: (RingSocket | undefined)[] = [];
  private readonly free: number[] = [];
  /** Slots whose close is not finished; true: the stack answers it as soon as it looks, whatever the network does. */
  private readonly closing = new Map<number, boolean>();
  private ended = false;

  /** `wakeStack`: make the stack serve the channel when it sleeps (a write to its eventfd, or a message). */
  constructor(memory: ChannelMemory, private readonly wakeStack: () => void) {
    this.channel = new Channel(memory);
    for (let i = this.channel.slots - 1; i >= 0; i--) this.free.push(i);
  }

  stream(family: IpFamily): RingStream {
    const slot = this.allocate();
    this.open(slot, Op.STREAM, [family]);
    return this.add(new RingStream(this, slot, family, false));
  }
  listener(family: IpFamily): RingListener {
    const slot = this.allocate();
    this.open(slot, Op.LISTENER, [family]);
    return this.add(new RingListener(this, slot, family));
  }
  datagram(family: IpFamily, type = SOCK_DGRAM, protocol = 0): RingDatagrams {
    const slot = this.allocate();
    this.open(slot, Op.DATAGRAM, [family, type, protocol]);
    return this.add(new RingDatagrams(this, slot, family));
  }
  interfaceIndex(name: string): number {
    const slot = this.allocate();
    try {
      return this.call(slot, 'ioctl', Op.IFINDEX, [], ascii(name));
    } finally {
      this.free.push(slot);
    }
  }

  /** Tell the sockets what the stack has marked: after a wake-up, until there is nothing. */
  serve(): void {
    if (this.ended) return;
    Atomics.store(this.channel.i32, APP_PARKED, Parked.AWAKE);
    if (this.gone) return this.end();
    this.channel.take(TO_APP, (slot) => {
      this.sockets[slot]?.event();
      if (this.closing.has(slot) && !this.pending(slot)) this.release(slot);
    });
  }
  /** serve(), and ask for a message when there is more: for an event loop. */
  serveAndListen(): void {
    for (;;) {
      this.serve();
      Atomics.store(this.channel.i32, APP_PARKED, Parked.LISTENING);
      if (this.ended || !(this.channel.marked(TO_APP) || this.gone)) return;
    }
  }
  /** serve() until `done`, asleep in between; false when `ms` have passed first. For a thread that may wait. */
  waitFor(done: () => boolean, ms = Infinity): boolean {
    const { i32 } = this.channel, until = ms === Infinity ? Infinity : performance.now() + ms;
    for (;;) {
      const seen = Atomics.load(i32, APP_BELL);
      this.serve();
      if (done()) return true;
      const left = until - performance.now();
      if (left <= 0) return false;
      Atomics.store(i32, APP_PARKED, Parked.WAITING);
      if (this.channel.marked(TO_APP) || this.gone) continue;
      Atomics.wait(i32, APP_BELL, seen, left);
    }
  }
  /** The stack has ended: every socket fails with ECONNRESET. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const s of this.sockets) s?.fail(stackGone('read'));
    this.sockets.length = 0;
  }
  private get gone(): boolean { return Atomics.load(this.channel.i32, ENDED) !== 0; }

  // ---- for the sockets ----
  /** A free slot. */
  allocate(): number {
    if (this.ended || this.gone) throw stackGone('socket');
    this.releaseClosed();
    if (!this.free.length) {
      // To the program a socket is gone once it was closed: a stack that has not come to it yet is waited for, like in any call.
      const prompt = [...this.closing].find(([, atOnce]) => atOnce);
      if (prompt) this.await(prompt[0], 'socket');
      else if (this.closing.size) this.awaitFlush();
      this.releaseClosed();
    }
    const slot = this.free.pop();
    if (slot === undefined) throw new SocketError(Errno.EMFILE, 'socket');
    return slot;
  }
  add<S extends RingSocket>(s: S): S {
    this.sockets[s.slot] = s;
    return s;
  }
  /** The socket is let go: its slot is free once the stack has answered. `atOnce`: it does not wait for bytes to be taken first. */
  remove(slot: number, atOnce: boolean): void {
    this.sockets[slot] = undefined;
    this.closing.set(slot, atOnce);
  }
  private releaseClosed(): void {
    for (const slot of this.closing.keys()) if (!this.pending(slot)) this.release(slot);
  }
  /** A moment for streams whose peers may be slow: until one is closed, or FLUSH_WAIT_MS. */
  private awaitFlush(): void {
    const until = performance.now() + FLUSH_WAIT_MS, closed = (): boolean => [...this.closing.keys()].some((slot) => !this.pending(slot));
    while (!closed() && performance.now() < until) continue;
  }
  private release(slot: number): void {
    this.closing.delete(slot);
    this.free.push(slot);
  }

  /** Make the stack look at a slot. */
  mark(slot: number): void {
    const { i32 } = this.channel;
    this.channel.mark(TO_STACK, slot);
    if (Atomics.exchange(i32, STACK_PARKED, Parked.AWAKE) !== Parked.AWAKE) this.wakeStack();
  }
  /** Begin a call. */
  post(slot: number, op: Op, args: readonly number[], data?: Uint8Array): void {
    const { i32, u8 } = this.channel, at = (w: number): number => this.channel.word(slot, w);
    if (data && data.length > SLOT_DATA_BYTES) throw new SocketError(Errno.EINVAL, 'call');
    if (data) u8.set(data, this.channel.byte(slot, SLOT_DATA));
    Atomics.store(i32, at(OP), op);
    [ARG0, ARG1, ARG2].forEach((w, i) => Atomics.store(i32, at(w), args[i] ?? 0));
    Atomics.store(i32, at(LENGTH), data?.length ?? 0);
    Atomics.add(i32, at(CALL), 1);
    this.mark(slot);
  }
  /** Whether a call of the slot is unanswered. */
  pending(slot: number): boolean {
    return Atomics.load(this.channel.i32, this.channel.word(slot, CALL)) !== Atomics.load(this.channel.i32, this.channel.word(slot, DONE));
  }
  result(slot: number): number { return Atomics.load(this.channel.i32, this.channel.word(slot, RESULT)); }
  /** The bytes of a result. */
  resultBytes(slot: number): Uint8Array {
    const n = Math.min(Math.max(0, Atomics.load(this.channel.i32, this.channel.word(slot, LENGTH))), SLOT_DATA_BYTES), at = this.channel.byte(slot, SLOT_DATA);
    return this.channel.u8.slice(at, at + n);
  }
  /** Call and wait for the result; throws SocketError when it is -errno. */
  call(slot: number, syscall: string, op: Op, args: readonly number[], data?: Uint8Array): number {
    if (this.ended || this.gone) throw stackGone(syscall);
    // A slot has one mailbox: what it was used for before comes first.
    this.await(slot, syscall);
    this.post(slot, op, args, data);
    this.await(slot, syscall);
    const r = this.result(slot);
    if (r < 0) throw new SocketError(-r, syscall);
    return r;
  }
  /** Sleep until the call of a slot is answered. */
  private await(slot: number, syscall: string): void {
    const { i32 } = this.channel, before = Atomics.load(i32, APP_PARKED);
    for (let i = 0; i < SPINS; i++) if (!this.pending(slot)) return;
    const until = performance.now() + CALL_LIMIT_MS;
    for (;;) {
      const seen = Atomics.load(i32, APP_BELL);
      Atomics.store(i32, APP_PARKED, Parked.WAITING);
      if (!this.pending(slot)) break;
      if (this.gone) throw stackGone(syscall);
      const left = until - performance.now();
      if (left <= 0) throw new SocketError(Errno.ETIMEDOUT, syscall);
      Atomics.wait(i32, APP_BELL, seen, left);
    }
    // What was marked meanwhile is still to be served.
    Atomics.store(i32, APP_PARKED, before);
    if (before === Parked.LISTENING && this.channel.marked(TO_APP)) queueMicrotask(() => this.serveAndListen());
  }
  private open(slot: number, op: Op, args: readonly number[]): void {
    try {
      this.call(slot, 'socket', op, args);
    } catch (error) {
      this.free.push(slot);
      throw error;
    }
  }
}

export const ascii = (s: string): Uint8Array => Uint8Array.from(s.slice(0, SLOT_DATA_BYTES), (c) => c.charCodeAt(0) & 127);
