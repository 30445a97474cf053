// `nuse top`: what the stacks of this user do, as rates between two looks at their counters.
import { ask, type StackInfo } from './control.js';
import { CliError } from './fail.js';
import { formatTable, type StackStats } from './format.js';
import { asking, isGone } from './named.js';
import { controlPath, stackNames } from './runtime_dir.js';
import { Screen } from './screen.js';

export interface TopOptions {
  interval: string;
  once?: boolean;
  json?: boolean;
}

/** What one look at a stack has found. */
interface Look {
  /** When, ms. */
  at: number;
  stats: StackStats;
}

/** A stack between two looks. Packets are IP's: what was received, and what was sent or passed on; a super-segment is one. */
export interface TopStack {
  name: string;
  pid: number;
  /** false: it has not answered in time, and all that follows is missing. */
  answers: boolean;
  /** Per second. Bits are those of frames at its interfaces. */
  rates?: { packetsIn: number; packetsOut: number; bitsIn: number; bitsOut: number; retransmits: number; drops: number };
  /** Share of one processor that its thread had. */
  processor?: number;
  /** Processor time of its thread for each packet, null without packets. */
  nsPerPacket?: number | null;
  /** Of TCP segments sent those that were sent again, null without segments. */
  retransmitted?: number | null;
  sockets?: number;
  connections?: number;
  /** By reason, all since its start, and those of the interval per second. */
  drops?: Record<string, { total: number; rate: number }>;
}
export interface TopView {
  time: string;
  /** s */
  interval: number;
  stacks: TopStack[];
}

/** s between two looks: shorter ones would measure themselves. */
const SHORTEST = 0.1, LONGEST = 3600;
/** ms that a stack has to answer. */
const PATIENCE = 2000;

/** The increase of a counter; a core that was started again counts from 0. */
const since = (before: number | undefined, now: number | undefined): number => ((now ?? 0) >= (before ?? 0) ? (now ?? 0) - (before ?? 0) : now ?? 0);

/** A stack between two looks. */
export function between(name: string, pid: number, a: Look, b: Look): TopStack {
  const seconds = (b.at - a.at) / 1000;
  const mib = (...names: string[]): number => names.reduce((sum, n) => sum + since(a.stats.mib[n], b.stats.mib[n]), 0);
  const frames = (key: string): number => b.stats.vifs.reduce((sum, v, i) => sum + since(Number(a.stats.vifs[i]?.[key] ?? 0), Number(v[key])), 0);
  const packetsIn = mib('IpInReceives', 'Ip6InReceives'), packetsOut = mib('IpOutRequests', 'Ip6OutRequests', 'IpForwDatagrams', 'Ip6OutForwDatagrams');
  const processor = since(a.stats.processor, b.stats.processor), again = mib('TcpRetransSegs'), segments = mib('TcpOutSegs') + again;
  const drops = Object.fromEntries(Object.entries(b.stats.drops).map(([reason, total]) => [reason, { total, rate: since(a.stats.drops[reason], total) / seconds }]));
  return {
    name, pid, answers: true,
    rates: {
      packetsIn: packetsIn / seconds, packetsOut: packetsOut / seconds, bitsIn: frames('rxBytes') * 8 / seconds, bitsOut: frames('txBytes') * 8 / seconds,
      retransmits: again / seconds, drops: Object.values(drops).reduce((sum, d) => sum + d.rate, 0),
    },
    processor: processor / 1e9 / seconds, nsPerPacket: packetsIn + packetsOut ? processor / (packetsIn + packetsOut) : null, retransmitted: segments ? again / segments : null,
    sockets: b.stats.usage.sockets, connections: b.stats.mib.TcpCurrEstab ?? 0, drops,
  };
}

/** The stacks, looked at again and again. */
class Watch {
  private before = new Map<string, Look>();
  private last = Date.now();
  constructor(private readonly names: readonly string[]) {}

  /** Look at every stack; what has happened since the last time, of a new one nothing yet. */
  async look(): Promise<TopView> {
    const now = new Map<string, Look>(), at = Date.now();
    const found = await Promise.all((this.names.length ? this.names : stackNames()).map((name) => this.one(name, now)));
    const view: TopView = { time: new Date(at).toISOString(), interval: (at - this.last) / 1000, stacks: found.filter((s) => s !== null) };
    this.before = now;
    this.last = at;
    return view;
  }
  private async one(name: string, now: Map<string, Look>): Promise<TopStack | null> {
    let pid = 0;
    try {
      ({ pid } = await ask<StackInfo>(controlPath(name), { op: 'info' }, PATIENCE));
      const look: Look = { stats: await ask<StackStats>(controlPath(name), { op: 'stats' }, PATIENCE), at: performance.now() }, before = this.before.get(name);
      now.set(name, look);
      return before ? between(name, pid, before, look) : { name, pid, answers: true };
    } catch (e) {
      if (isGone(e)) return null;
      if ((e as NodeJS.ErrnoException).code === 'ETIMEDOUT') return { name, pid, answers: false };
      throw e;
    }
  }
}

