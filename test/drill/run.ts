// Plays a script to a core: the clock moves from event to event, what the core sends is kept with its time and compared in order.
import { constants } from 'node:os';
import * as A from '../../host/abi/constants.js';
import { SYSCTLS, sysctlValues } from '../../host/config/sysctl.js';
import { AF_INET, PEER, SOCK_STREAM, TestHost, US } from '../harness/host.js';
import { icmp, ipv4, readIpv4 } from '../harness/packet.js';
import { ACK, flagsOf, flagText, readTcp, tcpBytes, type Segment, type TcpOpts } from '../harness/tcp.js';
import { FLAGS, IOCTLS, LEVELS, OPTIONS, TCP_INFO, VALUES } from './names.js';
import type { CallEvent, Event, IcmpEvent, Script, SegmentEvent, When } from './parse.js';

/** A segment may leave so much sooner or later than the script says, ns. */
const TOLERANCE = 4e6;
/** How long `*` waits, ns. */
const PATIENCE = 300e9;
const ERRNO = new Map(Object.entries(constants.errno).filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP').map(([name, n]) => [n, name]));
const AGAIN = new Set([-constants.errno.EAGAIN, -constants.errno.EINPROGRESS, -constants.errno.EALREADY]);
const IRS = 9000;

interface Sent {
  s: Segment;
  /** ns. */
  time: number;
  ecn: number;
}
/** A call that blocks: true when it is done. */
type Blocked = () => boolean;

class Drill {
  private readonly sent: Sent[] = [];
  private readonly fds = new Map<number, number>();
  private blocked: Blocked[] = [];
  /** Times of the script's start and of the last event, ns. */
  private readonly epoch: number;
  private last: number;
  private port = 8080;
  private peerPort = 50000;
  private iss?: number;
  private fresh = true;
  /** The core's timestamp clock minus the script's. */
  private tsBase?: number;
  private conn = -1;
  /** The Fast Open cookie that the core has given. */
  private cookie?: number[];
  /** The event being played. */
  at?: Event;

  constructor(private readonly h: TestHost) {
    this.epoch = h.core.now;
    this.last = h.core.now;
  }

  // ---- time ----
  private collect(): void {
    for (const f of this.h.sent(0x0800)) {
      const ip = readIpv4(f.bytes);
      if (ip.proto === 6) this.sent.push({ s: readTcp(ip.payload), time: this.h.core.now, ecn: ip.tos & 3 });
    }
    this.blocked = this.blocked.filter((b) => !b());
  }
  /** Let time pass until `end`, or until something has been sent. */
  private pass(end: number, untilSent: boolean): void {
    const c = this.h.core;
    c.poll();
    this.collect();
    while (c.deadline <= end && !(untilSent && this.sent.length)) {
      c.now = Math.max(c.now, c.deadline);
      c.poll();
      this.collect();
    }
    if (untilSent && this.sent.length) return;
    c.now = Math.max(c.now, end);
    c.poll();
    this.collect();
  }
  private begin(w: When): number { return (w.relative ? this.last : this.epoch) + w.from * 1e9; }

  run(script: Script): void {
    for (const e of script.events) {
      this.at = e;
      this.step(e);
    }
    this.pass(this.h.core.now, false);
    if (this.sent.length) throw new Error(`nobody expected ${this.text(this.sent[0])}`);
    if (this.blocked.length) throw new Error('a call still blocks at the end');
    for (const fd of this.fds.values()) this.h.close(fd);
    this.pass(this.h.core.now, false);
    this.sent.length = 0;
  }

  private step(e: Event): void {
    if (e.kind === 'out') {
      this.expect(e, e.when);
      return;
    }
    const at = this.begin(e.when);
    this.pass(at, false);
    this.last = at;
    switch (e.kind) {
      case 'in': this.deliver(e); break;
      case 'icmp': this.error(e); break;
      case 'call': this.call(e); break;
      case 'assert': this.assertions(e.text); break;
      case 'sysctl': {
        const values = sysctlValues(e.name, e.value);
        if (typeof values === 'string') throw new Error(`${e.name}: ${values}`);
        this.h.core.stamp();
        SYSCTLS[e.name].keys.forEach((key, i) => this.h.core.x.ctl_sysctl_set(key, values[i]));
      }
    }
    this.pass(this.h.core.now, false);
  }

  // ---- the wire ----
  private deliver(e: SegmentEvent): void {
    if (e.flags === 'S' && this.fresh) {
      this.fresh = false;
      this.iss = undefined;
      this.peerPort++;
      this.port = 8080;
    }
    const iss = this.iss ?? 0, f = flagsOf(e.flags), opts: TcpOpts = { ...e.opts, fo: e.opts?.fo === 'COOKIE' ? this.cookie : e.opts?.fo };
    if (opts.sack) opts.sack = opts.sack.map(([a, b]) => [iss + a, iss + b]);
    if (opts.ts?.[1] && this.tsBase !== undefined) opts.ts = [opts.ts[0], opts.ts[1] + this.tsBase];
    const seg = tcpBytes(PEER, this.peerPort, US, this.port, f, IRS + e.seq, f & ACK ? iss + (e.ack ?? 0) : 0, e.win ?? 65535, opts, new Uint8Array(e.len), e.urg ?? 0);
    this.h.in4({ proto: 6, tos: e.ecn ?? 0 }, seg);
  }
  private error(e: IcmpEvent): void {
    const quoted = ipv4({ src: US, dst: PEER, proto: 6, totalLen: 40 + e.len }, tcpBytes(US, this.port, PEER, this.peerPort, ACK, (this.iss ?? 0) + e.seq, 0, 0).subarray(0, 8));
    this.h.in4({ proto: 1 }, icmp(e.type, e.code, e.mtu, quoted));
  }

  private text({ s, time, ecn }: Sent): string {
    const rel = (v: number, base: number): number => (v - base) >>> 0, iss = this.iss ?? 0, t = ((time - this.epoch) / 1e9).toFixed(6);
    const ack = s.flags.includes('.') ? ` ack ${rel(s.ack, IRS)}` : '';
    const { ts, sack, ...o } = s.opts;
    const blocks = sack?.map(([a, b]) => `${rel(a, IRS)}:${rel(b, IRS)}`).join(' ');
    return `${t} > ${ecn ? `[${ecn}] ` : ''}${s.flags} ${rel(s.seq, iss)}:${rel(s.seq, iss) + s.data.length}(${s.data.length})${ack} win ${s.win} ` +
      `${JSON.stringify({ ...o, ...blocks !== undefined && { sack: blocks }, ...ts && { ts: [ts[0] - (this.tsBase ?? 0), ts[1]] } })}`;
  }

  private expect(e: SegmentEvent, w: When): void {
    const from = w.any ? this.last : this.begin(w), to = w.any ? this.last + PATIENCE : from + (w.to - w.from) * 1e9;
    this.pass(w.any ? to : to + TOLERANCE, true);
    const first = this.sent.shift();
    if (!first) throw new Error('nothing was sent');
    if (!w.any && (first.time < from - TOLERANCE || first.time > to + TOLERANCE)) {
      throw new Error(`${((from - this.epoch) / 1e9).toFixed(4)} s expected, got ${this.text(first)}`);
    }
    if (e.flags.includes('S') && this.iss === undefined) {
      this.iss = first.s.seq;
      if (!e.flags.includes('.')) {
        // The core opens: what it chose.
        this.port = first.s.sport;
        this.peerPort = first.s.dport;
        this.fresh = false;
      }
    }
    this.join(first, e.len);
    this.compare(e, first);
    this.last = w.any || w.to > w.from ? first.time : from;
    this.h.core.now = Math.max(this.h.core.now, this.last);
  }
  /** A script's super-segment is several on this wire. */
  private join(first: Sent, len: number): void {
    while (first.s.data.length < len && this.sent.length) {
      const { s } = this.sent[0];
      if (s.seq !== (first.s.seq + first.s.data.length) >>> 0 || !s.data.length || s.data.length + first.s.data.length > len) return;
      this.sent.shift();
      const data = new Uint8Array(first.s.data.length + s.data.length);
      data.set(first.s.data);
      data.set(s.data, first.s.data.length);
      first.s = { ...s, seq: first.s.seq, data, flags: flagText(flagsOf(s.flags) | (flagsOf(first.s.flags) & ~flagsOf('P'))) };
    }
  }
  private compare(e: SegmentEvent, got: Sent): void {
    const { s } = got, iss = this.iss ?? 0, o = e.opts;
    const fail = (what: string): never => { throw new Error(`${what}: got ${this.text(got)}`); };
    if (flagsOf(e.flags) !== flagsOf(s.flags)) fail('flags');
    if (((s.seq - iss) >>> 0) !== e.seq >>> 0) fail('sequence number');
    if (s.data.length !== e.len) fail('length');
    if (e.ack !== undefined && s.flags.includes('.') && ((s.ack - IRS) >>> 0) !== e.ack) fail('acknowledgment');
    if (e.win !== undefined && s.win !== e.win) fail('window');
    if (e.urg !== undefined && s.urg !== e.urg) fail('urgent pointer');
    if (e.ecn !== undefined && got.ecn !== e.ecn) fail('ECN');
    if (o) this.compareOptions(o, s, fail);
  }
  private compareOptions(o: NonNullable<SegmentEvent['opts']>, s: Segment, fail: (what: string) => never): void {
    if (o.mss !== s.opts.mss || o.wscale !== s.opts.wscale || o.sackOk !== s.opts.sackOk) fail('options of the SYN');
    if (o.fo === 'COOKIE') {
      if (s.opts.fo?.length !== 8) fail('Fast Open');
      this.cookie = s.opts.fo;
    } else if (JSON.stringify(o.fo) !== JSON.stringify(s.opts.fo)) fail('Fast Open');
    const sack = s.opts.sack?.map(([a, b]) => [(a - IRS) >>> 0, (b - IRS) >>> 0]);
    if (JSON.stringify(sack) !== JSON.stringify(o.sack)) fail('SACK');
    if (!o.ts !== !s.opts.ts) fail('timestamps');
    if (!o.ts) return;
    this.tsBase ??= s.opts.ts![0] - o.ts[0];
    const off = Math.abs(((s.opts.ts![0] - this.tsBase) >>> 0) - o.ts[0]);
    if (off * 1e6 > TOLERANCE || s.opts.ts![1] !== o.ts[1]) fail('timestamps');
  }

  // ---- the application ----
  private fd(arg: string): number {
    const fd = this.fds.get(Number(arg));
    if (fd === undefined) throw new Error(`no socket ${arg}`);
    return fd;
  }
  private check(e: CallEvent, r: number): void {
    const got = r < 0 ? ERRNO.get(-r) ?? String(r) : r;
    if (e.result !== undefined && got !== e.result) throw new Error(`${e.name} returned ${got}`);
  }
  private call(e: CallEvent): void {
    const { args } = e, { x } = this.h.core, full = e.result;
    this.h.core.stamp();
    const retry = (attempt: () => number): void => {
      const r = attempt();
      // What must succeed and cannot yet, blocks.
      if (AGAIN.has(r) && typeof full === 'number') {
        this.blocked.push(() => {
          const again = attempt();
          if (AGAIN.has(again)) return false;
          this.check(e, again);
          return true;
        });
      } else this.check(e, r);
    };
    switch (e.name) {
      case 'socket': {
        this.fds.set(Number(full), this.conn = this.h.socket(AF_INET, SOCK_STREAM));
        this.fresh = true;
        break;
      }
      case 'bind': this.check(e, this.h.bind(this.fd(args[0]), '0.0.0.0', 8080)); break;
      case 'listen': this.check(e, x.sys_listen(this.fd(args[0]), Number(args[1]))); break;
      case 'accept': retry(() => this.accept(e)); break;
      case 'connect': this.connect(e); break;
      case 'sendto': this.sendTo(e); break;
      case 'write': case 'send': this.write(e, this.fd(args[0]), Number(args[2]), FLAGS[args[3]] ?? 0); break;
      case 'read': case 'recv': {
        const fd = this.fd(args[0]);
        retry(() => this.read(fd, Number(args[2]), FLAGS[args[3]] ?? 0));
        break;
      }
      case 'shutdown': this.check(e, x.sys_shutdown(this.fd(args[0]), FLAGS[args[1]])); break;
      case 'close': this.check(e, this.h.close(this.fd(args[0]))); this.fds.delete(Number(args[0])); break;
      case 'setsockopt': this.check(e, this.setOption(args)); break;
      case 'getsockopt': this.check(e, this.getOption(args)); break;
      case 'ioctl': this.check(e, this.ioctl(args)); break;
      case 'fcntl': break;
      /** Of this interpreter: nothing has been sent that no line before it expected. */
      case 'quiet': if (this.sent.length) throw new Error(`not quiet: ${this.text(this.sent[0])}`); break;
      default: throw new Error(`unknown call ${e.name}`);
    }
  }
  private accept(e: CallEvent): number {
    this.h.core.stamp();
    const fd = this.h.core.x.sys_accept(this.fd(e.args[0]));
    if (fd < 0 || typeof e.result !== 'number') return fd;
    this.fds.set(e.result, this.conn = fd);
    return e.result;
  }
  private connect(e: CallEvent): void {
    const fd = this.fd(e.args[0]);
    this.iss = undefined;
    const r = this.h.connect(fd, PEER, 8080);
    if (r !== -constants.errno.EINPROGRESS || e.result === 'EINPROGRESS') {
      this.check(e, r);
      return;
    }
    this.blocked.push(() => {
      this.h.core.stamp();
      const again = this.h.connect(fd, PEER, 8080);
      if (AGAIN.has(again)) return false;
      this.check(e, again);
      return true;
    });
  }
  /** To the peer's port 8080, never blocking. */
  private sendTo(e: CallEvent): void {
    const fd = this.fd(e.args[0]);
    const r = this.h.send(fd, new Uint8Array(Number(e.args[2])), { address: PEER, port: 8080 }, FLAGS[e.args[3]] ?? 0);
    if (r >= 0 || r === -constants.errno.EINPROGRESS) this.iss = undefined;
    this.check(e, r);
  }
  private write(e: CallEvent, fd: number, size: number, flags: number): void {
    let done = 0;
    const blocks = e.result === size;
    const attempt = (): boolean => {
      const n = Math.min(size - done, 60000), r = this.h.send(fd, new Uint8Array(n), undefined, n < size - done ? flags | FLAGS.MSG_MORE : flags);
      if (r >= 0) done += r;
      if (r === n && done < size) return attempt();
      if (blocks && (done < size && (r >= 0 || AGAIN.has(r)))) return false;
      this.check(e, r < 0 && !done ? r : done);
      return true;
    };
    if (!attempt()) this.blocked.push(attempt);
  }
  private read(fd: number, size: number, flags: number): number {
    const r = this.h.recv(fd, size, flags);
    return typeof r === 'number' ? r : r.data.length;
  }
  private setOption([fd, level, name, value]: string[]): number {
    const m = /onoff=(\d+), *linger=(\d+)/.exec(value), linger = m && new Uint8Array(new Int32Array([Number(m[1]), Number(m[2])]).buffer);
    if (linger) return this.h.set(this.fd(fd), LEVELS[level], OPTIONS[name], linger);
    return this.h.setInt(this.fd(fd), LEVELS[level], OPTIONS[name], Number(value.replace(/[[\]]/g, '')));
  }
  private getOption([fd, level, name, value]: string[]): number {
    const want = Number(value.replace(/[[\]]/g, '')), got = this.h.getInt(this.fd(fd), LEVELS[level], OPTIONS[name]);
    if (got !== want) throw new Error(`${name} is ${got}`);
    return 0;
  }
  private ioctl([fd, cmd, value]: string[]): number {
    const want = Number(value.replace(/[[\]]/g, '')), { mem, x } = this.h.core, r = x.sys_ioctl(this.fd(fd), IOCTLS[cmd], A.ARG + 1024);
    const got = r < 0 ? r : mem.view.getInt32(A.ARG + 1024, true);
    if (got !== want) throw new Error(`${cmd} gives ${got}`);
    return 0;
  }

  // ---- assertions ----
  private value(word: string): number {
    if (/^-?\d+$/.test(word)) return Number(word);
    if (word in VALUES) return VALUES[word];
    if (word in A.Mib) return this.h.core.mib(word as keyof typeof A.Mib);
    const field = TCP_INFO[word] as [number, 1 | 4 | 8] | undefined;
    if (!field) throw new Error(`unknown ${word}`);
    const at = A.ARG + 1024, { mem, x } = this.h.core;
    this.h.core.stamp();
    if (x.sys_getsockopt(this.conn, 6, 11, at, 256) < 0) throw new Error('no TCP_INFO');
    const [offset, size] = field;
    return size === 1 ? mem.u8[at + offset] : size === 4 ? mem.view.getUint32(at + offset, true) : Number(mem.view.getBigUint64(at + offset, true));
  }
  private assertions(text: string): void {
    for (const [, condition] of text.matchAll(/assert\s+([^,;\n]+)/g)) {
      const w = condition.replace(/[()]|#.*/g, ' ').trim().split(/\s+/);
      for (let i = 0; i + 2 < w.length; i += 2) {
        const a = this.value(w[i]), b = this.value(w[i + 2]), op = w[i + 1];
        const ok = op === '==' ? a === b : op === '!=' ? a !== b : op === '<=' ? a <= b : op === '>=' ? a >= b : op === '<' ? a < b : op === '>' && a > b;
        if (!ok) throw new Error(`${condition.trim()}: ${w[i]} is ${a}`);
      }
    }
  }
}

/** Play `script` to a new core. Throws where the two disagree, naming the line. */
export async function drill(script: Script, file: string): Promise<void> {
  const d = new Drill(await TestHost.create());
  try {
    d.run(script);
  } catch (e) {
    throw new Error(`${file}:${d.at?.line}: «${d.at?.source}»: ${e instanceof Error ? e.message : String(e)}`, { cause: e });
  }
}
