// limit: 180 s
// Traces of a run: the run is the same without them; tshark finds the captures faultless; flows and series say what the sockets, the
// links and the applications say.
import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { TraceFolder } from '../../host/cli/sim_trace.js';
import { DIRECTION_IN, enhancedPacket } from '../../host/debug/pcapng.js';
import { WALL_START } from '../../host/sim/node.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import type { FlowRow } from '../../host/sim/trace/flow.js';
import { FLOWS_MAX, FlowTable } from '../../host/sim/trace/flows.js';
import { segmentOf } from '../../host/sim/trace/segment.js';
import type { QueueSample, TcpSample } from '../../host/sim/trace/series.js';
import { Trace, type TraceEvent } from '../../host/sim/trace/trace.js';
import { faults } from '../interop/lab.js';
import { Chromium } from '../harness/chromium.js';
import { ROUGH, run, traceHash } from './scenarios.js';

const test = suite('sim: traces');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const folder = mkdtempSync(join(tmpdir(), 'nuse-trace-'));
test.after(() => { rmSync(folder, { recursive: true }); });

/** Loss by chance, by list and by a full queue; a router between; both families; datagrams beside the connections. */
const LOSSY: ScenarioInput = {
  duration: '8s', sample: '20ms',
  links: [
    { name: 'edge', between: ['a', 'r'], rate: '50Mbit', delay: '1ms' },
    { name: 'slow', between: ['r', 'b'], rate: '5Mbit', delay: '10ms', loss: 0.005, queue: { type: 'droptail', limit: 30 } },
  ],
  apps: [
    { type: 'bulk', from: 'a', to: 'b', bytes: '1MB' }, { type: 'bulk', from: 'b', to: 'a', bytes: '500kB', family: 6, start: '3s' },
    { type: 'datagrams', from: 'a', to: 'b', rate: '100kbit', size: 500, start: '1s', stop: '7s' },
  ],
};

interface Traced {
  result: RunResult;
  flows: FlowRow[];
  tcp: TcpSample[];
  queues: QueueSample[];
  events: TraceEvent[];
}
async function traced(input: ScenarioInput): Promise<Traced> {
  const r = await ScenarioRun.create(scenarioOf(input), { module }), tcp: TcpSample[] = [], queues: QueueSample[] = [], events: TraceEvent[] = [];
  const trace = new Trace(r, { tcp: (s) => tcp.push(s), queue: (s) => queues.push(s), event: (e) => events.push(e), capture: () => undefined });
  r.finish();
  return { result: r.result(), flows: trace.flows(), tcp, queues, events };
}
const flowTo = (flows: FlowRow[], port: number): FlowRow => {
  const found = flows.filter((f) => f.destination_port === port);
  assert.is(found.length, 1, `flows to port ${port}`);
  return found[0];
};

test('a run is the same with traces, at any rate of samples', async () => {
  const bare = await run(module, ROUGH);
  for (const sample of ['100ms', '1ms']) {
    const { result, tcp, events } = await traced({ ...ROUGH, sample });
    assert.ok(tcp.length > 10 && events.length > 10);
    assert.equal(result, bare);
  }
});

test('what befalls frames is told as often as the links count it', async () => {
  const { result: { metrics }, events } = await traced({ ...ROUGH, schedule: [{ at: '2s', link: 'rough', set: { up: false } }, { at: '2.1s', link: 'rough', set: { up: true } }] });
  for (const [where, prefix] of [['rough forward', 'rough'], ['rough reverse', 'rough.reverse'], ['a-r forward', 'a-r'], ['a-r reverse', 'a-r.reverse']] as const) {
    for (const kind of ['lost', 'down', 'corrupted', 'duplicated', 'dropped'] as const)
      assert.is(events.filter((e) => e.where === where && e.kind === kind).length, metrics[`${prefix}.${kind}`], `${kind} on ${where}`);
  }
  assert.ok(metrics['rough.down'] > 0 && metrics['rough.corrupted'] > 0);
  assert.equal(events.filter((e) => e.kind === 'run').map((e) => e.time_ns), [2e9, 2.1e9]);
});

