// How much a bulk transfer carries over one path with random loss: our TCP in the simulator, a formula, and Linux, as measured by
// `npm run oracle:kernel`. The path: 10 Mbit/s, 20 ms each way, a drop-tail queue of 100 packets, each frame with data lost on its own.
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';

export const RATE = 10e6, DELAY_MS = 20, QUEUE = 100;
export const LOSSES = [0, 1e-3, 3e-3, 1e-2, 3e-2];
export const CONTROLS = ['reno', 'cubic', 'bbr'] as const;
export type Control = typeof CONTROLS[number];
/** Payload of a segment with timestamps; what it takes on Ethernet. */
const MSS = 1448, FRAME = 1514;
/** Mbit/s of payload that fit. */
export const CEILING = RATE * MSS / FRAME / 1e6;

/** Mbit/s, NaN where it was not measured. Linux 6.18 on this path: docs/simulator.md has the table with its spread. */
export const LINUX: Readonly<Record<Control, readonly number[]>> = {
  reno: [9.564, 8.42, 6.02, 3.20, 1.60],
  cubic: [9.564, 8.70, 5.73, 2.92, 1.34],
  bbr: [9.361, 9.35, NaN, 9.25, 9.07],
};

/**
 * Padhye, Firoiu, Towsley, Kurose 1998, formula 30, with one ACK of growth for each segment (b = 1), as RFC 3465 and Linux count; Mbit/s.
 * The round trip holds two segments' serialisation, for an ACK is of two; T0 is Linux' least timeout of 200 ms upon the round trip.
 */
export function pftk(loss: number): number {
  const roundTrip = 2 * DELAY_MS / 1e3 + 2 * FRAME * 8 / RATE, timeout = 0.24;
  const seconds = roundTrip * Math.sqrt(2 * loss / 3) + timeout * Math.min(1, 3 * Math.sqrt(3 * loss / 8)) * loss * (1 + 32 * loss * loss);
  return Math.min(MSS * 8 / seconds / 1e6, CEILING);
}

/** Goodput in the simulator, Mbit/s, over `seconds` after 5 s of start. */
export async function simulated(module: WebAssembly.Module, control: Control, loss: number, seed: number, seconds: number): Promise<number> {
  const warmup = 5;
  const run = await ScenarioRun.create(scenarioOf({
    seed, duration: `${warmup + seconds}s`, nodes: { sender: { sysctl: { 'net.ipv4.tcp_congestion_control': control } } },
    links: [{ between: ['sender', 'receiver'], rate: `${RATE / 1e6}Mbit`, delay: `${DELAY_MS}ms`, queue: { type: 'droptail', limit: QUEUE }, loss, reverse: { loss: 0 } }],
    apps: [{ type: 'bulk', from: 'sender', to: 'receiver', warmup: `${warmup}s` }],
  }), { module });
  run.finish();
  return run.metrics()['bulk.goodput'] / 1e6;
}

/** BBR's goodput over 200 Mbit/s and 100 ms with a queue of one bandwidth-delay product, as a part of the ceiling, in 6 s after 2 s of start. */
export async function longPath(module: WebAssembly.Module, loss: number, seed: number): Promise<number> {
  const rate = 200e6, buffers = '4096 1048576 67108864';
  const end = { memory: '256MiB', sysctl: { 'net.ipv4.tcp_congestion_control': 'bbr', 'net.ipv4.tcp_rmem': buffers, 'net.ipv4.tcp_wmem': buffers } };
  const run = await ScenarioRun.create(scenarioOf({
    seed, duration: '8s', nodes: { sender: end, receiver: end },
    links: [{ between: ['sender', 'receiver'], rate: '200Mbit', delay: '50ms', queue: { type: 'droptail', limit: 1650 }, loss, reverse: { loss: 0 } }],
    apps: [{ type: 'bulk', from: 'sender', to: 'receiver', warmup: '2s' }],
  }), { module });
  run.finish();
  return run.metrics()['bulk.goodput'] / (rate * MSS / FRAME);
}

export const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
/** Of the sample. */
export const deviation = (v: readonly number[]): number => {
  const m = mean(v);
  return v.length > 1 ? Math.sqrt(v.reduce((a, b) => a + (b - m) ** 2, 0) / (v.length - 1)) : 0;
};
