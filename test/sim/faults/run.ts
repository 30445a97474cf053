// One fault schedule, run to its end or to what must not be.
import type { Core } from '../../../host/core.js';
import { NLM_F_CREATE, NetlinkClient, RequestBuilder } from '../../../host/control/netlink.js';
import { ScenarioRun } from '../../../host/sim/run.js';
import type { SimNode } from '../../../host/sim/node.js';
import type { CoreStream } from '../../../host/sockets/core_stream.js';
import { scheduleOf, type Fault, type Schedule } from './schedule.js';
import { Failure, TransferEnd } from './transfer.js';
import { Watch } from './watch.js';

export interface Verdict {
  seed: number;
  /** What went wrong; the schedule is well when there is nothing. */
  failure?: string;
  /** Virtual time, s. */
  seconds: number;
  events: number;
  /** The longest silence, in RTOs, and when, s. */
  silence: number;
  silentAt: number;
  /** Segments that both ends sent again. */
  retransmissions: number;
}

export interface RunOptions {
  module: WebAssembly.Module;
  /** Put between a node and its core, to plant a fault in it. */
  layer?: (core: Core, node: string) => Core;
  /** Told of each step. */
  log?: (text: string) => void;
}

const MS = 1e6, SEC = 1e9;
const PORT = 5000, START = 3 * SEC;
/** From the end of the last fault to the end of all, ns: some of the longest RTOs. */
const LIMIT = 1200 * SEC;
/** connect() that fails is tried again, after a second. */
const TRIES = 20;
const RTM_NEWLINK = 16, IFLA_MTU = 4, SOL_SOCKET = 1, SO_RCVBUF = 8, TCP_INFO = 11, TOTAL_RETRANS = 100;

class FaultRun {
  private readonly ends: [TransferEnd, TransferEnd];
  private readonly watch: Watch;
  private readonly faults: { id: number; name: string };
  /** How many faults hold a link down. */
  private readonly held = new Map<string, number>();

  constructor(private readonly s: Schedule, private readonly run: ScenarioRun, private readonly log: (text: string) => void) {
    const ended = (): void => { if (this.ends.every((e) => e.over)) run.sim.stop(); };
    const end = (i: 0 | 1, node: string): TransferEnd => new TransferEnd(i, run.nodes.get(node)!, s.ends[i], s.ends[1 - i], ended);
    this.ends = [end(0, 'a'), end(1, 'b')];
    this.watch = new Watch(run, this.ends);
    this.faults = { id: run.sim.register(), name: 'faults' };
  }

  /** Throws Failure. */
  go(): void {
    const { s, run, ends: [client, server] } = this, limit = START + s.calm * MS + LIMIT;
    server.node.after(0, () => this.listen());
    // Later than duplicate address detection.
    client.node.after(START, () => this.connect(TRIES));
    run.advance(limit);
    if (!this.ends.every((e) => e.over)) throw new Failure('unfinished', `after ${limit / SEC} s: ${this.ends.map((e) => `${e.node.name} ${e.state}`).join(', ')}`);
  }
  get longest(): { silence: number; time: number } { return this.watch.longest; }
  /** Of both ends. */
  get retransmissions(): number {
    let n = 0;
    for (const { stream } of this.ends) {
      const info = stream?.getOption(6, TCP_INFO, 128);
      if (info) n += new DataView(info.buffer, info.byteOffset).getUint32(TOTAL_RETRANS, true);
    }
    return n;
  }

  private listen(): void {
    const { s, ends: [client, server] } = this, l = server.node.sockets.listener(s.family);
    for (const o of server.plan.options) l.setOption(...o);
    l.listen(s.family === 4 ? '0.0.0.0' : '::', PORT);
    l.onconnection = () => {
      for (let c = l.accept(); c; c = l.accept()) {
        // One of an attempt that the client has given up stays alone.
        if (c.remote?.port !== client.stream?.local?.port) c.onerror = () => undefined;
        else {
          this.log('connected');
          server.attach(c);
          this.begin();
        }
      }
    };
  }
  private connect(tries: number): void {
    const { s, run, ends: [client] } = this, c: CoreStream = client.node.sockets.stream(s.family), to = run.plan.nodes.get('b')!.ports[0];
    for (const o of client.plan.options) c.setOption(...o);
    client.stream = c;
    c.onopen = () => client.attach(c);
    c.onerror = (e) => {
      this.log(`connect: ${e.code}`);
      client.stream = undefined;
      if (!tries) throw new Failure('error', e.message);
      client.node.after(SEC, () => this.connect(tries - 1));
    };
    c.connect(s.family === 4 ? to.ipv4 : to.ipv6, PORT);
  }