test('flows: what was sent, lost, sent again and delivered', async () => {
  const { result: { metrics }, flows, tcp, events } = await traced(LOSSY);
  for (const f of flows) assert.is(f.segments, f.arrived + f.lost + f.pending, `flow ${f.flow}`);
  for (const [app, port, size] of [['bulk', 5001, 1e6], ['bulk2', 5002, 5e5]] as const) {
    const f = flowTo(flows, port);
    assert.is(metrics[`${app}.finished`], 1);
    assert.is(f.delivered_bytes, size);
    assert.is(f.bytes - f.retransmitted_bytes, size, 'once each, but for what was sent again');
    assert.is(f.pending, 0);
    assert.ok(f.retransmits > 0);
    assert.is(f.retransmits, Math.max(...tcp.filter((s) => s.local === `${f.source}:${f.source_port}`).map((s) => s.retransmits)), 'TCP_INFO counts as many');
  }
  const d = flowTo(flows, 5003);
  assert.is(d.segments, metrics['datagrams3.sent']);
  assert.is(d.arrived, metrics['datagrams3.received']);
  assert.is(d.lost, metrics['datagrams3.lost']);
  assert.ok(Math.abs(d.delay_mean_ns / 1e9 - metrics['datagrams3.delay.mean']) < 1e-9, 'the application measures the same delay');
  const lost = (of: (f: FlowRow) => number): number => flows.reduce((n, f) => n + of(f), 0);
  // Frames of no flow, as those of multicast groups, find a full queue, too.
  const others = (kind: string): number => events.filter((e) => e.kind === kind && !e.flow).length;
  assert.is(lost((f) => f.lost_by_rule) + others('lost'), metrics['slow.lost'] + metrics['slow.reverse.lost']);
  assert.is(lost((f) => f.dropped_by_queue) + others('dropped'), metrics['slow.dropped'] + metrics['slow.reverse.dropped']);
  assert.ok(metrics['slow.dropped'] > 0);
});

test('a corrupted or duplicated segment is none that arrived', async () => {
  const link = { between: ['a', 'b'] as [string, string], rate: '10Mbit', delay: '5ms', reverse: { corrupt: 0, duplicate: 0 } }, apps = [{ type: 'datagrams' as const, from: 'a', to: 'b', rate: '400kbit', start: '1s' }];
  const twice = await traced({ duration: '3s', links: [{ ...link, duplicate: 1 }], apps }), bad = await traced({ duration: '3s', links: [{ ...link, corrupt: 0.3 }], apps });
  const d = flowTo(twice.flows, 5001);
  assert.ok(d.segments >= 100 && d.pending <= 1);
  assert.equal([d.arrived, d.duplicates, d.lost], [d.segments - d.pending, d.arrived, 0]);
  const f = flowTo(bad.flows, 5001);
  assert.ok(f.corrupted > 10 && f.arrived > 10);
  assert.is(f.arrived, bad.result.metrics['datagrams.received']);
  assert.equal([f.segments, f.duplicates], [f.arrived + f.corrupted + f.pending, 0]);
});

test('series: a queue that fills, a window that closes', async () => {
  const { tcp, queues, result } = await traced({ duration: '6s', sample: '50ms', links: [{ name: 'l', between: ['a', 'b'], rate: '10Mbit', delay: '20ms' }], apps: [{ type: 'bulk', from: 'a', to: 'b' }] });
  const sender = tcp.filter((s) => s.node === 'a'), forward = queues.filter((q) => q.direction === 'forward');
  assert.equal(forward.map((q) => q.time_ns), Array.from({ length: 121 }, (_, i) => i * 50e6));
  assert.is(Math.max(...forward.map((q) => q.packets)), 100);
  assert.is(forward.at(-1)!.dropped, result.metrics['l.dropped']);
  assert.is(sender[0].cwnd, 10);
  assert.is(sender[0].ssthresh, null);
  assert.ok(sender.at(-1)!.ssthresh! < 200 && sender.at(-1)!.srtt_us > 100_000);
  for (const s of sender) assert.ok(s.in_flight_bytes <= s.cwnd * s.mss, `${s.in_flight_bytes} in flight at ${s.time_ns}, cwnd ${s.cwnd}`);
  // What is in flight lies in the queue or on the link, whose two ways hold 10 Mbit/s times 40 ms.
  const { in_flight_bytes } = sender.at(-1)!, queued = forward.at(-1)!.packets * 1448;
  assert.ok(Math.abs(in_flight_bytes - queued - 50_000) < 6000, `${in_flight_bytes} in flight, ${queued} queued`);
});

