// Links as a scenario describes them, built of channels; and the changes that can be made to them while the run goes on.
import { Channel, type Arrivals } from './channel.js';
import { Flight } from './flight.js';
import { FqCodel } from './fq_codel.js';
import { Switch, type Link, type LinkEnd, type LinkPort } from './link.js';
import { linkName } from './names.js';
import { Codel, DropTail, Red, type PacketQueue } from './queue.js';
import { RandomStream } from './random.js';
import { bernoulliLoss, corruption, duplication, gilbertElliottLoss, jitter, listLoss, protocolDrop, reordering, type Rule } from './rules.js';
import type { DirectionSpec, LinkSpec, QueueSpec, SettingsSpec } from './scenario.js';
import type { Entity, Simulation } from './simulation.js';

/** A node's own queue in front of a switch, packets. */
const PORT_QUEUE = 1000;
const TYPICAL_BYTES = 1000;

const RULES: { [K in keyof SettingsSpec]?: (value: NonNullable<SettingsSpec[K]>, random: RandomStream) => Rule } = {
  loss: bernoulliLoss,
  bursts: gilbertElliottLoss,
  lose: listLoss,
  drop: protocolDrop,
  corrupt: corruption,
  duplicate: duplication,
  reorder: (o, random) => reordering(o.probability, o.delay, random),
  jitter,
};

/** A channel whose parameters have names. `here`: whether frames go into it in this part of a split run. */
export class Direction {
  readonly channel: Channel;
  private readonly removers = new Map<string, () => void>();

  constructor(private readonly sim: Simulation, readonly label: string, origin: Entity, spec: DirectionSpec, arrivals: Arrivals, queue?: PacketQueue, readonly here = true) {
    const parameters = { rate: spec.rate ?? 0, delay: spec.delay ?? 0 };
    this.channel = new Channel(sim, origin, parameters, queue ?? this.makeQueue(spec.queue ?? { type: 'droptail', limit: 100 }), new RandomStream(sim.seed, `${label} corruption`), arrivals);
    this.set(spec);
  }

  /** Change what is named; a rule set to 0 (or an empty list) is removed. */
  set(s: SettingsSpec): void {
    const { channel } = this;
    channel.rate = s.rate ?? channel.rate;
    channel.delay = s.delay ?? channel.delay;
    if (s.up !== undefined) channel.up = s.up;
    channel.mark = s.mark ?? channel.mark;
    for (const name of Object.keys(RULES) as (keyof typeof RULES)[]) {
      const value = s[name];
      if (value === undefined) continue;
      this.removers.get(name)?.();
      this.removers.delete(name);
      const make = RULES[name] as (value: unknown, random: RandomStream) => Rule;
      if (value !== 0) this.removers.set(name, channel.add(make(value, new RandomStream(this.sim.seed, `${this.label} ${name}`))));
    }
  }

  private makeQueue(q: QueueSpec): PacketQueue {
    switch (q.type) {
      case 'droptail': return new DropTail(q.limit, q.bytes);
      case 'red': return new Red(q, new RandomStream(this.sim.seed, `${this.label} red`), () => this.channel.duration(TYPICAL_BYTES));
      case 'codel': return new Codel(q);
      case 'fq_codel': return new FqCodel(q, this.sim.seed, `${this.label} fq_codel`);
    }
  }
}

/** What a medium connects: nodes by the order of the link's ends. */
export interface End {
  name: string;
  /** Absent: what is there runs elsewhere. */
  vif?: LinkEnd;
  entity: Entity;
}

/** A link of a running simulation. */
export class Medium implements Link {
  readonly ports: LinkPort[] = [];
  /** What carries the link's parameters: from the first node to the second, or from the medium to each node. */
  readonly forward: Direction[] = [];
  readonly reverse: Direction[] = [];
  readonly hub?: Switch;
  /** What a partition has added. */
  private readonly cut: (() => void)[] = [];

  /** Of a link between two nodes: where frames from another part come in, by direction. */
  readonly inlets: Arrivals[] = [];

