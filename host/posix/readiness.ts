// Readiness of the data descriptors, in an epoll of their own under the loop's: so that what a program did before a call
// (closing a listener, say) can be taken notice of before the call is answered.
import type { PosixNative } from './native.js';
import { EPOLLIN } from './linux.js';
import type { GlueLoop } from './supervisor.js';

/** Events taken at a time. */
const BATCH = 256;
/** Batches of one look. */
const BATCHES = 16;
const ADD = 1;

export class Readiness {
  private readonly epoll: number;
  private readonly source: number;
  private readonly ready = new Uint32Array(2 * BATCH);
  private readonly watched = new Map<number, (events: number) => void>();
  private next = 0;

  constructor(private readonly native: PosixNative, private readonly loop: GlueLoop) {
    this.epoll = native.posixEpoll();
    if (this.epoll < 0) throw new Error(`epoll: error ${-this.epoll}`);
    this.source = loop.addSource(this.epoll, EPOLLIN, () => { this.deliver(); });
  }
  /** Call fn when fd is ready (edge-triggered); an id. */
  add(fd: number, events: number, fn: (events: number) => void): number {
    do this.next = this.next >= 0x7fffffff ? 1 : this.next + 1;
    while (this.watched.has(this.next));
    const id = this.next;
    this.native.posixEpollControl(this.epoll, ADD, fd, events, id);
    this.watched.set(id, fn);
    return id;
  }
  /** Its fd, of which there is no other copy, is being closed: the kernel forgets it by itself. */
  closed(id: number): void {
    this.watched.delete(id);
  }
  /** Tell what is ready now. */
  deliver(): void {
    let n = BATCH;
    for (let batch = 0; batch < BATCHES && n === BATCH; batch++) {
      n = this.native.posixEpollReady(this.epoll, this.ready, BATCH);
      if (n <= 0) return;
      this.loop.stamp();
      // Ids come back after 2^31 sockets: one whose socket has gone meanwhile finds nothing.
      for (let i = 0; i < n; i++) this.watched.get(this.ready[2 * i])?.(this.ready[2 * i + 1]);
      this.loop.requestPoll();
    }
  }
  close(): void {
    this.loop.removeSource(this.source);
    this.native.posixClose(this.epoll);
    this.watched.clear();
  }
}
