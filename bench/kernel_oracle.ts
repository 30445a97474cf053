// `npm run oracle:kernel [-- SEEDS SECONDS]`: the table that the simulator's TCP is compared with, of this machine's kernel. Two kernels'
// ends in two namespaces, joined by bottleneck.c; iperf3 sends with reno and cubic at each loss, all losses of one seed at a time.
// Real time: 3 seeds of 30 s take four minutes. Needs root, iperf3 and gcc.
import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { Lab, ROOT } from '../test/interop/lab.js';
import { CONTROLS, DELAY_MS, LOSSES, QUEUE, RATE, deviation, mean, pftk, type Control } from '../test/sim/faithful.js';

const SEEDS = Number(process.argv[2] ?? 3), SECONDS = Number(process.argv[3] ?? 30), WARMUP = 5;
const TO = '10.9.0.2';

/** Goodput of the kernel, Mbit/s, and what became of the frames. */
async function transfer(lab: Lab, program: string, control: Control, loss: number, seed: number): Promise<number> {
  const [a, b] = ['a', 'b'].map((end) => lab.netns(`${control[0]}${LOSSES.indexOf(loss)}s${seed}${end}`));
  const path = lab.run(a, [program, a, 'tap0', b, 'tap0', String(RATE), String(DELAY_MS * 1e6), String(QUEUE), String(loss), String(seed)]);
  await path.until(/ready/);
  for (const [ns, address] of [[a, '10.9.0.1'], [b, TO]]) {
    lab.ip(ns, 'link set tap0 up');
    lab.addr(ns, 'tap0', `${address}/24`);
    lab.sh(ns, 'sysctl -qw net.ipv4.tcp_rmem="4096 4194304 4194304" net.ipv4.tcp_wmem="4096 4194304 4194304" net.ipv4.tcp_no_metrics_save=1');
  }
  const server = lab.run(b, ['iperf3', '-s', '-1', '--forceflush']);
  await server.until(/listening/);
  const client = await lab.run(a, ['iperf3', '-c', TO, '-C', control, '-O', String(WARMUP), '-t', String(SECONDS), '-J']).finish((WARMUP + SECONDS + 30) * 1e3);
  await server.done;
  path.kill();
  await path.done;
  const report = JSON.parse(client.stdout) as { error?: string; end: { sum_received: { bits_per_second: number } } };
  if (report.error) throw new Error(`iperf3, ${control}, loss ${loss}: ${report.error}`);
  return report.end.sum_received.bits_per_second / 1e6;
}

const lab = new Lab(), program = join(lab.dir, 'bottleneck');
try {
  execFileSync('gcc', ['-O2', '-Wall', '-o', program, join(ROOT, 'bench/bottleneck.c')]);
  const values = new Map(CONTROLS.map((c) => [c, LOSSES.map(() => [] as number[])]));
  for (let seed = 1; seed <= SEEDS; seed++) {
    for (const control of CONTROLS) {
      const goodputs = await Promise.all(LOSSES.map((loss) => transfer(lab, program, control, loss, seed)));
      goodputs.forEach((g, i) => { values.get(control)![i].push(g); });
      console.error(`seed ${seed}, ${control}: ${goodputs.map((g) => g.toFixed(2)).join(' ')}`);
    }
  }
  console.log(`Linux ${release()}, ${cpus().length} x ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}, ${SEEDS} seeds x ${SECONDS} s; Mbit/s, mean (sd)`);
  console.log(`| loss | ${CONTROLS.map((c) => `Linux ${c}`).join(' | ')} | PFTK b=1 |\n|${'---|'.repeat(2 + CONTROLS.length)}`);
  for (const [i, loss] of LOSSES.entries()) {
    const cells = CONTROLS.map((c) => values.get(c)![i]).map((v) => `${mean(v).toFixed(3)} (${deviation(v).toFixed(3)})`);
    console.log(`| ${loss} | ${cells.join(' | ')} | ${pftk(loss).toFixed(2)} |`);
  }
} finally {
  await lab.close();
}
