// Scripts of timed events, in packetdrill's notation as far as it is used here: what the peer sends (<), what the core must send (>),
// and what the application calls. docs/testing.md tells the differences.
import type { TcpOpts } from '../harness/tcp.js';

/** When an event happens, seconds: of the script's start, or after the event before it. `*`: whenever it does. */
export interface When {
  from: number;
  to: number;
  relative: boolean;
  any: boolean;
}
/** `FO COOKIE` is the cookie that the core has last given, of 8 bytes. */
export type DrillOpts = Omit<TcpOpts, 'fo'> & { names: string[]; fo?: number[] | 'COOKIE' };
export interface SegmentEvent {
  kind: 'in' | 'out';
  flags: string;
  seq: number;
  len: number;
  ack?: number;
  win?: number;
  urg?: number;
  /** undefined: not looked at. */
  opts?: DrillOpts;
  /** ECN field of the IP header. */
  ecn?: number;
}
/** An ICMP error that quotes the core's segment [seq, seq + len). */
export interface IcmpEvent {
  kind: 'icmp';
  type: number;
  code: number;
  mtu: number;
  seq: number;
  len: number;
}
export interface CallEvent {
  kind: 'call';
  name: string;
  args: string[];
  /** Absent: not looked at. */
  result?: number | string;
}
export interface AssertEvent {
  kind: 'assert';
  text: string;
}
export interface SysctlEvent {
  kind: 'sysctl';
  name: string;
  value: string;
}
export type Event = (SegmentEvent | IcmpEvent | CallEvent | AssertEvent | SysctlEvent) & { when: When; line: number; source: string };
export interface Script {
  title: string;
  events: Event[];
}

const ECN: Record<string, number> = { noecn: 0, ect1: 1, ect0: 2, ce: 3 };
/** Type and code of the ICMP errors by name. */
const ICMP: Record<string, [number, number]> = {
  net_unreachable: [3, 0], host_unreachable: [3, 1], protocol_unreachable: [3, 2], port_unreachable: [3, 3], frag_needed: [3, 4],
  host_prohibited: [3, 10], packet_filtered: [3, 13], source_quench: [4, 0], time_exceeded: [11, 0], parameter_problem: [12, 0],
};

class Failure extends Error {}

function when(text: string): When {
  if (text === '*') return { from: 0, to: 0, relative: true, any: true };
  // `+.1...0.2 call`: it blocks from the first time on.
  const m = /^(\+?)([\d.]+?)(?:(?:~\+?|\.\.\.)([\d.]+))?$/.exec(text);
  if (!m) throw new Failure(`not a time: ${text}`);
  const from = Number(m[2]), to = text.includes('~') ? Number(m[3]) : from;
  return { from, to, relative: m[1] === '+', any: false };
}

function options(text: string): DrillOpts {
  const o: DrillOpts = { names: [] };
  for (const part of text.split(',').map((p) => p.trim()).filter(Boolean)) {
    const w = part.split(/\s+/);
    o.names.push(w[0]);
    switch (w[0]) {
      case 'mss': o.mss = Number(w[1]); break;
      case 'wscale': o.wscale = Number(w[1]); break;
      case 'sackOK': o.sackOk = true; break;
      case 'TS': o.ts = [Number(w[2]), Number(w[4])]; break;
      case 'sack': o.sack = w.slice(1).map((b) => b.split(':').map(Number) as [number, number]); break;
      case 'FO': o.fo = w[1] === undefined ? [] : w[1] === 'COOKIE' ? 'COOKIE' : [...Buffer.from(w[1], 'hex')]; break;
      case 'nop': case 'eol': break;
      default: throw new Failure(`unknown option ${part}`);
    }
  }
  return o;
}

