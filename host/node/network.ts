// What the sockets of host/node need of the stack they belong to.
import type { LookupFunction } from 'node:net';
import type { SocketProvider } from '../sockets/endpoints.js';

export interface Network {
  readonly provider: SocketProvider;
  readonly lookup: LookupFunction;
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