  /** Both ends have the connection: what would keep them from that is left out, for then it may rightly fail. */
  private begin(): void {
    for (const f of this.s.faults) {
      this.later(f.at, () => this.befall(f, true));
      if (f.ms && f.ms !== Infinity) this.later(f.at + f.ms, () => this.befall(f, false));
    }
  }
  private later(ms: number, what: () => void): void { this.run.sim.after(this.faults, ms * MS, what); }

  private befall(f: Fault, begins: boolean): void {
    const { run, ends } = this;
    this.log(`${begins ? 'begins' : 'ends'}: ${JSON.stringify(f)}`);
    switch (f.kind) {
      case 'link': run.change({ at: run.sim.now, link: f.link, set: begins ? f.set : f.back, reverse: begins ? f.reverse : f.backReverse }); break;
      case 'down': this.hold(f.link, begins ? 1 : -1); break;
      case 'mtu': this.narrow(begins ? f.bytes : 1500, f.silent && begins); break;
      case 'deaf':
        ends[f.end].deaf += begins ? 1 : -1;
        // A turn of the node's own.
        if (!ends[f.end].deaf) ends[f.end].node.after(0, () => ends[f.end].read());
        break;
      case 'rcvbuf': ends[f.end].node.after(0, () => {
        const { stream, over } = ends[f.end];
        if (!over) stream?.setOption(SOL_SOCKET, SO_RCVBUF, f.bytes);
      });
    }
  }
  private hold(link: string, change: 1 | -1): void {
    const { run } = this, n = (this.held.get(link) ?? 0) + change;
    this.held.set(link, n);
    this.watch.dark(change);
    run.change({ at: run.sim.now, link, set: { up: n === 0 } });
  }
  private narrow(mtu: number, silent: boolean): void {
    const { run } = this, index = run.scenario.links.findIndex((l) => l.name === 'middle');
    for (const n of run.nodes.values()) {
      const port = run.plan.nodes.get(n.name)!.ports.find((p) => p.link === index);
      if (port) n.after(0, () => setMtu(n, port.name, mtu));
    }
    for (const l of run.scenario.links) run.change({ at: run.sim.now, link: l.name, set: { drop: silent ? ['icmp'] : [] } });
  }
}

function setMtu(node: SimNode, dev: string, mtu: number): void {
  node.stamp();
  const header = new Uint8Array(16), netlink = new NetlinkClient(node.core);
  new DataView(header.buffer).setUint32(4, node.sockets.interfaceIndex(dev), true);
  netlink.request(RTM_NEWLINK, NLM_F_CREATE, new RequestBuilder().header([...header]).u32(IFLA_MTU, mtu).bytes, dev);
  netlink.close();
  node.requestPoll();
}

/** What a person reads of a schedule. */
export function told(s: Schedule): string {
  const { nodes, links } = s.scenario, line = (what: string, v: unknown): string => `  ${what}: ${JSON.stringify(v)}\n`;
  return `seed ${s.seed}, IPv${s.family}\n${Object.entries(nodes).map(([n, v]) => line(n, v?.sysctl)).join('')}${links.map((l) => line(l.name!, l)).join('')}`
    + `${s.ends.map((e, i) => line(i ? 'server' : 'client', e)).join('')}${s.faults.map((f) => line('fault', f)).join('')}`;
}

/** Run the schedule of a seed. */
export async function runSchedule(seed: number, o: RunOptions): Promise<Verdict> {
  const s = scheduleOf(seed), run = await ScenarioRun.create(s.scenario, { module: o.module, stopOnTrap: true, layer: o.layer && ((core, _options, node) => o.layer!(core, node)) });
  const { sim } = run, log = o.log ?? ((): void => undefined), r = new FaultRun(s, run, (text) => log(`${(sim.now / SEC).toFixed(6)} ${text}`));
  let failure: string | undefined;
  try {
    r.go();
  } catch (e) {
    if (!(e instanceof Failure)) throw e;
    failure = e.message;
  }
  // Whatever came of it.
  for (const [name, n] of run.nodes) if (n.trap) failure = `error: the core of ${name} has trapped: ${n.trap.message}`;
  if (failure !== undefined) failure = `seed ${seed}, ${(sim.now / SEC).toFixed(6)} s: ${failure}`;
  return { seed, failure, seconds: sim.now / SEC, events: sim.events, silence: r.longest.silence, silentAt: r.longest.time / SEC, retransmissions: failure === undefined ? r.retransmissions : 0 };
}
