// Media: a point-to-point link, a switched segment, and a wireless one whose stations are associated with one access point at a time.
import type { Channel } from './channel.js';
import type { Entity, Simulation } from './simulation.js';
import type { SimVif } from './vif.js';

/** An end of a medium. */
export interface LinkPort {
  /** Name of the node. */
  node: string;
  vif: SimVif;
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
  /** Wireless: access point of each station, by the port's number; a station without one is out of reach. */
  private readonly associations = new Map<number, number>();
  private readonly byMac = new Map<string, number>();
  /** Whether frames pass between two ports, by their numbers. */
  open: (a: number, b: number) => boolean = () => true;

  constructor(sim: Simulation, readonly name: string, private readonly wireless: boolean) { this.id = sim.register(); }

  add(port: LinkPort): number {
    const i = this.ports.push(port) - 1;
    this.byMac.set(port.vif.mac, i);
    return i;
  }
  /** Let a station reach an access point, or nobody. */
  associate(station: number, accessPoint: number | undefined): void {
    if (accessPoint === undefined) this.associations.delete(station);
    else this.associations.set(station, accessPoint);
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
    if (!this.open(a, b)) return false;
    return !this.wireless || this.associations.get(a) === b || this.associations.get(b) === a;
  }
}

function mac(frame: Uint8Array): string {
  let s = '';
  for (let i = 0; i < 6; i++) s += (i ? ':' : '') + (frame[i] < 16 ? '0' : '') + frame[i].toString(16);
  return s;
}
