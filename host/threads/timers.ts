// Timers of a loop: a binary heap ordered by time, then by age.

interface Entry {
  at: number;
  id: number;
  fn: (() => void) | undefined;
}

export class Timers {
  private heap: Entry[] = [];
  private readonly live = new Map<number, Entry>();
  private nextId = 1;

  /** ns of the earliest timer; Infinity when there is none. */
  get next(): number {
    while (this.heap.length && !this.heap[0].fn) this.pop();
    return this.heap.length ? this.heap[0].at : Infinity;
  }
  get size(): number { return this.live.size; }

  /** Call fn once when the time `at` (ns) has come; an id. */
  set(at: number, fn: () => void): number {
    const e: Entry = { at, id: this.nextId++, fn };
    this.live.set(e.id, e);
    this.heap.push(e);
    this.up(this.heap.length - 1);
    return e.id;
  }

  /** Forget a timer; unknown ids are ignored. */
  clear(id: number): void {
    const e = this.live.get(id);
    if (!e) return;
    this.live.delete(id);
    e.fn = undefined;
    // Cleared entries leave with their time; when they are the majority, they leave now.
    if (this.heap.length > 64 && this.heap.length > 2 * this.live.size) {
      this.heap = [...this.live.values()].sort((a, b) => a.at - b.at || a.id - b.id);
    }
  }

  /** Run what is due at `now`, at most `max` timers, none of them set meanwhile; how many ran. */
  run(now: number, max: number): number {
    const due: Entry[] = [];
    while (due.length < max && this.next <= now) due.push(this.pop()!);
    for (const e of due) {
      this.live.delete(e.id);
      e.fn?.();
    }
    return due.length;
  }

  private before(a: Entry, b: Entry): boolean { return a.at < b.at || (a.at === b.at && a.id < b.id); }

  private up(i: number): void {
    const h = this.heap;
    for (let p = (i - 1) >> 1; i > 0 && this.before(h[i], h[p]); p = (i - 1) >> 1) {
      [h[i], h[p]] = [h[p], h[i]];
      i = p;
    }
  }

  private pop(): Entry | undefined {
    const h = this.heap, top = h[0], last = h.pop();
    if (!h.length || !last) return top;
    h[0] = last;
    let i = 0;
    for (;;) {
      let c = 2 * i + 1;
      if (c + 1 < h.length && this.before(h[c + 1], h[c])) c++;
      if (c >= h.length || !this.before(h[c], h[i])) return top;
      [h[i], h[c]] = [h[c], h[i]];
      i = c;
    }
  }
}
