// The benchmark: the same programs on the kernel and on nuse in one run, results as ratios. Every figure is the median of
// ROUNDS (5; BENCH_ROUNDS), the rounds of the scenarios interleaved. Writes bench/results/latest.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiBackToBack } from './api.js';
import { browserBackToBack } from './browser.js';
import { emptyConfig } from '../host/config/config.js';
import { Lab, ROOT } from '../test/interop/lab.js';
import { faithfulLines } from './faithful.js';
import { backToBack, checksumRate, forward } from './core_only.js';
import { idleMemory } from './idle.js';
import { datagrams, median, nearPing } from './measures.js';
import { recordCost, recordLines } from './record.js';
import { PEER, US, ended, kernelRelay, kernelVeth, nuse, stop, type Scenario } from './scenarios.js';
import { simFigures, simLines } from './sim.js';
import { machine } from './slides.js';
import { startTime } from './start.js';
import { userLines, userNetwork } from './user.js';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5), SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));
const PROBE = ['/usr/bin/python3', join(ROOT, 'bench/probe.py')];

const lab = new Lab();
const json = (s: string): any => JSON.parse(s); // eslint-disable-line @typescript-eslint/no-explicit-any

type Measure = (s: Scenario) => Promise<number>;
const iperf = (reverse: boolean): Measure => async (s) => {
  const server = s.far(['iperf3', '-s', '-1', '--forceflush']);
  await server.until(/listening/);
  const r = json(await ended(s.near(['iperf3', '-c', PEER, '-t', String(Math.ceil(SECONDS)), '-J', ...(reverse ? ['-R'] : [])])));
  await server.done;
  return r.end.sum_received.bits_per_second / 1e6;
};
const http: Measure = async (s) => {
  const conf = lab.file(`${s.name}.nginx`, `worker_processes 1; daemon off; error_log stderr crit; pid ${lab.dir}/${s.name}.pid;
events { worker_connections 512; }
http { access_log off; keepalive_requests 1000000; server { listen 80; location / { return 200 "hello\\n"; } } }
`);
  const server = s.near(['nginx', '-c', conf, '-p', lab.dir]);
  for (let i = 0; ; i++) {
    if ((await s.far(['curl', '-s', '-o', '/dev/null', '-m', '1', `http://${US}/`]).done).code === 0) break;
    if (i > 50) throw new Error(`nginx does not answer: ${server.stderr}`);
    await sleep(100);
  }
  const out = await ended(s.far(['wrk', '-t', '1', '-c', '16', '-d', `${SECONDS}s`, `http://${US}/`]));
  await stop(server);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(out)![1]);
};
// Another port each time: the far end closes first, and ends left in TIME_WAIT answer the next round's SYN with an ACK.
let connectPort = 9001;
const connects: Measure = async (s) => {
  const port = String(connectPort++);
  const server = s.far([...PROBE, 'accept', port]);
  await server.until(/listening/);
  const r = json(await ended(s.near([...PROBE, 'connect', PEER, port, String(SECONDS)])));
  await stop(server, 'SIGKILL');
  return r.connections / r.seconds;
};

const MEASURES: { name: string; unit: string; run: Measure; lowerIsBetter?: boolean }[] = [
  { name: 'tcp-out', unit: 'Mbit/s', run: iperf(false) },
  { name: 'tcp-in', unit: 'Mbit/s', run: iperf(true) },
  { name: 'udp-1024-out', unit: 'datagrams/s', run: (s) => datagrams(lab, s, 'out', 1024, SECONDS) },
  { name: 'udp-1024-in', unit: 'datagrams/s', run: (s) => datagrams(lab, s, 'in', 1024, SECONDS) },
  { name: 'ping', unit: 'us', run: async (s) => (await nearPing(s, 200)).avg * 1000, lowerIsBetter: true },
  { name: 'http', unit: 'requests/s', run: http },
  { name: 'connect', unit: 'connections/s', run: connects },
];