test('the folder of a run: tshark finds its captures faultless, and a planted bad frame', async () => {
  const r = await ScenarioRun.create(scenarioOf(LOSSY), { module }), files = new TraceFolder(folder, r, true);
  r.finish();
  files.close();
  const { flows } = await files.finish('lossy.yaml', r.result());
  const captures = readdirSync(folder).filter((f) => f.endsWith('.pcapng'));
  assert.equal(captures.sort(), ['a-eth0.pcapng', 'b-eth0.pcapng', 'r-eth0.pcapng', 'r-eth1.pcapng']);
  for (const c of captures) assert.equal(faults(join(folder, c)), [], c);
  const fields = (capture: string, filter: string, field: string): string[] => execFileSync('tshark', ['-n', '-r', join(folder, capture), '-Y', filter, '-T', 'fields', '-e', field],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').filter(Boolean);
  // Frames of a flow at both ends, and the time of the first, to the nanosecond.
  for (const f of flows) {
    const filter = `${f.source.includes(':') ? 'ipv6' : 'ip'}.src == ${f.source} && ${f.protocol}.srcport == ${f.source_port} && ${f.protocol}.dstport == ${f.destination_port}`;
    const times = fields(`${f.source_node}-eth0.pcapng`, filter, 'frame.time_epoch');
    assert.is(times.length, f.segments, `flow ${f.flow} where it is sent`);
    const [seconds, fraction] = times[0].split('.');
    assert.is(BigInt(seconds) * 1_000_000_000n + BigInt(fraction), WALL_START + BigInt(f.first_ns));
    assert.is(fields(`${f.destination_node}-eth0.pcapng`, filter, 'frame.number').length, f.arrived + f.duplicates, `flow ${f.flow} where it arrives`);
  }
  const bad = join(folder, 'bad.pcapng'), frame = Uint8Array.from(rawFrame(join(folder, 'a-eth0.pcapng')));
  copyFileSync(join(folder, 'a-eth0.pcapng'), bad);
  frame[frame.length - 1] ^= 1;
  appendFileSync(bad, enhancedPacket(0, WALL_START, frame, DIRECTION_IN));
  assert.is(faults(bad).length, 1);
  assert.is(readFileSync(join(folder, 'flows.csv'), 'utf8').trim().split('\n').length, flows.length + 1);
  assert.equal(JSON.parse(readFileSync(join(folder, 'flows.json'), 'utf8')), flows);
  const queues = readFileSync(join(folder, 'queues.csv'), 'utf8').trim().split('\n');
  assert.is(queues.length, 1 + 4 * 401, 'four directions, every 20 ms');
});

test('flows are bounded, and headers that lie are none', () => {
  /** UDP from a port of 10.0.0.1 to one of 10.0.0.2. */
  const datagram = (from: number, to: number, length = 8): Uint8Array => {
    const f = new Uint8Array(42), v = new DataView(f.buffer);
    v.setUint16(12, 0x0800);
    f.set([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14);
    v.setUint16(34, from);
    v.setUint16(36, to);
    v.setUint16(38, length);
    return f;
  };
  const begun: string[] = [];
  let full = 0;
  const table = new FlowTable(new Map([['10.0.0.1', 'a'], ['10.0.0.2', 'b']]), (name) => begun.push(name), () => full++), before = process.memoryUsage();
  for (let i = 0; i < FLOWS_MAX + 1000; i++) table.seen(i, 'a', datagram(i % 50_000, 1 + Math.floor(i / 50_000)), true);
  assert.equal([table.rows().length, begun.length, full], [FLOWS_MAX, FLOWS_MAX, 1]);
  const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
  assert.ok(grown < 100 << 20, `${grown} bytes for histograms of flows of which nothing arrived`);
  assert.ok(segmentOf(datagram(1, 2)));
  assert.is(segmentOf(datagram(1, 2, 7)), undefined, 'a length below that of the header');
});

test('headless Chromium gives the same captures, series, events and flows', async () => {
  const chromium = await Chromium.launch();
  try {
    assert.is(await chromium.run<string>({ module: new URL('./pages/trace_page.js', import.meta.url), args: ROUGH }), await traceHash(module, ROUGH));
  } finally {
    await chromium.close();
  }
});

/** The first frame of TCP in a capture. */
function rawFrame(capture: string): Buffer {
  const b = readFileSync(capture);
  for (let at = 0; at < b.length; at += b.readUInt32LE(at + 4)) {
    const frame = at + 28;
    if (b.readUInt32LE(at) === 6 && b.readUInt16BE(frame + 12) === 0x0800 && b[frame + 23] === 6) return b.subarray(frame, frame + b.readUInt32LE(at + 20));
  }
  throw new Error('no TCP frame');
}

test.run();
