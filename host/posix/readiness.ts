// Readiness of the data descriptors, in an epoll of their own under the loop's: so that what a program did before a call
// (closing a listener, say) can be taken notice of before the call is answered.
import type { PosixNative } from './native.js';
import { EPOLLIN } from './linux.js';
import type { GlueLoop } from './supervisor.js';

/** Events taken at a time. */
const BATCH = 256;
/** Batches of one look. */
const BATCHES = 16;
const ADD = 1, DELETE = 2;

export class Readiness {
  private readonly epoll: number;
  private readonly source: number;
  private readonly ready = new Uint32Array(2 * BATCH);
  private readonly watched = new Map<number, { fd: number; fn: (events: number) => void }>();
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
    this.watched.set(id, { fd, fn });
    return id;
  }
  /** Before its fd is closed. */
  remove(id: number): void {
    const w = this.watched.get(id);
    if (!w) return;
    this.native.posixEpollControl(this.epoll, DELETE, w.fd, 0, 0);
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
      for (let i = 0; i < n; i++) this.watched.get(this.ready[2 * i])?.fn(this.ready[2 * i + 1]);
      this.loop.requestPoll();
    }
  }
  close(): void {
    this.loop.removeSource(this.source);
    this.native.posixClose(this.epoll);
    this.watched.clear();
  }
}
