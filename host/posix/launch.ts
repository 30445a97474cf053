// Starting a program on a stack (main thread): nuse-exec, its files, its signals and its exit status.
//
// Threat model: the program is kept off the real network by an empty network namespace and the filter, and services that
// would go there on its behalf are hidden (/run). That holds for programs that do not fight it; one that runs as root on
// this machine can always get out (ptrace or pidfd_getfd of others, devices), so run what you do not trust as an ordinary
// user: then nuse-exec makes a user namespace too.
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SOCK_STREAM } from './linux.js';
import type { PosixNative } from './native.js';

/** How long nuse-exec may take to get ready, ms. */
const READY_MS = 10000;

export interface LaunchOptions {
  /** Program and arguments. */
  command: string[];
  /** Contents of /etc/resolv.conf for the program; the machine's when absent. */
  resolvConf?: string;
  /** Contents of /etc/hosts; the machine's when absent. */
  hosts?: string;
  env?: NodeJS.ProcessEnv;
  /** stdin, stdout, stderr as of child_process.spawn; default: ours. */
  stdio?: [StdioEntry, StdioEntry, StdioEntry];
  /** The stack's interfaces, without loopback. */
  links?: ShadowLink[];
  /** Enter the namespaces of this process, a program of the same stack, instead of making new ones. */
  join?: number;
}
/** An interface of the stack as /proc/net and /sys/class/net shall show it to the program. */
export interface ShadowLink {
  name: string;
  ifindex: number;
  mac: string;
  mtu: number;
  /** `address/prefix`. */
  addresses: string[];
}
type StdioEntry = 'inherit' | 'pipe' | 'ignore' | number;

/** The program could not be started; the reason is on stderr. */
export class LaunchError extends Error {
  readonly code = 'ERR_NUSE_LAUNCH';
}

export interface Launched {
  readonly child: ChildProcess;
  /** The notification descriptor, for Supervisor.attach in the stack's thread (descriptors belong to the whole process). */
  readonly notify: number;
  /** Descriptors of the shadow interfaces, in the order of `links`; empty where they could not be made. The supervisor's, too. */
  readonly shadows: number[];
  /** Let the program begin; the supervisor must be attached. */
  go(): void;
  /** Its exit status as a shell would give it: its own, or 128 + signal. */
  readonly exit: Promise<number>;
}

/** The helper beside the addon. */
function execPath(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json')) && dir !== dirname(dir)) dir = dirname(dir);
  return join(dir, 'io-backends/native/build/Release/nuse-exec');
}

/** Names are looked up by hosts file and DNS over the stack, never by a daemon of this machine. */
function nsswitch(text: string): string {
  const line = 'hosts: files dns';
  return /^hosts:/m.test(text) ? text.replace(/^hosts:.*$/m, line) : `${text}\n${line}\n`;
}

function files(options: LaunchOptions): Array<[string, string]> {
  const list: Array<[string, string]> = [];
  if (options.resolvConf !== undefined) list.push(['/etc/resolv.conf', options.resolvConf]);
  if (options.hosts !== undefined) list.push(['/etc/hosts', options.hosts]);
  if (existsSync('/etc/nsswitch.conf')) list.push(['/etc/nsswitch.conf', nsswitch(readFileSync('/etc/nsswitch.conf', 'utf8'))]);
  return list;
}

/** Start nuse-exec with `control` as its connection to the stack; its files are made in `dir`. */
function startExec(control: number | Socket, dir: string, options: LaunchOptions): { child: ChildProcess; exit: Promise<number> } {
  chmodSync(dir, 0o755);
  const args = ['3'];
  if (options.join !== undefined) args.push('--join', String(options.join));
  files(options).forEach(([target, text], i) => {
    const source = join(dir, String(i));
    writeFileSync(source, text, { mode: 0o644 });
    args.push('--bind', source, target);
  });
  for (const l of options.links ?? []) args.push('--link', l.name, String(l.ifindex), l.mac, String(l.mtu), l.addresses.join(',') || '-');
  const stdio = options.stdio ?? ['inherit', 'inherit', 'inherit'];
  const child = spawn(execPath(), [...args, '--', ...options.command], { stdio: [...stdio, control], env: options.env ?? process.env });
  const exit = new Promise<number>((resolve) => {
    child.on('error', () => { resolve(125); });
    child.on('exit', (code, signal) => { resolve(signal ? 128 + constants.signals[signal] : code ?? 125); });
  });
  return { child, exit };
}

/** Start a program of a stack in another process, to which `control` is connected: that process answers nuse-exec. */
export function startOn(control: Socket, options: LaunchOptions): { child: ChildProcess; exit: Promise<number> } {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-'));
  const started = startExec(control, dir, options);
  void started.exit.then(() => { rmSync(dir, { recursive: true, force: true }); });
  return started;
}

/** Start nuse-exec up to the point where the program's calls can be served. Throws LaunchError. */
export async function launch(native: PosixNative, options: LaunchOptions): Promise<Launched> {
  const pair = new Int32Array(2);
  const made = native.posixPair(SOCK_STREAM, pair);
  if (made < 0) throw new LaunchError(`socketpair: error ${-made}`);
  const [theirs, ours] = pair;
  const dir = mkdtempSync(join(tmpdir(), 'nuse-'));
  try {
    const { child, exit } = startExec(theirs, dir, options);
    closeSync(theirs);
    const fds = new Int32Array(1 + (options.links?.length ?? 0));
    const received = native.posixReceiveFds(ours, READY_MS, fds);
    if (received < 0) {
      child.kill('SIGKILL');
      closeSync(ours);
      if (child.pid === undefined) throw new LaunchError(`${execPath()} cannot be started: run \`npm run build\``);
      throw new LaunchError(received === -110 ? 'nuse-exec does not get ready' : 'the program was not started');
    }
    const go = (): void => {
      writeSync(ours, 'g');
      closeSync(ours);
    };
    return { child, notify: fds[0], shadows: [...fds.subarray(1, received)], go, exit };
  } finally {
    // The mounts keep the files; their names are no longer needed.
    rmSync(dir, { recursive: true, force: true });
  }
}
