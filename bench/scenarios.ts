// What is measured: two ends with a link between them. `near` runs a program on the stack under measure, `far` on the kernel that is its peer.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { NUSE, ROOT, type Lab, type Program } from '../test/interop/lab.js';

export const US = '192.0.2.10', PEER = '192.0.2.1';
/** Where everything runs that is measured for latency. */
const PROCESSOR = '0';
const ALL_PROCESSORS = `0-${cpus().length - 1}`;

export interface Scenario {
  name: string;
  near(argv: readonly string[]): Program;
  far(argv: readonly string[]): Program;
  /** Start what answers at `US` on the near stack (meter.c), or says that it always does; call to end it. */
  serve(): Promise<() => Promise<void>>;
  /** Programs that carry the frames: their share of the processor is told, and they are pinned with the ends. */
  carriers: Program[];
  /** This and what it starts from here on stays on one processor. */
  pinned: boolean;
}

/** The back ends that a stack can have a link by, as in nuse.conf. */
export type BackEnd = 'tap' | 'raw' | 'xdp';

const built = new Map<string, string>();
/** Compile a program of bench/ once for this lab; its path. */
export function build(lab: Lab, source: string, ...libraries: string[]): string {
  const out = join(lab.dir, source.replace(/\.c$/, ''));
  if (!built.has(out)) {
    execFileSync('gcc', ['-O2', '-o', out, join(ROOT, 'bench', source), ...libraries], { stdio: ['ignore', 'ignore', 'inherit'] });
    built.set(out, source);
  }
  return out;
}
export const meter = (lab: Lab): string => build(lab, 'meter.c', '-lpthread');

export async function stop(p: Program, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  p.kill(signal);
  await p.done;
}
/** Output of a program that must end well. */
export async function ended(p: Program): Promise<string> {
  const end = await p.finish(120_000);
  if (end.code !== 0) throw new Error(`${p.label}: ${end.code ?? end.signal}\n${end.stdout}${end.stderr}`);
  return end.stdout;
}

/** `pin`: what stands before the whole command to keep it on one processor. */
type Run = (argv: readonly string[], pin: readonly string[]) => Program;

const inside = (lab: Lab, ns: string): Run => (argv, pin) => lab.run(ns, [...pin, ...argv]);

function scenario(lab: Lab, name: string, near: Run, far: Run, carriers: Program[] = []): Scenario {
  const on = (run: Run) => (argv: readonly string[]): Program => run(argv, s.pinned ? ['taskset', '-c', PROCESSOR] : []);
  const s: Scenario = {
    name, near: on(near), far: on(far), carriers, pinned: false,
    serve: async () => {
      const p = s.near([meter(lab), 'serve']);
      await p.until(/listening/);
      return () => stop(p, 'SIGTERM');
    },
  };
  return s;
}

/** Run fn with both ends and what is between them on one processor. */
export async function onOneProcessor<T>(s: Scenario, fn: () => Promise<T>): Promise<T> {
  const pin = (to: string): void => { for (const p of s.carriers) execFileSync('taskset', ['-a', '-c', '-p', to, String(p.child.pid)], { stdio: 'ignore' }); };
  pin(PROCESSOR);
  s.pinned = true;
  try {
    return await fn();
  } finally {
    s.pinned = false;
    pin(ALL_PROCESSORS);
  }
}

