// What the sockets of host/node need of the stack they belong to.
import type { LookupFunction } from 'node:net';
import type { SocketProvider } from '../sockets/endpoints.js';

/** A timer of Timers, as far as sockets use one. */
export interface Timer {
  /** Begin anew. */
  refresh(): unknown;
  /** Do not keep the process alive. */
  unref(): unknown;
}
/** Timers of the clock that a stack lives by, ms. */
export interface Timers {
  setTimeout(fn: () => void, ms: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
}
/** The process's own. */
export const REAL_TIMERS: Timers = {
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};

export interface Network {
  readonly provider: SocketProvider;
  readonly lookup: LookupFunction;
  readonly timers: Timers;
  /** One more, or one less, that keeps the process alive. */
  hold(by: 1 | -1): void;
}

/** Whether one socket or server keeps the process alive: while it is open, unless it was told not to. */
export class Hold {
  private wanted = true;
  private active = false;
  private held = false;
  constructor(private readonly network: Network) {}

  /** It is open, or it is not. */
  open(active: boolean): void {
    this.active = active;
    this.apply();
  }
  ref(): void {
    this.wanted = true;
    this.apply();
  }
  unref(): void {
    this.wanted = false;
    this.apply();
  }
  private apply(): void {
    const held = this.active && this.wanted;
    if (held === this.held) return;
    this.held = held;
    this.network.hold(held ? 1 : -1);
  }
}
