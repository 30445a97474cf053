// A switched segment, also a wireless one, whose stations are in one cell at a time or out of reach.
import type { Channel } from './channel.js';
import type { Packet } from './packet.js';
import type { Entity, Simulation } from './simulation.js';

/** What is at an end of a medium: an interface of a node, or something outside of the simulation. */
export interface LinkEnd {
  readonly mac: string;
  /** Where its frames go. */
  transmit: (p: Packet) => void;
  /** A frame arrives. */
  deliver(p: Packet): void;
}

/** An end of a medium. */
export interface LinkPort {
  /** Name of the node. */
  node: string;
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
  private readonly byMac = new Map<number, number>();
  /** Whether frames pass between two ports, by their numbers. */
  open: (a: number, b: number) => boolean = () => true;

  constructor(sim: Simulation, readonly name: string) { this.id = sim.register(); }

  /** `mac`: of the node at it. */
  add(port: LinkPort, mac: string): number {
    const i = this.ports.push(port) - 1;
    this.byMac.set(parseInt(mac.replaceAll(':', ''), 16), i);
    return i;
  }
  /** Let a station reach the others, or nobody. */
  associate(station: number, associated: boolean): void {
    if (associated) this.away.delete(station);
    else this.away.add(station);
  }

  /** A frame comes in at port `from`. */
  forward(from: number, p: Packet): void {
    const to = p.frame[0] & 1 ? undefined : this.byMac.get(macNumber(p.frame));
    if (to !== undefined) {
      if (to !== from && this.reaches(from, to)) this.ports[to].in.send(p);
      return;
    }
    for (let i = 0; i < this.ports.length; i++) if (i !== from && this.reaches(from, i)) this.ports[i].in.send(p.again());
  }
  private reaches(a: number, b: number): boolean {
    return this.open(a, b) && !this.away.has(a) && !this.away.has(b);
  }
}

/** The destination of a frame as a number. */
function macNumber(f: Uint8Array): number {
  return ((f[0] << 16 | f[1] << 8 | f[2]) * 2 ** 24) + (f[3] << 16 | f[4] << 8 | f[5]);
}