/** Seconds of processor that a program has used, its threads included. */
export function processorSeconds(p: Program): number {
  const fields = readFileSync(`/proc/${p.child.pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}
const CLOCK_TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * A namespace whose kernel opens connections. Only a thousand closed ones wait in it for their time to pass: after some seconds of a new
 * connection each 100 µs it would have no port left, and measure its search for one.
 */
function kernel(lab: Lab, label: string): string {
  const ns = lab.netns(label);
  lab.sh(ns, 'sysctl -qw net.ipv4.tcp_max_tw_buckets=1024');
  return ns;
}

/** Linux on both ends of a veth pair. */
export function kernelVeth(lab: Lab): Scenario {
  const [a, b] = ['va', 'vb'].map((x) => kernel(lab, x));
  lab.veth(a, 'eth0', b, 'eth0');
  lab.addr(a, 'eth0', `${US}/24`);
  lab.addr(b, 'eth0', `${PEER}/24`);
  return scenario(lab, 'kernel-veth', inside(lab, a), inside(lab, b));
}

/** Linux on both ends of two TAPs that relay.c joins. */
export async function kernelRelay(lab: Lab): Promise<Scenario> {
  const [a, b] = ['ta', 'tb'].map((x) => kernel(lab, x));
  for (const [ns, address] of [[a, US], [b, PEER]]) {
    lab.tap(ns, 'tap0');
    lab.addr(ns, 'tap0', `${address}/24`);
  }
  const relay = lab.run(a, [build(lab, 'relay.c'), a, 'tap0', b, 'tap0']);
  await relay.until(/ready/);
  return scenario(lab, 'kernel-tap-relay-vnet', inside(lab, a), inside(lab, b), [relay]);
}

/** A namespace where the host's own stack keeps quiet: its interfaces are nuse's. */
function quiet(lab: Lab, label: string): string {
  const ns = lab.netns(label);
  lab.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
  return ns;
}
/** A veth pair between nuse's namespace and a kernel. */
function cable(lab: Lab, ours: string, dev: string, theirs: string, backEnd: BackEnd): void {
  lab.veth(ours, dev, theirs, 'eth0');
  // XDP sees checksums that this kernel left to a device.
  if (backEnd === 'xdp') lab.sh(theirs, 'ethtool -K eth0 tx off');
}

/** An unmodified program under `nuse --`, the kernel at the other side of its link. */
export function nuse(lab: Lab, backEnd: BackEnd, offload = true): Scenario {
  const name = `nuse-${backEnd}${offload ? '' : '-1500'}`, label = `${backEnd}${offload ? '' : 'n'}`;
  const ours = backEnd === 'tap' ? kernel(lab, label) : quiet(lab, label), far = backEnd === 'tap' ? ours : kernel(lab, `${label}f`);
  if (backEnd === 'tap') lab.tap(far, 'tap0');
  else cable(lab, ours, 'eth0', far, backEnd);
  lab.addr(far, backEnd === 'tap' ? 'tap0' : 'eth0', `${PEER}/24`);
  const conf = lab.file(`${name}.conf`, `interface eth0
 viftype ${backEnd.toUpperCase()}
 dev ${backEnd === 'tap' ? 'tap0' : 'eth0'}
 offload ${offload ? 'on' : 'off'}
 address ${US}/24
`);
  return scenario(lab, name, (argv, pin) => lab.run(ours, [...pin, ...NUSE, '-c', conf, '--', ...argv]), inside(lab, far));
}

/** A program of our own with another stack in it over a TAP: it offers meter.c's services itself. `start`: on the TAP `tap0` of that namespace. */
export function embedded(lab: Lab, name: string, start: (netns: string) => Program): Scenario {
  const ns = kernel(lab, `e${name}`);
  lab.ip(ns, 'tuntap add dev tap0 mode tap');
  lab.ip(ns, 'link set tap0 up');
  lab.addr(ns, 'tap0', `${PEER}/24`);
  const none: Run = () => { throw new Error(`no other program runs on ${name}`); };
  const s = scenario(lab, name, none, inside(lab, ns));
  s.serve = async () => {
    const p = start(ns);
    if (s.pinned) execFileSync('taskset', ['-a', '-c', '-p', PROCESSOR, String(p.child.pid)], { stdio: 'ignore' });
    await p.until(/listening/);
    return async () => {
      // Some are many processes, of a group of their own.
      if (groupOf(p) === p.child.pid) process.kill(-p.child.pid!, 'SIGKILL');
      await stop(p, 'SIGKILL');
    };
  };
  return s;
}
/** Process group, 0 when the program has ended. */
function groupOf(p: Program): number {
  if (p.child.exitCode !== null || p.child.signalCode) return 0;
  return Number(readFileSync(`/proc/${p.child.pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[2]);
}

/** sender, router under measure, receiver: networks 10.1.0.0/24 and 10.2.0.0/24. */
export interface Route {
  name: string;
  sender(argv: readonly string[]): Program;
  receiver(argv: readonly string[]): Program;
}
export const RECEIVER = '10.2.0.2';

function routed(lab: Lab, name: string, sender: string, receiver: string, dev: (n: number) => string): Route {
  for (const [ns, n] of [[sender, 1], [receiver, 2]] as const) {
    lab.addr(ns, dev(n), `10.${n}.0.2/24`);
    lab.ip(ns, `route add default via 10.${n}.0.1`);
  }
  return { name, sender: (argv) => lab.run(sender, argv), receiver: (argv) => lab.run(receiver, argv) };
}

/** The kernel as the router, over veth. */
export function kernelRoute(lab: Lab): Route {
  const [sender, router, receiver] = ['rka', 'rk', 'rkb'].map((x) => lab.netns(x));
  for (const [end, dev, n] of [[sender, 'a0', 1], [receiver, 'b0', 2]] as const) {
    lab.veth(router, dev, end, 'eth0');
    lab.addr(router, dev, `10.${n}.0.1/24`);
  }
  lab.sh(router, 'sysctl -qw net.ipv4.ip_forward=1');
  return routed(lab, 'kernel', sender, receiver, () => 'eth0');
}

/** nuse as the router. */
export async function nuseRoute(lab: Lab, backEnd: BackEnd): Promise<Route> {
  const sender = lab.netns(`r${backEnd}a`), receiver = lab.netns(`r${backEnd}b`), router = quiet(lab, `r${backEnd}`), devices = ['a0', 'b0'];
  for (const [i, dev] of devices.entries()) {
    if (backEnd === 'tap') lab.tap(router, dev);
    else cable(lab, router, dev, [sender, receiver][i], backEnd);
  }
  const conf = lab.file(`route-${backEnd}.conf`, `sysctl net.ipv4.ip_forward=1

${devices.map((dev, i) => `interface ${dev}
 viftype ${backEnd.toUpperCase()}
 dev ${dev}
 address 10.${i + 1}.0.1/24
`).join('\n')}`);
  await lab.nuse(router, ['-c', conf, '--', 'sh', '-c', 'echo ready; exec sleep 100000']).until(/ready/);
  // nuse has both TAPs now; the kernels' sides of them go where their kernels are.
  if (backEnd === 'tap') {
    for (const [i, dev] of devices.entries()) {
      const end = [sender, receiver][i];
      lab.ip(router, `link set ${dev} netns ${end}`);
      lab.ip(end, `link set ${dev} up`);
    }
  }
  return routed(lab, backEnd, sender, receiver, (n) => (backEnd === 'tap' ? devices[n - 1] : 'eth0'));
}
