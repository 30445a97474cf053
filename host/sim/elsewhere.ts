// A node that another thread runs. It has its number here, so that all others have theirs; what applications do on it is done there.
import type { AppNode } from './apps.js';
import type { CoreSockets } from '../sockets/core_sockets.js';
import type { Entity, Simulation } from './simulation.js';

export class Elsewhere implements Entity, AppNode {
  readonly id: number;
  constructor(readonly sim: Simulation, readonly name: string) { this.id = sim.register(); }
  after(): void { /* Done there. */ }
  get sockets(): CoreSockets { throw new Error(`node ${this.name} runs in another part`); }
}
