// The folder of one run (`nuse sim FILE --out DIR`): captures, tables and the result.
import { join } from 'node:path';
import type { RunResult, ScenarioRun } from '../sim/run.js';
import type { FlowRow } from '../sim/trace/flow.js';
import type { QueueSample, TcpSample } from '../sim/trace/series.js';
import { Trace } from '../sim/trace/trace.js';
import { load } from './install.js';
import { GrowingFiles, csv, csvLines, makeFolder, replaceFile } from './sim_files.js';
import type * as Report from './sim_report.js';

/** The columns of a table: every field of its rows, once. */
const columns = <T>(all: Record<keyof T, true>): string[] => Object.keys(all);
const TCP = columns<TcpSample>({
  time_ns: true, node: true, local: true, remote: true, state: true, cwnd: true, ssthresh: true, mss: true, srtt_us: true, rttvar_us: true, rto_us: true, in_flight_bytes: true,
  acked_bytes: true, received_bytes: true, retransmits: true,
});
const QUEUE = columns<QueueSample>({ time_ns: true, link: true, direction: true, packets: true, bytes: true, dropped: true });
const FLOW = columns<FlowRow>({
  flow: true, protocol: true, source_node: true, source: true, source_port: true, destination_node: true, destination: true, destination_port: true, first_ns: true, last_ns: true,
  segments: true, bytes: true, frame_bytes: true, retransmits: true, retransmitted_bytes: true, arrived: true, lost: true, lost_by_rule: true, dropped_by_queue: true,
  lost_by_link_down: true, corrupted: true, pending: true, duplicates: true, delay_mean_ns: true, delay_p50_ns: true, delay_p95_ns: true, delay_max_ns: true, delivered_bytes: true,
  goodput_bps: true,
});

/** What a report shows of a run. */
export interface RunSeries {
  tcp: TcpSample[];
  queues: QueueSample[];
  flows: FlowRow[];
}

export class TraceFolder {
  private readonly files: GrowingFiles;
  private readonly trace: Trace;
  private readonly series: Omit<RunSeries, 'flows'> = { tcp: [], queues: [] };

  /** Begin, before the run does. `capture`: with a pcapng file for each device. */
  constructor(private readonly folder: string, run: ScenarioRun, capture: boolean) {
    makeFolder(folder);
    const files = this.files = new GrowingFiles(folder), { series } = this, used = new Set<string>();
    files.begin('tcp.csv', csv(TCP, []));
    files.begin('queues.csv', csv(QUEUE, []));
    files.begin('events.jsonl');
    if (capture) for (const n of run.nodes.values()) for (const v of n.vifs) files.begin(`${n.name}-${v.name}.pcapng`);
    this.trace = new Trace(run, {
      capture: capture ? (device, bytes) => files.append(`${device}.pcapng`, bytes) : undefined,
      tcp: (s) => {
        series.tcp.push(s);
        files.append('tcp.csv', csvLines(TCP, [s]));
      },
      queue: (s) => {
        // Most queues of a large network are always empty: a report begins with the first packet.
        const name = `${s.link} ${s.direction}`;
        if (s.packets) used.add(name);
        if (used.has(name)) series.queues.push(s);
        files.append('queues.csv', csvLines(QUEUE, [s]));
      },
      event: (e) => files.append('events.jsonl', `${JSON.stringify(e)}\n`),
    });
  }

  /** The run has ended, also by an error: what there is, is written. */
  close(): void { this.files.close(); }

  /** Write the tables that the end of the run makes, and the report. `file`: of the scenario. */
  async finish(file: string, result: RunResult): Promise<RunSeries> {
    const flows = this.trace.flows();
    replaceFile(join(this.folder, 'flows.json'), `${JSON.stringify(flows, null, 1)}\n`);
    replaceFile(join(this.folder, 'flows.csv'), csv(FLOW, flows));
    replaceFile(join(this.folder, 'result.json'), `${JSON.stringify(result, null, 1)}\n`);
    const series = { ...this.series, flows }, { runReport } = await load<typeof Report>('sim_report');
    replaceFile(join(this.folder, 'report.html'), runReport(file, result, series));
    return series;
  }
}
