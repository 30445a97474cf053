// Goodput over a long path with loss: 1 Gbit/s, 100 ms there and back, a queue of one bandwidth-delay product (bottleneck.c).
import { NUSE, type Lab } from '../test/interop/lab.js';
import { build, ended, stop } from './scenarios.js';

const RATE = 1e9, ONE_WAY_NS = 50e6, FRAME = 1514, QUEUE = Math.round(RATE * 2 * ONE_WAY_NS / 1e9 / 8 / FRAME);
/** Bytes of a buffer: two bandwidth-delay products and what bookkeeping takes. */
const BUFFER = 64 << 20;
/** s at the beginning that do not count. */
const WARM_UP = 2;
const SENDER = '10.9.0.1', RECEIVER = '10.9.0.2';

export type Control = 'cubic' | 'bbr';
export const LOSSES = [0.001, 0.01] as const;

/** Mbit/s that iperf3 on nuse or on the kernel gets across to a kernel, with the same frames lost by their number. */
export async function goodput(lab: Lab, on: 'nuse' | 'kernel', control: Control, loss: number, seed: number, seconds: number): Promise<number> {
  const label = `g${on[0]}${control[0]}${loss}s${seed}`, [a, b] = ['a', 'b'].map((end) => lab.netns(label + end));
  const path = lab.run(a, [build(lab, 'bottleneck.c'), a, 'tap0', b, 'tap0', RATE, ONE_WAY_NS, QUEUE, loss, seed].map(String));
  await path.until(/ready/);
  for (const ns of [a, b]) {
    lab.sh(ns, `sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.tcp_rmem="4096 1048576 ${BUFFER}" net.ipv4.tcp_wmem="4096 1048576 ${BUFFER}" net.ipv4.tcp_no_metrics_save=1`);
    lab.ip(ns, 'link set tap0 up');
  }
  lab.addr(b, 'tap0', `${RECEIVER}/24`);
  if (on === 'kernel') lab.addr(a, 'tap0', `${SENDER}/24`);
  const conf = lab.file(`${label}.conf`, `memory 512M
sysctl net.ipv4.tcp_rmem=4096 1048576 ${BUFFER}
sysctl net.ipv4.tcp_wmem=4096 1048576 ${BUFFER}

interface tap0
 viftype RAW
 address ${SENDER}/24
`);
  const server = lab.run(b, ['iperf3', '-s', '-1', '--forceflush']);
  await server.until(/listening/);
  const command = ['iperf3', '-c', RECEIVER, '-C', control, '-O', String(WARM_UP), '-t', String(Math.max(1, Math.ceil(seconds))), '-J'];
  const out = await ended(lab.run(a, on === 'nuse' ? [...NUSE, '-c', conf, '--', ...command] : command));
  await server.done;
  await stop(path);
  const report = JSON.parse(out) as { error?: string; end: { sum_received: { bits_per_second: number } } };
  if (report.error) throw new Error(`iperf3, ${control} on ${on}: ${report.error}`);
  return report.end.sum_received.bits_per_second / 1e6;
}