/** Two stacks in one process, by the application API. */
async function apiFigures(): Promise<Record<string, number>> {
  const rates = [];
  for (let i = 0; i < ROUNDS; i++) rates.push(await apiBackToBack(SECONDS));
  return {
    'API back to back Mbit/s, one thread': median(rates.map((r) => r.oneThread)),
    'API back to back Mbit/s, two workers': median(rates.map((r) => r.twoWorkers)),
  };
}
/** Two stacks in a worker of a page in headless Chromium. */
async function browserFigures(): Promise<Record<string, number>> {
  const rates = [];
  for (let i = 0; i < ROUNDS; i++) rates.push(await browserBackToBack(SECONDS));
  return { 'browser back to back Mbit/s': median(rates) };
}

const wanted = process.argv.slice(2);
const chosen = MEASURES.filter((m) => !wanted.length || wanted.some((w) => m.name.includes(w)));
const result: Record<string, unknown> = { ...machine(), rounds: ROUNDS, seconds: SECONDS };
try {
  const all = chosen.length ? [kernelVeth(lab), await kernelRelay(lab), nuse(lab, 'tap')] : [];
  const table: Record<string, Record<string, number>> = {};
  for (const m of chosen) {
    const values = new Map(all.map((s) => [s.name, [] as number[]]));
    for (let i = 0; i < ROUNDS; i++)
      for (const s of all) values.get(s.name)!.push(await m.run(s));
    table[m.name] = Object.fromEntries([...values].map(([k, v]) => [k, median(v)]));
    const t = table[m.name], ratio = (peer: string): string => (t['nuse-tap'] / t[peer]).toFixed(2);
    const figures = all.map((s) => `${s.name} ${t[s.name].toFixed(m.lowerIsBetter ? 1 : 0)}`).join('   ');
    console.log(`${m.name.padEnd(14)} ${figures} ${m.unit}   nuse/veth ${ratio('kernel-veth')}   nuse/tap-relay ${ratio('kernel-tap-relay-vnet')}`);
  }
  result.programs = table;
  if (!wanted.length || wanted.includes('core')) {
    const own = {
      'forward frames/s': median([await forward(), await forward(), await forward()]),
      'checksum GB/s': await checksumRate() / 1e9,
      'back to back Mbit/s, super-segments': await backToBack(true) / 1e6,
      'back to back Mbit/s, 1500-byte frames': await backToBack(false) / 1e6,
      'start of `nuse -- true`, ms': startTime(ROUNDS),
      // As `nuse` starts it; it holds them, or this throws.
      'linear memory of a stack with 1000 idle connections, MiB': (await idleMemory(1000, emptyConfig().memory, emptyConfig().sockets)).linear / 2 ** 20,
      'memory of an idle connection, one of 50 000 in a core, bytes': (await idleMemory(25_000)).each,
    };
    result.core = own;
    for (const [k, v] of Object.entries(own)) console.log(`${k.padEnd(52)} ${v.toPrecision(4)}`);
  }
  if (!wanted.length || wanted.includes('user')) {
    const user = await userNetwork(lab, ROUNDS, SECONDS);
    result.user = user;
    for (const line of userLines(user)) console.log(line);
  }
  for (const [name, figures] of [['api', apiFigures], ['browser', browserFigures]] as const) {
    if (wanted.length && !wanted.includes(name)) continue;
    const own = await figures();
    result[name] = own;
    for (const [k, v] of Object.entries(own)) console.log(`${k.padEnd(52)} ${v.toPrecision(4)}`);
  }
  if (!wanted.length || wanted.includes('record')) {
    const record = await recordCost(ROUNDS, SECONDS);
    result.record = record;
    for (const line of recordLines(record)) console.log(line);
  }
  if (!wanted.length || wanted.includes('faithful')) {
    const lines = await faithfulLines(5);
    result.faithful = lines;
    for (const line of lines) console.log(line);
  }
  if (!wanted.length || wanted.includes('sim')) {
    const sim = simFigures(ROUNDS);
    result.sim = sim;
    for (const line of simLines(sim)) console.log(line);
  }
  mkdirSync(join(ROOT, 'bench/results'), { recursive: true });
  writeFileSync(join(ROOT, 'bench/results/latest.json'), JSON.stringify(result, null, 2) + '\n');
} finally {
  await lab.close();
}
