// `nuse sim --realtime`: a scenario by the wall clock, joined to TAP devices of the host.
import { loadNative } from '../native.js';
import { RealTime } from '../sim/realtime.js';
import type { ScenarioRun } from '../sim/run.js';
import { Taps } from './sim_taps.js';

/** Events this late are told, once a second; ns. */
const LATE = 10e6, TELL_EVERY = 1e9;
const ms = (ns: number): string => `${(ns / 1e6).toFixed(1)} ms`;

/** How far the run was behind the clock, seconds. */
export interface Lateness {
  p50: number;
  p95: number;
  max: number;
}

/** Run to the end, or until SIGINT or SIGTERM. `tell` hears how to reach the network from the host, and of every lag. Throws what a device says. */
export async function runInRealTime(run: ScenarioRun, tell: (line: string) => void): Promise<Lateness> {
  let stop = (): void => undefined, fail = (_: unknown): void => undefined, told = -Infinity;
  const done = new Promise<void>((resolve, reject) => { [stop, fail] = [resolve, reject]; });
  const taps = new Taps(loadNative(), () => { turn().catch(fail); });
  const time = new RealTime(run, () => taps.now(), (late) => {
    const now = run.sim.now;
    if (late < LATE || now < told + TELL_EVERY) return;
    told = now;
    tell(`${(now / 1e9).toFixed(3)} s: ${ms(late)} behind the clock`);
  });
  let turning = false, again = false, over = false;
  async function turn(): Promise<void> {
    again = true;
    if (turning) return;
    turning = true;
    while (again) {
      again = false;
      // Frames come in at the time that it is now, and what they start may be due at once.
      await time.turn();
      // A signal may have come meanwhile, and the devices are closed.
      if (over) return;
      taps.receive();
      const next = await time.turn();
      if (over) return;
      if (time.over) return stop();
      taps.sleep(next);
    }
    turning = false;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    for (const [i, link] of run.plan.links.entries()) {
      if (!link.outside) continue;
      const { device, ipv4, ipv6, via } = link.outside, end = run.outside.get(device)!;
      end.write = taps.add(device, run.scenario.links[i].mtu, (frame) => end.receive(frame));
      tell(`${device} leads into the simulation: ip addr add ${ipv4} dev ${device}; ip addr add ${ipv6} dev ${device}; ip route add 10.0.0.0/8 via ${via}`);
    }
    turn().catch(fail);
    await done;
  } finally {
    over = true;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    taps.close();
  }
  const { late } = time;
  return { p50: late.percentile(0.5) / 1e9, p95: late.percentile(0.95) / 1e9, max: late.max / 1e9 };
}
