// Goodput over a path that a program makes (bottleneck.c), with a queue of one bandwidth-delay product.
import { NUSE, type Lab } from '../test/interop/lab.js';
import { build, ended, stop } from './scenarios.js';

const FRAME = 1514;
/** s at the beginning that do not count. */
const WARM_UP = 2;
const SENDER = '10.9.0.1', RECEIVER = '10.9.0.2';

export type Control = 'cubic' | 'bbr';
export type End = 'nuse' | 'kernel';
export interface Path {
  /** bit/s. */
  rate: number;
  /** ns, each way. */
  delay: number;
  /** Of the sender's frames with data. */
  loss: number;
  /** tcp_rmem and tcp_wmem of both ends, bytes. */
  buffers: readonly [least: number, first: number, most: number];
}
/** Buffers of two bandwidth-delay products and what bookkeeping takes. */
export const longPath = (loss: number): Path => ({ rate: 1e9, delay: 50e6, loss, buffers: [4096, 1 << 20, 64 << 20] });
/** Nothing is lost: the window is what limits. */
export const smallBuffers: Path = { rate: 100e6, delay: 5e6, loss: 0, buffers: [4096, 65536, 65536] };
export const LOSSES = [0.001, 0.01] as const;

let paths = 0;
/** Mbit/s that iperf3 gets across from one end to the other, with the same frames lost by their number. */
export async function goodput(lab: Lab, sender: End, receiver: End, control: Control, path: Path, seed: number, seconds: number): Promise<number> {
  const label = `g${paths++}`, [a, b] = ['a', 'b'].map((end) => lab.netns(label + end)), buffers = path.buffers.join(' ');
  const queue = Math.round(path.rate * 2 * path.delay / 1e9 / 8 / FRAME);
  const carrier = lab.run(a, [build(lab, 'bottleneck.c'), a, 'tap0', b, 'tap0', path.rate, path.delay, queue, path.loss, seed].map(String));
  await carrier.until(/ready/);
  for (const [ns, on, address] of [[a, sender, SENDER], [b, receiver, RECEIVER]] as const) {
    lab.sh(ns, `sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.tcp_rmem="${buffers}" net.ipv4.tcp_wmem="${buffers}" net.ipv4.tcp_no_metrics_save=1`);
    lab.ip(ns, 'link set tap0 up');
    if (on === 'kernel') lab.addr(ns, 'tap0', `${address}/24`);
  }
  const command = (on: End, address: string, argv: string[]): string[] => {
    if (on === 'kernel') return argv;
    const conf = lab.file(`${label}-${address}.conf`, `memory 512M
sysctl net.ipv4.tcp_rmem=${buffers}
sysctl net.ipv4.tcp_wmem=${buffers}

interface tap0
 viftype RAW
 address ${address}/24
`);
    return [...NUSE, '-c', conf, '--', ...argv];
  };
  const server = lab.run(b, command(receiver, RECEIVER, ['iperf3', '-s', '-1', '--forceflush']));
  await server.until(/listening/);
  const out = await ended(lab.run(a, command(sender, SENDER, ['iperf3', '-c', RECEIVER, '-C', control, '-O', String(WARM_UP), '-t', String(Math.max(1, Math.ceil(seconds))), '-J'])));
  await server.done;
  await stop(carrier);
  const report = JSON.parse(out) as { error?: string; end: { sum_received: { bits_per_second: number } } };
  if (report.error) throw new Error(`iperf3, ${control} on ${sender}: ${report.error}`);
  return report.end.sum_received.bits_per_second / 1e6;
}
