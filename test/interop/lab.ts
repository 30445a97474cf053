// A laboratory of network namespaces on this machine: links, kernel peers, a faulty wire, captures, and the
// programs of a test. Everything it makes carries this process's pid in its name and is undone by close().
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root: the nearest folder above this file that has a package.json. */
export const ROOT = (() => {
  let d = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(d, 'package.json'))) d = dirname(d);
  return d;
})();
const HERE = join(ROOT, 'test/interop');
const BIN = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: { nuse: string } }).bin.nuse;
/** How to start the `nuse` command: interpreter and script. */
export const NUSE = [process.execPath, join(ROOT, BIN)];

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A running program with its output collected. */
export class Program {
  stdout = '';
  stderr = '';
  readonly done: Promise<Finished>;
  private readonly seen = new Set<() => void>();

  constructor(readonly child: ChildProcess, readonly label: string) {
    child.stdout?.on('data', (d) => { this.stdout += d; this.tell(); });
    child.stderr?.on('data', (d) => { this.stderr += d; this.tell(); });
    this.done = new Promise((resolve) => {
      child.on('error', (e) => { this.stderr += String(e); });
      child.on('close', (code, signal) => { this.tell(); resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }); });
    });
  }
  private tell(): void {
    for (const f of this.seen) f();
  }
  /** Wait until its output (either stream) matches. */
  async until(pattern: RegExp, ms = 15000): Promise<void> {
    const met = () => pattern.test(this.stdout) || pattern.test(this.stderr);
    if (met()) return;
    await new Promise<void>((resolve, reject) => {
      const stop = () => { clearTimeout(timer); this.seen.delete(look); };
      const look = () => {
        if (met()) { stop(); resolve(); } else if (this.child.exitCode !== null || this.child.signalCode) { stop(); reject(new Error(`${this.label} ended before ${pattern}:\n${this.stdout}${this.stderr}`)); }
      };
      const timer = setTimeout(() => { stop(); reject(new Error(`${this.label}: no ${pattern} within ${ms} ms:\n${this.stdout}${this.stderr}`)); }, ms);
      this.seen.add(look);
    });
  }
  /** Its end, or a failure that shows its output (the program is killed). */
  async finish(ms = 30000): Promise<Finished> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.child.kill('SIGKILL');
        reject(new Error(`${this.label}: still running after ${ms} ms\nstdout: ${this.stdout.slice(-2000)}\nstderr: ${this.stderr.slice(-2000)}`));
      }, ms);
    });
    try {
      return await Promise.race([this.done, late]);
    } finally {
      clearTimeout(timer);
    }
  }
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.child.exitCode === null && !this.child.signalCode) this.child.kill(signal);
  }
}

let serial = 0;

export class Lab {
  readonly dir = mkdtempSync(join(tmpdir(), 'nuse-lab-'));
  private readonly prefix = `nl${process.pid}x${serial++}`;
  private readonly namespaces: string[] = [];
  private readonly programs: Program[] = [];

