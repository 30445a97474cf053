// The pending events of a run: a binary heap ordered by (time, node, number within node). The order is a property of the events, not
// of when they were put in, so that a run that is split gives the same one.

/** Something that happens at a point of virtual time. Whoever makes the same thing happen again and again may use one object for that. */
export class SimEvent {
  /**
   * `time`: ns since the start of the run. `origin`, `sequence`: number of the entity that made the event, and how many it made
   * before. One class for all, which is what makes comparing them fast.
   */
  constructor(public time: number, public origin: number, public sequence: number, readonly run: () => void) {}
}

const before = (a: SimEvent, b: SimEvent): boolean => a.time < b.time
  || (a.time === b.time && (a.origin < b.origin || (a.origin === b.origin && a.sequence < b.sequence)));

export class EventQueue {
  private readonly heap: SimEvent[] = [];

  get size(): number { return this.heap.length; }
  /** When the next one is due, ns; Infinity when there is none. */
  get nextTime(): number { return this.heap.length ? this.heap[0].time : Infinity; }

  push(e: SimEvent): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(e);
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(e, heap[up])) break;
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = e;
  }

  pop(): SimEvent | undefined {
    const { heap } = this, first = heap[0], last = heap.pop();
    if (!heap.length || last === undefined) return first;
    const n = heap.length;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= n) break;
      if (down + 1 < n && before(heap[down + 1], heap[down])) down++;
      if (!before(heap[down], last)) break;
      heap[i] = heap[down];
      i = down;
    }
    heap[i] = last;
    return first;
  }
}
