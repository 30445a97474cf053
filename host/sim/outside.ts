// The end of a link that is no node: whoever runs the simulation carries its frames to and from a device of the host, in real time.
import type { LinkEnd } from './link.js';
import type { Entity, Simulation } from './simulation.js';

export class OutsideEnd implements Entity, LinkEnd {
  readonly id: number;
  /** That of whatever is behind the device. */
  readonly mac = '';
  transmit: (frame: Uint8Array) => void = () => undefined;
  /** Takes frames that leave the simulation. */
  write: (frame: Uint8Array) => void = () => undefined;

  constructor(sim: Simulation, readonly name: string) { this.id = sim.register(); }

  deliver(frame: Uint8Array): void { this.write(frame); }
  /** A frame came from outside, at this instant of virtual time. The array stays as it is. */
  receive(frame: Uint8Array): void { this.transmit(frame); }
}