/** For people: 1.5, 1234, 12.3k, 123M. */
function short(n: number): string {
  if (n < 1e4) return n.toFixed(n < 10 && !Number.isInteger(n) ? 1 : 0);
  const k = Math.min(3, Math.floor(Math.log10(n) / 3)), v = n / 1000 ** k;
  return `${v.toFixed(v < 100 ? 1 : 0)}${' kMG'[k]}`;
}
const HEAD = ['STACK', 'PID', 'IN/s', 'OUT/s', 'IN bit/s', 'OUT bit/s', 'CPU', 'ns/PACKET', 'RETRANS/s', 'DROPS/s', 'SOCKETS', 'CONNECTIONS'];

/** The view as lines: a table, then for each stack what it has dropped, most first. */
export function topLines({ stacks }: TopView): string[] {
  if (!stacks.length) return ['no stack is up: nuse up NAME starts one'];
  const rows = stacks.map((s): string[] => {
    const { rates: r } = s;
    if (!r) return [s.name, String(s.pid), s.answers ? '...' : 'does not answer', ...HEAD.slice(3).map(() => '')];
    return [
      s.name, String(s.pid), short(r.packetsIn), short(r.packetsOut), short(r.bitsIn), short(r.bitsOut), `${(s.processor! * 100).toFixed(0)}%`, s.nsPerPacket === null ? '-' : s.nsPerPacket!.toFixed(0),
      `${short(r.retransmits)}${s.retransmitted ? ` (${(s.retransmitted * 100).toPrecision(2)}%)` : ''}`, short(r.drops), String(s.sockets), String(s.connections),
    ];
  });
  const drops = stacks.flatMap((s) => {
    const all = Object.entries(s.drops ?? {}).sort(([, a], [, b]) => b.rate - a.rate || b.total - a.total);
    return all.map(([reason, { total, rate }], i) => [i ? '' : s.name, reason, String(total), short(rate)]);
  });
  return (formatTable(HEAD, rows) + (drops.length ? `\n${formatTable(['STACK', 'DROPPED BECAUSE', 'ALL', 'PER SECOND'], drops)}` : '')).trimEnd().split('\n');
}

/** Show the stacks of these names, or all, until told to end; the exit code. */
export async function top(names: readonly string[], o: TopOptions): Promise<number> {
  const interval = Number(o.interval);
  if (!(interval >= SHORTEST && interval <= LONGEST)) throw new CliError(`--interval ${o.interval}: between ${SHORTEST} and ${LONGEST} s`, 'write --interval 1');
  for (const name of names) await asking<StackInfo>(name, 'info');
  const watch = new Watch(names);
  await watch.look();
  const full = process.stdout.isTTY && !o.once && !o.json;
  return full ? await fullScreen(watch, interval) : await lineByLine(watch, interval, o);
}

async function lineByLine(watch: Watch, interval: number, o: TopOptions): Promise<number> {
  let open = true;
  process.stdout.once('error', () => { open = false; });
  do {
    await new Promise((r) => setTimeout(r, interval * 1000));
    const view = await watch.look();
    process.stdout.write(o.json ? `${JSON.stringify(view)}\n` : `${topLines(view).join('\n')}\n${o.once ? '' : '\n'}`);
  } while (!o.once && open);
  return 0;
}

function fullScreen(watch: Watch, interval: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined, ended = false;
    const finish = (then: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      screen.close();
      then();
    };
    const screen = new Screen((key) => { if (key === 'q' || key === 'Q') finish(() => resolve(0)); }, (code) => finish(() => resolve(code)));
    const show = (view: TopView): void => screen.draw([`nuse top   ${view.time.slice(11, 19)}   every ${interval} s   q ends it`, '', ...topLines(view)]);
    const again = (): void => { if (!ended) timer = setTimeout(turn, interval * 1000); };
    const turn = (): void => { watch.look().then(show).then(again, (e: unknown) => finish(() => reject(e as Error))); };
    screen.draw(['nuse top: looking ...']);
    again();
  });
}
