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

/** Room at first; it doubles. */
const ROOM = 64;

export class EventQueue {
  /** The heap, and the times of its events beside it: other than their order among those of one time, nothing else is looked at. */
  private readonly heap: SimEvent[] = [];
  private times = new Float64Array(ROOM);
  /** Places of the heap in use. */
  private count = 0;
  /** The first place is free: its event was taken, and what is put in next takes it, as most of the time one event makes another. */
  private hole = false;

  get size(): number { return this.hole ? this.count - 1 : this.count; }
  /** When the next one is due, ns; Infinity when there is none. */
  get nextTime(): number {
    if (this.hole) this.close();
    return this.count ? this.times[0] : Infinity;
  }

  push(e: SimEvent): void {
    if (this.hole) {
      this.hole = false;
      this.down(e);
      return;
    }
    if (this.count === this.times.length) {
      const { times } = this;
      this.times = new Float64Array(2 * times.length);
      this.times.set(times);
    }
    this.up(e, this.count++);
  }

  pop(): SimEvent | undefined {
    if (this.hole) this.close();
    if (!this.count) return undefined;
    this.hole = true;
    return this.heap[0];
  }

  /** Fill the hole with the last event. */
  private close(): void {
    const last = this.heap[--this.count];
    this.hole = false;
    if (this.count) this.down(last);
  }
  private up(e: SimEvent, i: number): void {
    const { heap, times } = this, { time } = e;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (time > times[parent] || (time === times[parent] && !before(e, heap[parent]))) break;
      times[i] = times[parent];
      heap[i] = heap[parent];
      i = parent;
    }
    times[i] = time;
    heap[i] = e;
  }
  /** From the first place. */
  private down(e: SimEvent): void {
    const { heap, times, count } = this, { time } = e;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= count) break;
      if (child + 1 < count && (times[child + 1] < times[child] || (times[child + 1] === times[child] && before(heap[child + 1], heap[child])))) child++;
      if (time < times[child] || (time === times[child] && before(e, heap[child]))) break;
      times[i] = times[child];
      heap[i] = heap[child];
      i = child;
    }
    times[i] = time;
    heap[i] = e;
  }
}

/** Of two events of one time. */
function before(a: SimEvent, b: SimEvent): boolean { return a.origin < b.origin || (a.origin === b.origin && a.sequence < b.sequence); }
