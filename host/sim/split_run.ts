// A run in parts, each in a thread of its own, with the same result as in one: windows as long as the shortest delay between parts,
// in which no part can hear of what another does, and between them the frames that cross.
import { separableApp } from './apps.js';
import { firstArrival } from './crossing.js';
import { Elsewhere } from './elsewhere.js';
import type { AppLoader } from './make_app.js';
import { appName, nodeNames } from './names.js';
import type { PartLink, PartOutcome, PartSetup } from './part.js';
import type { Partition } from './partition.js';
import { conclude, type LogEntry, type RunResult } from './result.js';
import type { Scenario } from './scenario.js';
import { Simulation } from './simulation.js';

/** Starts a part in a thread. */
export type PartStarter = (setup: PartSetup) => Promise<PartLink>;

/** Run a scenario to its end. `loader`: of the programs that it names; those with promises run in one thread only. Rejects with what ScenarioRun throws. */
export async function runInParts(scenario: Scenario, module: WebAssembly.Module, { of, parts, lookahead }: Partition, start: PartStarter, loader: AppLoader = {}): Promise<RunResult> {
  const programs = new Map<string, WebAssembly.Module>();
  for (const a of scenario.apps) if (a.type === 'wasi' && loader.wasi) programs.set(a.module, await loader.wasi(a.module));
  const started = await Promise.allSettled(Array.from({ length: parts }, (_, part) => start({ scenario, module, programs, of, part })));
  const links = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  try {
    for (const s of started) if (s.status === 'rejected') throw s.reason;
    await windows(links, scenario.duration, lookahead);
    return merge(scenario, await Promise.all(links.map((l) => l.outcome())));
  } finally {
    await Promise.all(links.map((l) => l.end()));
  }
}

async function windows(links: readonly PartLink[], duration: number, lookahead: number): Promise<void> {
  const next = links.map(() => 0), waiting: Uint8Array<ArrayBuffer>[][] = links.map(() => []), end = duration + 1;
  for (let until = 0; until < end;) {
    const earliest = Math.min(...next);
    // Nothing that happens from `earliest` on is heard of elsewhere before this.
    until = Math.min(earliest + lookahead, end);
    const steps = links.map(async (link, i) => {
      // A part with nothing to do before then need not be asked, except at the end, when its clock must stand there.
      if (next[i] >= until && until < end) return undefined;
      return link.step(until, waiting[i].splice(0));
    });
    const done = await Promise.all(steps);
    done.forEach((s, i) => { if (s) next[i] = s.next; });
    for (const s of done) {
      for (const [to, message] of s?.leaving ?? []) {
        waiting[to].push(message);
        next[to] = Math.min(next[to], firstArrival(message));
      }
    }
  }
}

/** What all parts have counted, as one run would have. */
function merge(scenario: Scenario, parts: readonly PartOutcome[]): RunResult {
  const [{ duration }] = parts, metrics = Object.assign({}, ...parts.map((p) => p.metrics)) as RunResult['metrics'];
  metrics['nodes.trapped'] = parts.reduce((n, p) => n + p.metrics['nodes.trapped'], 0);
  const nowhere = new Simulation(scenario.seed);
  scenario.apps.forEach((spec, i) => {
    const counts = parts.map((p) => p.apart.get(i)).filter((c) => c !== undefined);
    if (!counts.length || 'node' in spec) return;
    const name = appName(spec, i), end = (node: string): Elsewhere => new Elsewhere(nowhere, node);
    const app = separableApp(name, spec, { from: end(spec.from), to: end(spec.to), address: '', port: 0 });
    for (const c of counts) app.takeIn(c);
    for (const [k, v] of Object.entries(app.metrics(duration))) metrics[`${name}.${k}`] = v;
  });
  const digests = Object.assign({}, ...parts.map((p) => p.nodes)) as RunResult['nodes'];
  const outputs = Object.assign({}, ...parts.map((p) => p.output)) as RunResult['output'];
  const output = Object.fromEntries(scenario.apps.map(appName).flatMap((n) => (Object.hasOwn(outputs, n) ? [[n, outputs[n]]] : [])));
  const nodes = Object.fromEntries(nodeNames(scenario).map((n) => [n, digests[n]]));
  return conclude(scenario, { duration, events: parts.reduce((n, p) => n + p.events, 0), nodes, metrics, output, log: mergedLog(parts) });
}

/** Every part follows the schedule, the first one's lines tell of it; the others are of nodes. */
function mergedLog(parts: readonly PartOutcome[]): LogEntry[] {
  const lines = parts.flatMap((p, part) => p.log.map((entry, i) => ({ entry, author: p.authors[i], part }))).filter((l) => l.author !== 0 || l.part === 0);
  return lines.sort((a, b) => a.entry.time - b.entry.time || a.author - b.author).map((l) => l.entry);
}
