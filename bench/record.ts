// What recording costs: iperf3 over a TAP with and without `--record`, the rounds interleaved.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../test/interop/lab.js';

const US = '192.0.2.10', PEER = '192.0.2.1';
const median = (v: number[]): number => [...v].sort((a, b) => a - b)[v.length >> 1];

export interface RecordCost {
  /** Mbit/s, medians. */
  plain: number;
  recorded: number;
  /** Share of the throughput that recording takes, percent. */
  cost: number;
}

/** By scenario: 1500-byte frames and super-segments, out of nuse and into it. Files are written in the folder `dir`. */
export async function recordCost(rounds: number, seconds: number, dir?: string): Promise<Record<string, RecordCost>> {
  const lab = new Lab(), out: Record<string, RecordCost> = {};
  try {
    for (const [frames, offload] of [['1500-byte frames', 'off'], ['super-segments', 'on']] as const) {
      const ns = lab.netns(offload);
      lab.tap(ns, 'tap0');
      if (offload === 'off') lab.offloadOff(ns, 'tap0');
      lab.addr(ns, 'tap0', `${PEER}/24`);
      const conf = lab.file(`${offload}.conf`, `interface eth0\n viftype TAP\n dev tap0\n offload ${offload}\n address ${US}/24\n`);
      const file = join(dir ?? lab.dir, `nuse-bench-${process.pid}.rec`);
      for (const direction of ['out', 'in'] as const) {
        const values: Record<'plain' | 'recorded', number[]> = { plain: [], recorded: [] };
        for (let i = 0; i < 2 * rounds; i++) {
          const options = i % 2 ? ['--record', file] : [], server = lab.run(ns, ['iperf3', '-s', '-1', '--forceflush']);
          await server.until(/listening/);
          const end = await lab.nuse(ns, ['run', ...options, '-c', conf, '--', 'iperf3', '-c', PEER, '-t', String(seconds), '-J', ...(direction === 'in' ? ['-R'] : [])]).finish(60000);
          if (end.code !== 0) throw new Error(`iperf3: ${end.stdout}${end.stderr}`);
          const { end: { sum_received: sum } } = JSON.parse(end.stdout) as { end: { sum_received: { bits_per_second: number } } };
          values[i % 2 ? 'recorded' : 'plain'].push(sum.bits_per_second / 1e6);
          await server.done;
        }
        const plain = median(values.plain), recorded = median(values.recorded);
        out[`${frames}, TCP ${direction}`] = { plain, recorded, cost: 100 * (1 - recorded / plain) };
      }
      for (const f of [file, `${file}.1`]) rmSync(f, { force: true });
    }
    return out;
  } finally {
    await lab.close();
  }
}

/** One line for each scenario. */
export function recordLines(costs: Record<string, RecordCost>): string[] {
  return Object.entries(costs).map(([name, c]) => `record ${name.padEnd(25)} plain ${c.plain.toFixed(0)}   recorded ${c.recorded.toFixed(0)} Mbit/s   cost ${c.cost.toFixed(1)} %`);
}
