// The two programs of a fault schedule: each sends its bytes, as fast or slowly as its plan says, and compares what it receives with what
// the other one sends, byte for byte.
import type { CoreStream } from '../../../host/sockets/core_stream.js';
import { SocketError } from '../../../host/sockets/error.js';
import { derive } from '../../../host/sim/random.js';
import type { SimNode } from '../../../host/sim/node.js';
import type { EndPlan } from './schedule.js';

/** Something that a run must not do. */
export class Failure extends Error {
  constructor(readonly what: 'stall' | 'corruption' | 'error' | 'unfinished', message: string) { super(`${what}: ${message}`); }
}

/** Bytes of both directions, by their places: no part of it is like another. */
const STREAM = (() => {
  const out = Buffer.alloc(1 << 20);
  for (let at = 0; at < out.length; at += 16) out.write(derive(at, 'stream'), at, 'hex');
  return out;
})();
/** Where the stream of an end begins in it. */
const BEGIN = [0, 333_667];
const MS = 1e6;

export class TransferEnd {
  stream?: CoreStream;
  sent = 0;
  received = 0;
  /** The other end's stream has come to its end. */
  over = false;
  /** Its program does not read. */
  deaf = 0;
  private writing = false;
  private reading = false;

  /** `other`: what its peer sends. */
  constructor(readonly index: 0 | 1, readonly node: SimNode, readonly plan: EndPlan, private readonly other: EndPlan, private readonly ended: () => void) {}

  /** It has a connection, from now on. */
  attach(stream: CoreStream): void {
    this.stream = stream;
    stream.onwritable = () => this.write();
    stream.onreadable = () => this.read();
    stream.onend = () => this.end();
    stream.onerror = (e) => { throw new Failure('error', `${e.message} at ${this.node.name} ${this.state}`); };
    this.write();
    this.read();
  }
  get state(): string { return `(${this.sent} of ${this.plan.bytes} bytes written, ${this.received} of ${this.other.bytes} read)`; }

  private write(): void {
    const { plan, stream } = this, { bytes, pause } = plan.write;
    if (this.writing || !stream) return;
    while (this.sent < plan.bytes) {
      const from = BEGIN[this.index] + this.sent, most = Math.min(plan.bytes - this.sent, bytes || Infinity);
      const n = this.tried(() => stream.write(STREAM.subarray(from, from + most)));
      this.sent += n;
      if (n < most) return;
      if (bytes && this.sent < plan.bytes) {
        this.writing = true;
        this.node.after(pause * MS, () => {
          this.writing = false;
          this.write();
        });
        return;
      }
    }
    this.writing = true;
    this.tried(() => stream.shutdown());
  }
  private tried<T>(call: () => T): T {
    try {
      return call();
    } catch (e) {
      if (e instanceof SocketError) throw new Failure('error', `${e.message} at ${this.node.name} ${this.state}`);
      throw e;
    }
  }

  /** Read what its plan lets it. */
  read(): void {
    const { plan: { read: { bytes, pause } }, stream } = this;
    if (this.deaf || this.reading || !stream) return;
    const n = stream.read((piece) => this.compare(piece), bytes || Infinity);
    if (!bytes || n < bytes || this.over) return;
    this.reading = true;
    this.node.after(pause * MS, () => {
      this.reading = false;
      this.read();
    });
  }
  private compare(piece: Uint8Array): void {
    const from = BEGIN[1 - this.index] + this.received;
    if (this.received + piece.length > this.other.bytes) throw new Failure('corruption', `${this.node.name} receives more than ${this.other.bytes} bytes`);
    if (STREAM.compare(piece, 0, piece.length, from, from + piece.length)) {
      const at = piece.findIndex((b, i) => b !== STREAM[from + i]);
      throw new Failure('corruption', `byte ${this.received + at} of ${this.other.bytes} that ${this.node.name} receives is not as it was sent`);
    }
    this.received += piece.length;
  }
  private end(): void {
    if (this.received !== this.other.bytes) throw new Failure('corruption', `the stream that ${this.node.name} receives ends after ${this.received} of ${this.other.bytes} bytes`);
    this.over = true;
    this.ended();
  }
}
