// Traces of a run: captures of every device, flows, time series and a log of events, given to whoever wants them as they come. A trace
// looks on between events and makes none: the run, and its hash, are the same without it. Browser-safe: files are the caller's.
//
//   const trace = new Trace(run, { tcp: (s) => rows.push(s) });
//   run.finish();
//   trace.flows();
import { DIRECTION_IN, DIRECTION_OUT, enhancedPacket, interfaceDescription, sectionHeader } from '../../debug/pcapng.js';
import type { Mishap } from '../channel.js';
import { WALL_START, type SimNode } from '../node.js';
import type { LogEntry, RunObserver, ScenarioRun } from '../run.js';
import { FLOWS_MAX, FlowTable } from './flows.js';
import type { FlowRow } from './flow.js';
import { queueSamples, tcpSamples, type QueueSample, type TcpSample } from './series.js';

/** An entry of the event log. */
export interface TraceEvent {
  /** ns since the start of the run. */
  time_ns: number;
  /** `run`: the schedule, or a node that trapped; `flow`: one begins; else what befell a frame on a link. */
  kind: 'run' | 'flow' | Mishap;
  /** Link and direction of a frame. */
  where: string;
  /** Flow of the frame, if it has one; bytes of the frame. */
  flow: string;
  bytes: number;
  detail: string;
}

/** Who takes what is traced. What nobody takes costs nothing. */
export interface TraceSinks {
  /** The next bytes of the capture of a device (`NODE-eth0`), a pcapng file. */
  capture?(device: string, bytes: Uint8Array): void;
  tcp?(sample: TcpSample): void;
  queue?(sample: QueueSample): void;
  event?(event: TraceEvent): void;
}

/** Time between two samples when the scenario does not say, ns. */
const PERIOD = 100e6;

export class Trace implements RunObserver {
  nextLook: number;
  private readonly period: number;
  private readonly table: FlowTable;

  /** Begin, before the run does. */
  constructor(private readonly run: ScenarioRun, private readonly sinks: TraceSinks) {
    const { scenario, plan } = run, owners = new Map<string, string>();
    this.period = scenario.sample ?? PERIOD;
    this.nextLook = run.sim.now;
    for (const n of plan.nodes.values()) for (const i of n.config.interfaces) for (const a of i.addresses) owners.set(a.address, n.name);
    this.table = new FlowTable(owners, (flow) => this.event({ kind: 'flow', flow, detail: 'begins' }), () => this.event({ kind: 'flow', detail: `${FLOWS_MAX} flows are followed: no more of them` }));
    run.observer = this;
    for (const n of run.nodes.values()) this.attach(n);
    for (const m of run.media.values()) for (const { name, channel } of m.directions()) channel.observe((what, frame, copy) => this.befell(what, `${m.name} ${name}`, frame, copy));
  }

  /** What every flow has done so far. */
  flows(): FlowRow[] { return this.table.rows(); }

  look(): void {
    const { run, sinks, nextLook: now } = this;
    if (sinks.tcp) for (const n of run.nodes.values()) tcpSamples(now, n).forEach((s) => sinks.tcp!(s));
    if (sinks.queue) for (const m of run.media.values()) queueSamples(now, m).forEach((s) => sinks.queue!(s));
    this.nextLook += this.period;
  }
  noted(entry: LogEntry): void { this.event({ kind: 'run', detail: entry.what }); }

  private attach(node: SimNode): void {
    const { sinks, table } = this, names = node.vifs.map((v) => `${node.name}-${v.name}`);
    if (sinks.capture) {
      node.vifs.forEach((v, i) => {
        sinks.capture!(names[i], sectionHeader([`seed ${node.sim.seed}`], 'nuse sim'));
        sinks.capture!(names[i], interfaceDescription(v.name, { mac: v.mac, description: node.name }));
      });
    }
    node.capture = (slot, frame, sent) => {
      const { now } = node.sim;
      sinks.capture?.(names[slot], enhancedPacket(0, WALL_START + BigInt(now), frame, sent ? DIRECTION_OUT : DIRECTION_IN));
      table.seen(now, node.name, frame, sent);
    };
  }
  private befell(what: Mishap, where: string, frame: Uint8Array, copy?: Uint8Array): void {
    const flow = this.table.befell(what, frame, copy);
    this.event({ kind: what, where, flow, bytes: frame.length });
  }
  private event(e: Pick<TraceEvent, 'kind'> & Partial<TraceEvent>): void { this.sinks.event?.({ time_ns: this.run.sim.now, where: '', flow: '', bytes: 0, detail: '', ...e }); }
}
