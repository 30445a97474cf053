// The USER interface against slirp4netns and pasta in the same run: a program behind each, a server on the loopback interface of the
// host, here a namespace. Bulk both ways by iperf3, request and response with everything pinned to one processor.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Lab, NUSE, ROOT, type Program } from '../test/interop/lab.js';

const IPERF_PORT = '5201', EXCHANGE_PORT = '5202';
const EXCHANGE = ['/usr/bin/python3', join(ROOT, 'bench/exchange.py')];
/** Whatever is to be timed for latency runs here. */
const PIN = ['taskset', '-c', '0'];
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** One way of reaching the host's loopback interface. */
interface Way {
  name: string;
  /** Address that leads there. */
  host: string;
  /** Run a program behind it, pinned or not. */
  run(argv: string[], pinned: boolean): Promise<Program>;
  stop(): Promise<void>;
}

export interface UserFigures {
  /** Mbit/s from the host to the program, and from it. */
  download: number;
  upload: number;
  /** Median of one exchange, everything on one processor, us. */
  exchange: number;
}

const pin = (argv: string[], pinned: boolean): string[] => (pinned ? [...PIN, ...argv] : argv);

function nuse(lab: Lab, host: string): Way {
  return {
    name: 'nuse', host: '10.0.2.2', stop: () => Promise.resolve(),
    run: (argv, pinned) => Promise.resolve(lab.run(host, pin([...NUSE, '--host-loopback', '--', ...argv], pinned), { env: { ...process.env, NUSECONF: '' } })),
  };
}

function pasta(lab: Lab, host: string): Way {
  const options = ['-f', '-q', '-4', '--config-net', '--runas', '0', '-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'];
  return {
    name: 'pasta', host: '192.0.2.2', stop: () => Promise.resolve(),
    run: (argv, pinned) => Promise.resolve(lab.run(host, pin(['pasta', ...options, '--', ...argv], pinned))),
  };
}

/** One slirp4netns for each program, as for the others. */
function slirp(lab: Lab, host: string): Way {
  const running: Program[] = [], inside = lab.netns('s');
  const stop = async (): Promise<void> => {
    for (const p of running.splice(0)) {
      p.kill('SIGKILL');
      await p.done;
    }
  };
  return {
    name: 'slirp4netns', host: '10.0.2.2', stop,
    run: async (argv, pinned) => {
      const s = lab.run(host, pin(['slirp4netns', '--configure', '--mtu=1500', '--netns-type=path', `/var/run/netns/${inside}`, 'tap0'], pinned));
      running.push(s);
      for (let i = 0; !execFileSync('ip', ['-n', inside, 'route'], { encoding: 'utf8' }).includes('default'); i++) {
        if (i > 50) throw new Error(`slirp4netns is not up: ${s.stderr}`);
        await sleep(100);
      }
      return lab.run(inside, pin(argv, pinned));
    },
  };
}

async function output(p: Program): Promise<string> {
  const end = await p.finish(60000);
  if (end.code !== 0) throw new Error(`${p.label}: ${end.code}\n${end.stdout}${end.stderr}`);
  return end.stdout;
}

async function measure(lab: Lab, host: string, way: Way, seconds: number): Promise<UserFigures> {
  const bulk = async (reverse: boolean): Promise<number> => {
    const server = lab.run(host, ['iperf3', '-s', '-1', '--forceflush', '-p', IPERF_PORT]);
    await server.until(/listening/);
    const client = await way.run(['iperf3', '-c', way.host, '-p', IPERF_PORT, '-t', String(Math.ceil(seconds)), '-J', ...(reverse ? ['-R'] : [])], false);
    const r = JSON.parse(await output(client)) as { end: { sum_received: { bits_per_second: number } } };
    await server.done;
    await way.stop();
    return r.end.sum_received.bits_per_second / 1e6;
  };
  const download = await bulk(true), upload = await bulk(false);
  const server = lab.run(host, [...PIN, ...EXCHANGE, 'server', EXCHANGE_PORT]);
  await server.until(/listening/);
  const r = JSON.parse(await output(await way.run([...EXCHANGE, 'client', way.host, EXCHANGE_PORT, String(seconds)], true))) as { us: number };
  server.kill('SIGKILL');
  await server.done;
  await way.stop();
  return { download, upload, exchange: r.us };
}

/** Medians of `rounds`, the ways interleaved, by name. `others`: beside nuse, those that are installed. */
export async function userNetwork(lab: Lab, rounds: number, seconds: number, others: readonly ('slirp4netns' | 'pasta')[] = ['slirp4netns', 'pasta']): Promise<Record<string, UserFigures>> {
  const host = lab.netns('h');
  // pasta copies addresses and routes of an interface of the host.
  lab.ip(host, 'link add d0 type veth peer name d1');
  lab.addr(host, 'd0', '192.0.2.1/24');
  for (const dev of ['d0', 'd1']) lab.ip(host, `link set ${dev} up`);
  lab.ip(host, 'route add default via 192.0.2.2');
  const made = { slirp4netns: slirp, pasta }, ways = [nuse(lab, host), ...others.map((name) => made[name](lab, host))], all = new Map(ways.map((w) => [w.name, [] as UserFigures[]]));
  for (let i = 0; i < rounds; i++) for (const w of ways) all.get(w.name)!.push(await measure(lab, host, w, seconds));
  const median = (v: number[]): number => v.sort((a, b) => a - b)[v.length >> 1];
  return Object.fromEntries([...all].map(([name, list]) => [name, {
    download: median(list.map((f) => f.download)), upload: median(list.map((f) => f.upload)), exchange: median(list.map((f) => f.exchange)),
  }]));
}

/** One line for each figure. */
export function userLines(figures: Record<string, UserFigures>): string[] {
  const line = (what: keyof UserFigures, unit: string): string => `user ${what.padEnd(9)} ${Object.entries(figures).map(([n, f]) => `${n} ${f[what].toFixed(what === 'exchange' ? 1 : 0)}`).join('   ')} ${unit}`;
  return [line('download', 'Mbit/s'), line('upload', 'Mbit/s'), line('exchange', 'us')];
}
