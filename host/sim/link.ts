// A switched segment, also a wireless one, whose stations are in one cell at a time or out of reach.
import type { Channel } from './channel.js';
import type { Entity, Simulation } from './simulation.js';

/** What is at an end of a medium: an interface of a node, or something outside of the simulation. */
export interface LinkEnd {
  readonly mac: string;
  /** Where its frames go. */
  transmit: (frame: Uint8Array) => void;
  /** A frame arrives. */
  deliver(frame: Uint8Array): void;
}

/** An end of a medium. */
export interface LinkPort {
  /** Name of the node. */
  node: string;
  vif: LinkEnd;
  /** From the node into the medium. On a point-to-point link all the way. */
  out: Channel;
  /** From the medium to the node; the same for a point-to-point link's other end. */
  in: Channel;
}

export interface Link {
  readonly name: string;
  readonly ports: readonly LinkPort[];
}

/** What forwards frames on a segment: an entity of its own, with no delay of its own. */
export class Switch implements Entity {
  readonly id: number;
  readonly ports: LinkPort[] = [];
  /** Stations out of reach, by their ports' numbers. */
  private readonly away = new Set<number>();
  private readonly byMac = new Map<string, number>();
  /** Whether frames pass between two ports, by their numbers. */
  open: (a: number, b: number) => boolean = () => true;

  constructor(sim: Simulation, readonly name: string) { this.id = sim.register(); }

  add(port: LinkPort): number {
    const i = this.ports.push(port) - 1;
    this.byMac.set(port.vif.mac, i);
    return i;
  }
  /** Let a station reach the others, or nobody. */
  associate(station: number, associated: boolean): void {
    if (associated) this.away.delete(station);
    else this.away.add(station);
  }

  /** A frame comes in at port `from`. */
  forward(from: number, frame: Uint8Array): void {
    const to = frame[0] & 1 ? undefined : this.byMac.get(mac(frame));
    if (to !== undefined) {
      if (to !== from && this.reaches(from, to)) this.ports[to].in.send(frame);
      return;
    }
    for (let i = 0; i < this.ports.length; i++) if (i !== from && this.reaches(from, i)) this.ports[i].in.send(frame);
  }
  private reaches(a: number, b: number): boolean {
    return this.open(a, b) && !this.away.has(a) && !this.away.has(b);
  }
}

function mac(frame: Uint8Array): string {
  let s = '';
  for (let i = 0; i < 6; i++) s += (i ? ':' : '') + (frame[i] < 16 ? '0' : '') + frame[i].toString(16);
  return s;
}
