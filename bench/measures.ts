// What is measured of a scenario: programs at its two ends, one figure each time.
import { ended, meter, type Scenario, US, PEER } from './scenarios.js';
import type { Lab, Program } from '../test/interop/lab.js';

export const median = (v: readonly number[]): number => [...v].sort((a, b) => a - b)[v.length >> 1];

/** Round trip times, ms. */
export interface PingTimes {
  min: number;
  avg: number;
  max: number;
}

/** Of `count` echo requests to `to`, 10 ms apart. */
export async function ping(run: (argv: readonly string[]) => Program, to: string, count: number): Promise<PingTimes> {
  const out = await ended(run(['ping', '-c', String(count), '-i', '0.01', '-W', '2', '-q', to]));
  const [min, avg, max] = /= ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(out)!.slice(1).map(Number);
  return { min, avg, max };
}

/** Run a client of meter.c to its end. */
export async function client<T>(lab: Lab, run: (argv: readonly string[]) => Program, ...args: (string | number)[]): Promise<T> {
  return JSON.parse(await ended(run([meter(lab), ...args.map(String)]))) as T;
}

interface Bulk {
  bytes: number;
  seconds: number;
}
interface Counted {
  count: number;
  seconds: number;
}
interface Datagrams {
  received: number;
  seconds: number;
}

export type Direction = 'in' | 'out';

/** Run fn while the near stack offers the services. */
export async function served<T>(s: Scenario, fn: () => Promise<T>): Promise<T> {
  const end = await s.serve();
  try {
    return await fn();
  } finally {
    await end();
  }
}

/**
 * Every stack is driven for so long before it is measured, s: what is wanted is its speed, not that of the compilers at its start.
 */
const WARM_UP = 2;

/** Run a client of meter.c to the services of the near stack, once to warm up and once to be measured. */
async function measured<T>(lab: Lab, s: Scenario, what: string, seconds: number, ...args: number[]): Promise<T> {
  return served(s, async () => {
    await client<T>(lab, s.far, what, US, WARM_UP, ...args);
    return client<T>(lab, s.far, what, US, seconds, ...args);
  });
}

/** Mbit/s of one TCP connection into or out of the near stack, to or from the kernel. */
export async function tcpBulk(lab: Lab, s: Scenario, direction: Direction, seconds: number): Promise<number> {
  const r = await measured<Bulk>(lab, s, `tcp-${direction}`, seconds);
  return r.bytes * 8 / r.seconds / 1e6;
}

/** Datagrams/s that arrive, into or out of the near stack. */
export async function datagrams(lab: Lab, s: Scenario, direction: Direction, size: number, seconds: number): Promise<number> {
  const r = await measured<Datagrams>(lab, s, `udp-${direction}`, seconds, size);
  return r.received / r.seconds;
}

/** Exchanges of one byte per second on one connection; or connections/s, each of which exchanges one byte. */
export async function exchanges(lab: Lab, s: Scenario, what: 'exchange' | 'connect', seconds: number): Promise<number> {
  const r = await measured<Counted>(lab, s, what, seconds);
  return r.count / r.seconds;
}

/** ms, asked by a program on the near stack. */
export const nearPing = (s: Scenario, count: number): Promise<PingTimes> => ping(s.near, PEER, count);