  private constructor(
    private readonly sim: Simulation, readonly name: string, private readonly spec: LinkSpec, private readonly ends: readonly End[], private readonly leaving: (direction: number) => Arrivals,
  ) {
    if (spec.between) this.pointToPoint(spec);
    else this.hub = this.segment(spec);
  }
  /** `leaving`: where frames go to an end that runs elsewhere. The ends of a segment are all here. */
  static of(sim: Simulation, spec: LinkSpec, index: number, ends: readonly End[], leaving: (direction: number) => Arrivals): Medium {
    return new Medium(sim, linkName(spec, index), spec, ends, leaving);
  }

  private pointToPoint(spec: LinkSpec): void {
    const { sim, ends: [a, b] } = this;
    const there = new Direction(sim, `link ${this.name} forward`, a.entity, spec, this.arrivals(0, b), undefined, a.vif !== undefined);
    const back = new Direction(sim, `link ${this.name} reverse`, b.entity, { ...spec, ...spec.reverse }, this.arrivals(1, a), undefined, b.vif !== undefined);
    if (a.vif) a.vif.transmit = (p) => there.channel.send(p);
    if (b.vif) b.vif.transmit = (p) => back.channel.send(p);
    this.forward.push(there);
    this.reverse.push(back);
    this.ports.push({ node: a.name, out: there.channel, in: back.channel }, { node: b.name, out: back.channel, in: there.channel });
  }
  private arrivals(direction: number, { vif }: End): Arrivals {
    return this.inlets[direction] = vif ? new Flight(this.sim, (p) => vif.deliver(p)) : this.leaving(direction);
  }

  /** `reverse` holds for what nodes send, apart from rules and delay. */
  private segment(spec: LinkSpec): Switch {
    const { sim } = this, hub = new Switch(sim, this.name);
    for (const [i, end] of this.ends.entries()) {
      const vif = end.vif!;
      const down = new Direction(sim, `link ${this.name} to ${end.name}`, hub, spec, new Flight(sim, (p) => vif.deliver(p)));
      const up = new Direction(sim, `link ${this.name} from ${end.name}`, end.entity, { rate: spec.rate, ...spec.reverse }, new Flight(sim, (p) => hub.forward(i, p)), new DropTail(PORT_QUEUE));
      vif.transmit = (p) => up.channel.send(p);
      this.forward.push(down);
      this.reverse.push(up);
      hub.add(this.ports[this.ports.push({ node: end.name, out: up.channel, in: down.channel }) - 1], vif.mac);
    }
    for (const [station, cell] of Object.entries(spec.wireless?.stations ?? {})) this.associate(station, cell, hub);
    return hub;
  }

  /** Every channel, and what it is called: `forward`, or `to NODE` on a segment. */
  directions(): { name: string; channel: Channel }[] {
    return [...this.forward, ...this.reverse].map((d) => ({ name: d.label.slice(`link ${this.name} `.length), channel: d.channel }));
  }

  /** Change parameters: both directions of a link, unless `reverse` says otherwise for one. */
  set(settings: SettingsSpec, reverse: SettingsSpec = this.hub ? {} : settings): void {
    for (const d of this.forward) d.set(settings);
    for (const d of this.reverse) d.set(reverse);
  }
  /** A station comes into a cell, whose parameters hold for it from now on; null: out of reach. */
  associate(station: string, cell: string | null, hub = this.hub!): void {
    const i = this.ends.findIndex((e) => e.name === station);
    hub.associate(i, cell !== null);
    if (cell === null) return;
    const parameters = this.spec.wireless!.cells[cell];
    this.forward[i].set(parameters);
    this.reverse[i].set(parameters);
  }
  /** A partition, or its end: between ends of different groups nothing passes. */
  divide(together: ((a: string, b: string) => boolean) | undefined): void {
    const open = (a: string, b: string): boolean => together?.(a, b) ?? true;
    if (this.hub) this.hub.open = (a, b) => open(this.ends[a].name, this.ends[b].name);
    else {
      for (const remove of this.cut.splice(0)) remove();
      if (!open(this.ports[0].node, this.ports[1].node)) for (const p of this.ports) this.cut.push(p.out.add((fate) => { fate.lost = true; }));
    }
  }
}
