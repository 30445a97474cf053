// Timers of a simulated node: as setTimeout and setInterval, in virtual time.
import type { SimNode } from '../../sim/node.js';
import type { Timer, Timers } from '../network.js';

/** Longest delay of Node's timers, ms; a longer one counts as 1 ms there, and here. */
const MS_MAX = 0x7fffffff;

/** One timer; the shape of NodeJS.Timeout. It fires within an event of its node, and the simulation settles after it. */
export class SimTimer implements Timer {
  private due = Infinity;
  /** When the pending event looks whether it is due. */
  private armedAt = Infinity;
  private readonly ns: number;

  constructor(private readonly node: SimNode, private readonly fn: () => void, ms: number, private readonly repeat = false) {
    this.ns = (ms >= 1 && ms <= MS_MAX ? Math.trunc(ms) : 1) * 1e6;
    this.refresh();
  }

  refresh(): this {
    this.due = this.node.sim.now + this.ns;
    this.arm();
    return this;
  }
  close(): this {
    this.due = Infinity;
    return this;
  }
  // Virtual time goes on whoever waits for it.
  ref(): this { return this; }
  unref(): this { return this; }
  hasRef(): boolean { return true; }

  /** A timer that is put off again and again has one event all the same. */
  private arm(): void {
    if (this.armedAt <= this.due) return;
    const { node, due } = this;
    this.armedAt = due;
    node.after(due - node.sim.now, () => {
      if (this.armedAt !== due) return;
      this.armedAt = Infinity;
      if (this.due === Infinity) return;
      if (this.due > node.sim.now) this.arm();
      else this.fire();
    });
  }
  private fire(): void {
    this.due = Infinity;
    if (this.repeat) this.refresh();
    this.node.sim.unsettled = this.node;
    this.fn();
  }
}

export class SimTimers implements Timers {
  constructor(private readonly node: SimNode) {}
  setTimeout(fn: () => void, ms: number): SimTimer { return new SimTimer(this.node, fn, ms); }
  setInterval(fn: () => void, ms: number): SimTimer { return new SimTimer(this.node, fn, ms, true); }
  clearTimeout(timer: Timer | undefined): void { (timer as SimTimer | undefined)?.close(); }
}
