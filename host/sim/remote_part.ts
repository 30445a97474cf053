// A part in another thread, by messages: worker_threads of Node, or workers of a page. The transport is the caller's.
import { Part, type PartLink, type PartOutcome, type PartSetup, type Step } from './part.js';

type Request = { start: PartSetup } | { step: [until: number, arriving: Uint8Array<ArrayBuffer>[]] } | { outcome: true };
type Answer = { value: unknown } | { error: { name: string; message: string; code?: string } };

/** Sends a message to the other thread; the memory of `transfer` goes along, not a copy of it. */
export type Post = (message: unknown, transfer: ArrayBuffer[]) => void;

/** In the part's thread: what to do with each message. */
export function servePart(post: Post): (message: unknown) => Promise<void> {
  let part: Part | undefined;
  return async (message) => {
    const r = message as Request;
    try {
      if ('start' in r) {
        part = await Part.create(r.start);
        post({ value: undefined } satisfies Answer, []);
      } else if ('step' in r) {
        const step = await part!.step(...r.step);
        post({ value: step } satisfies Answer, [...step.leaving.values()].map((m) => m.buffer));
      } else post({ value: await part!.outcome() } satisfies Answer, []);
    } catch (e) {
      const { name, message: text, code } = e as Error & { code?: string };
      post({ error: { name, message: text, code } } satisfies Answer, []);
    }
  };
}

/** In the leader's thread. */
export class RemotePart implements PartLink {
  private waiting?: { resolve(value: unknown): void; reject(e: Error): void };
  private failure?: Error;

  /** `stop` ends the thread. */
  constructor(private readonly post: Post, private readonly stop: () => Promise<unknown>) {}

  /** Make the run there. */
  start(setup: PartSetup): Promise<void> { return this.ask({ start: setup }, []) as Promise<void>; }
  step(until: number, arriving: Uint8Array<ArrayBuffer>[]): Promise<Step> { return this.ask({ step: [until, arriving] }, arriving.map((m) => m.buffer)) as Promise<Step>; }
  outcome(): Promise<PartOutcome> { return this.ask({ outcome: true }, []) as Promise<PartOutcome>; }
  async end(): Promise<void> { await this.stop(); }

  /** A message from the thread. */
  receive(message: unknown): void {
    const a = message as Answer, { waiting } = this;
    this.waiting = undefined;
    if ('error' in a) waiting?.reject(Object.assign(new Error(a.error.message), { name: a.error.name, code: a.error.code }));
    else waiting?.resolve(a.value);
  }
  /** The thread is gone, or has failed. */
  fail(e: Error): void {
    this.failure = e;
    this.waiting?.reject(e);
    this.waiting = undefined;
  }

  private ask(request: Request, transfer: ArrayBuffer[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.failure) {
        reject(this.failure);
        return;
      }
      this.waiting = { resolve, reject };
      this.post(request, transfer);
    });
  }
}
