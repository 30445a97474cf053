// The end of a link that is no node: whoever runs the simulation carries its frames to and from a device of the host, in real time.
import type { LinkEnd } from './link.js';
import { Packet } from './packet.js';
import type { Entity, Simulation } from './simulation.js';

export class OutsideEnd implements Entity, LinkEnd {
  readonly id: number;
  /** That of whatever is behind the device. */
  readonly mac = '';
  transmit: (p: Packet) => void = (p) => { p.release(); };
  /** Takes frames that leave the simulation: within the call. */
  write: (frame: Uint8Array) => void = () => undefined;

  constructor(sim: Simulation, readonly name: string) { this.id = sim.register(); }

  deliver(p: Packet): void {
    this.write(p.frame);
    p.release();
  }
  /** A frame came from outside, at this instant of virtual time. It is copied. */
  receive(frame: Uint8Array): void { this.transmit(Packet.copy(frame)); }
}