  /** A new namespace with loopback up; its name. */
  netns(label: string): string {
    const name = `${this.prefix}${label}`;
    execFileSync('ip', ['netns', 'add', name]);
    this.namespaces.push(name);
    this.ip(name, 'link set lo up');
    // Duplicate address detection would only delay the kernel's side of every test.
    this.sh(name, 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0');
    return name;
  }
  ip(ns: string, args: string): string {
    return execFileSync('ip', ['-n', ns, ...args.split(' ')], { encoding: 'utf8' });
  }
  /** Run a shell command in a namespace to its end. */
  sh(ns: string, command: string): string {
    return execFileSync('ip', ['netns', 'exec', ns, 'sh', '-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }
  veth(nsA: string, a: string, nsB: string, b: string, offload = true): void {
    execFileSync('ip', ['link', 'add', a, 'netns', nsA, 'type', 'veth', 'peer', 'name', b, 'netns', nsB]);
    for (const [ns, dev] of [[nsA, a], [nsB, b]]) {
      if (!offload) this.offloadOff(ns, dev);
      this.ip(ns, `link set ${dev} up`);
    }
  }
  offloadOff(ns: string, dev: string): void {
    this.sh(ns, `ethtool -K ${dev} tso off gso off gro off tx off rx off sg off`);
  }
  /** A persistent TAP for nuse to attach to, up. */
  tap(ns: string, dev: string): void {
    this.ip(ns, `tuntap add dev ${dev} mode tap vnet_hdr`);
    this.ip(ns, `link set ${dev} up`);
  }
  addr(ns: string, dev: string, ...addresses: string[]): void {
    for (const a of addresses) this.ip(ns, `addr add ${a} dev ${dev}${a.includes(':') ? ' nodad' : ''}`);
  }
  /** A file in the lab's folder; its path. */
  file(name: string, text: string): string {
    const p = join(this.dir, name);
    writeFileSync(p, text);
    return p;
  }
  /** Start a program in a namespace. */
  run(ns: string, argv: readonly string[], options: SpawnOptions & { label?: string } = {}): Program {
    const p = new Program(spawn('ip', ['netns', 'exec', ns, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], ...options }), options.label ?? argv.join(' '));
    this.programs.push(p);
    return p;
  }
  /** Start `nuse ARGS` in a namespace. */
  nuse(ns: string, args: readonly string[], options: SpawnOptions = {}): Program {
    return this.run(ns, [...NUSE, ...args], { ...options, label: `nuse ${args.join(' ')}` });
  }
  /** Build a C file of test/interop once; the path of the program. */
  build(source: string): string {
    const out = join(this.dir, source.replace(/\.c$/, ''));
    if (!existsSync(out)) execFileSync('gcc', ['-O2', '-Wall', '-o', out, join(HERE, source)]);
    return out;
  }
  /** Join two interfaces by the faulty wire of lossy.c. */
  async lossy(ns: string, a: string, b: string, faults: { seed?: number; loss?: number; reorder?: number; duplicate?: number; corrupt?: number }): Promise<Program> {
    const p = this.run(ns, [this.build('lossy.c'), a, b, ...[faults.seed ?? 1, faults.loss ?? 0, faults.reorder ?? 0, faults.duplicate ?? 0, faults.corrupt ?? 0].map(String)]);
    await p.until(/ready/);
    return p;
  }
  /** Capture everything on an interface, full length; stop with SIGINT. */
  async capture(ns: string, dev: string, name: string): Promise<{ file: string; stop(): Promise<void> }> {
    const file = join(this.dir, name);
    const p = this.run(ns, ['tcpdump', '-i', dev, '-s', '0', '-B', '65536', '-U', '-n', '-Z', 'root', '-w', file]);
    await p.until(/listening on/);
    return {
      file,
      stop: async () => {
        // The kernel hands over what it has once a second; what it still has at the end would be lost without a word.
        await new Promise((r) => setTimeout(r, 1200));
        p.kill('SIGINT');
        const end = await p.finish();
        const dropped = /(\d+) packets dropped by kernel/.exec(end.stderr);
        if (!dropped || dropped[1] !== '0') throw new Error(`capture lost packets: ${end.stderr}`);
      },
    };
  }
  /** The script of bulk transfers. */
  get bulk(): string[] {
    return ['/usr/bin/python3', join(HERE, 'bulk.py')];
  }
  async close(): Promise<void> {
    for (const p of this.programs) p.kill('SIGTERM');
    await Promise.all(this.programs.map(async (p) => {
      const killer = setTimeout(() => p.kill('SIGKILL'), 3000);
      await p.done;
      clearTimeout(killer);
    }));
    for (const ns of this.namespaces) execFileSync('ip', ['netns', 'del', ns]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What tshark finds wrong in a capture, one line a frame: malformed packets and bad checksums of every layer. `kernel`: addresses of kernel peers. */
export function faults(file: string, kernel: string[] = []): string[] {
  const bad = ['ip', 'tcp', 'udp', 'icmp', 'icmpv6', 'igmp'].map((p) => `${p}.checksum.status == 0`).concat('_ws.malformed');
  // A kernel without checksum offload writes 0xffff for a TCP sum of zero, too (skb_checksum_help); tshark calls that bad, of us rightly.
  const theirs = kernel.map((a) => `tcp.checksum == 0xffff && ${a.includes(':') ? 'ipv6' : 'ip'}.src == ${a}`);
  const args = ['-n', '-r', file, '-Y', [`(${bad.join(' || ')})`, ...theirs.map((t) => `!(${t})`)].join(' && ')];
  for (const p of ['ip', 'tcp', 'udp']) args.push('-o', `${p}.check_checksum:TRUE`);
  // Payload is only bytes: random data taken for some application's protocol would be found malformed, or wrongly reassembled.
  args.push('-o', 'tcp.desegment_tcp_streams:FALSE', '-d', 'tcp.port==1-65535,data');
  return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 }).split('\n').filter(Boolean);
}

/** Append a copy of the first TCP frame of a classic pcap with one payload or header bit turned over: what a checker must catch. */
export function plantBadFrame(file: string, out: string): void {
  const b = readFileSync(file);
  const le = b.readUInt32LE(0) === 0xa1b2c3d4 || b.readUInt32LE(0) === 0xa1b23c4d;
  const u32 = (p: number) => (le ? b.readUInt32LE(p) : b.readUInt32BE(p));
  for (let p = 24; p + 16 <= b.length; p += 16 + u32(p + 8)) {
    const n = u32(p + 8), at = p + 16;
    const v4 = b.readUInt16BE(at + 12) === 0x0800 && b[at + 23] === 6, v6 = b.readUInt16BE(at + 12) === 0x86dd && b[at + 20] === 6;
    if (!v4 && !v6) continue;
    const record = Buffer.from(b.subarray(p, at + n));
    record[16 + 14 + (v4 ? 20 : 40) + 4] ^= 1; // the sequence number: covered by the TCP checksum only
    writeFileSync(out, Buffer.concat([b, record]));
    return;
  }
  throw new Error('no TCP frame to spoil');
}

/** Ids of processes whose command line contains `text`. */
export function processes(text: string): number[] {
  return readdirSync('/proc').filter((d) => /^\d+$/.test(d)).map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT' || (e as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw e;
    }
  });
}