function segment(dir: string, text: string): SegmentEvent | IcmpEvent {
  const icmp = /icmp (?:unreachable )?(\w+)(?: mtu (\d+))?/.exec(text), quoted = /\[(\d+):(\d+)\(/.exec(text);
  if (icmp) {
    const known = ICMP[icmp[1]];
    if (!known) throw new Failure(`unknown ICMP error ${icmp[1]}`);
    const [seq, end] = quoted ? [Number(quoted[1]), Number(quoted[2])] : [1, 1];
    return { kind: 'icmp', type: known[0], code: known[1], mtu: Number(icmp[2] ?? 0), seq, len: end - seq };
  }
  const m = /^(?:\[(\w+)\]\s+)?([SFRPUEW.-]+)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+))?(?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?(?:\s*<(.*)>)?$/.exec(text);
  if (!m) throw new Failure(`not a segment: ${text}`);
  const num = (s: string | undefined): number | undefined => (s === undefined ? undefined : Number(s));
  if (Number(m[3]) + Number(m[5]) !== Number(m[4])) throw new Failure(`lengths disagree: ${text}`);
  return {
    kind: dir === '<' ? 'in' : 'out', flags: m[2].replace('-', ''), seq: Number(m[3]), len: Number(m[5]), ack: num(m[6]), win: num(m[7]), urg: num(m[8]),
    opts: m[9] === undefined ? (dir === '<' ? options('') : undefined) : m[9] === '...' ? undefined : options(m[9]), ecn: m[1] === undefined ? undefined : ECN[m[1]],
  };
}

/** Arguments of a call: commas inside of brackets do not count. */
function split(text: string): string[] {
  const out = [''];
  let depth = 0;
  for (const c of text) {
    if ('[{('.includes(c)) depth++;
    if (']})'.includes(c)) depth--;
    if (c === ',' && !depth) out.push('');
    else out[out.length - 1] += c;
  }
  return out.map((a) => a.trim());
}

function call(text: string): CallEvent {
  const m = /^(\w+)\((.*)\)\s*(?:=\s*(-?\w+)(?:\s+(E\w+))?.*)?$/s.exec(text);
  if (!m) throw new Failure(`not a call: ${text}`);
  return { kind: 'call', name: m[1], args: split(m[2]), result: m[4] ?? (m[3] === undefined ? undefined : Number(m[3])) };
}

/** Whole statements: lines joined while a bracket, a `...` of shell or a %{ block is open. */
function statements(text: string): { line: number; source: string }[] {
  const out: { line: number; source: string }[] = [];
  let open = '', from = 0;
  text.split('\n').forEach((raw, i) => {
    const line = raw.replace(/(^|\s)\/\/.*$/, '').replace(/(^|\s)# .*$/, '').trim();
    if (!open && (!line || line.startsWith('--'))) return;
    if (!open) from = i + 1;
    open = open ? `${open}\n${line}` : line;
    const count = (s: string): number => open.split(s).length - 1;
    if (count('`') % 2 || count('%{') > count('}%') || (!open.includes('`') && !open.includes('%{') && count('(') > count(')'))) return;
    out.push({ line: from, source: open });
    open = '';
  });
  if (open) throw new Error(`line ${from}: not finished: ${open}`);
  return out;
}

/** The usual beginning, `@accepted [rtt S] [win N] <the peer's options>`: listener 3 and connection 4. */
function beginning(text: string): string[] {
  const m = /^@accepted(?: rtt ([\d.]+))?(?: win (\d+))? <(.*)>$/.exec(text);
  if (!m) throw new Failure(`not a beginning: ${text}`);
  const rtt = m[1] ?? '0', win = m[2] ?? '257', opts = m[3], ts = /TS val (\d+)/.exec(opts);
  const answer = ts ? ` <mss 1460,${opts.includes('sackOK') ? 'sackOK,' : ''}TS val 100 ecr ${ts[1]}${opts.includes('wscale') ? ',nop,wscale 7' : ''}>` : '';
  return [
    '+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3', '+0 bind(3, ..., ...) = 0', '+0 listen(3, 1) = 0',
    `+0 < S 0:0(0) win 32792 <${opts}>`, `+0 > S. 0:0(0) ack 1${answer}`,
    `+${rtt} < . 1:1(0) ack 1 win ${win}${ts ? ` <TS val ${ts[1]} ecr 100>` : ''}`, '+0 accept(3, ..., ...) = 4',
  ];
}

const NOW: When = { from: 0, to: 0, relative: true, any: false };

function event(line: number, source: string): Event[] {
  if (source.startsWith('@')) return beginning(source).flatMap((s) => event(line, s));
  if (source.includes('`')) {
    return [...source.matchAll(/((?:net|tcp_cubic)\.[\w.]+)="?([\da-f ,-]+)/g)].map((m) => ({ kind: 'sysctl', name: m[1], value: m[2].trim(), when: NOW, line, source }));
  }
  const m = /^(\S+)\s+([\s\S]*)$/.exec(source), spaced = /^(\S+)\s+(\.\.\.)\s+([\d.]+)\s+([\s\S]*)$/.exec(source);
  const time = spaced ? `${spaced[1]}...${spaced[3]}` : m?.[1], rest = (spaced ? spaced[4] : m?.[2] ?? '').trim();
  if (!time) throw new Failure('neither time nor event');
  const w = when(time);
  if (rest.startsWith('%{')) return [{ kind: 'assert', text: rest.slice(2, -2), when: w, line, source }];
  const what = '<>'.includes(rest[0]) ? segment(rest[0], rest.slice(1).trim()) : call(rest);
  return [{ ...what, when: w, line, source }];
}

/** The scripts of a file, each below a line `=== title`; without such a line, one. */
export function parse(text: string, name: string): Script[] {
  const parts = text.split(/^=== (.*)$/m), out: Script[] = [];
  if (parts.length === 1) parts.push(name, parts[0]);
  let before = parts[0].split('\n').length - 1;
  if (parts.length === 3 && parts[2] === parts[0]) before = 0;
  for (let i = 1; i < parts.length; i += 2) {
    const events = statements(parts[i + 1]).flatMap(({ line, source }) => {
      try {
        return event(before + line, source);
      } catch (e) {
        if (e instanceof Failure) throw new Error(`${name}:${before + line}: ${e.message} in «${source}»`);
        throw e;
      }
    });
    out.push({ title: parts[i].trim(), events });
    before += parts[i + 1].split('\n').length - 1;
  }
  return out;
}
