// Named stacks from the outside: up, exec, ps, stats, down.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { configOf, type RunOptions } from './run.js';
import { ask, type StackInfo } from './control.js';
import { CliError } from './fail.js';
import { formatStats, formatTable, type StackStats } from './format.js';
import { requireBuild } from './install.js';
import { processesIn } from './processes.js';
import { controlPath, launchPath, logPath, stackNames } from './runtime_dir.js';
import { forwardSignals } from './signals.js';
import { startOn } from '../posix/launch.js';
import { resolvConf } from './session.js';
import { userArguments } from './user_options.js';

const GONE = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);
export const isGone = (e: unknown): boolean => GONE.has((e as NodeJS.ErrnoException).code ?? '');

/** Ask a stack that must be up. */
export async function asking<T>(name: string, op: 'info' | 'stats' | 'down'): Promise<T> {
  const path = controlPath(name);
  try {
    return await ask<T>(path, { op });
  } catch (e) {
    if (isGone(e)) throw new CliError(`no stack \`${name}\` is up`, `nuse ps lists them; nuse up ${name} -c FILE starts it`);
    throw e;
  }
}

async function isUp(name: string): Promise<boolean> {
  try {
    await ask<StackInfo>(controlPath(name), { op: 'info' });
    return true;
  } catch (e) {
    if (isGone(e)) return false;
    throw e;
  }
}

/** Start the process that runs the stack, and wait until it serves. */
export async function upStack(name: string, options: RunOptions): Promise<number> {
  requireBuild();
  controlPath(name);
  configOf(options);
  if (await isUp(name)) throw new CliError(`a stack \`${name}\` is up already`, `nuse down ${name} ends it`);
  const args = [process.argv[1], 'daemon', name];
  const config = options.config ?? process.env.NUSECONF;
  if (config) args.push('--config', resolve(config));
  if (options.pcap !== undefined) args.push('--pcap', resolve(options.pcap));
  if (options.record !== undefined) args.push('--record', resolve(options.record));
  if (options.recordLimit !== undefined) args.push('--record-limit', options.recordLimit);
  if (options.verbose) args.push('--verbose');
  args.push(...userArguments(options));
  // It says in its log why it can't start, and on the fourth descriptor that it has.
  const log = openSync(logPath(name), 'w', 0o600);
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log, 'pipe'] });
  closeSync(log);
  const word = child.stdio[3] as Readable;
  const ready = await new Promise<boolean>((done) => {
    word.once('data', () => done(true));
    child.once('exit', () => done(false));
    child.once('error', () => done(false));
  });
  child.unref();
  word.destroy();
  const said = readFileSync(logPath(name), 'utf8');
  if (options.verbose || !ready) process.stderr.write(said);
  if (!ready) throw new CliError(`the stack \`${name}\` did not start`);
  return 0;
}

/** Run a program on a stack that is up; its exit code. It is our child: terminal, folder, environment and signals are its own. */
export async function execIn(name: string, argv: readonly string[]): Promise<number> {
  requireBuild();
  const info = await asking<StackInfo>(name, 'info');
  const socket = createConnection(launchPath(name));
  await new Promise<void>((done, fail) => {
    socket.once('connect', done);
    socket.once('error', (e) => fail(new CliError(`the stack \`${name}\` takes no programs: ${e.message}`)));
  });
  const { child, exit } = startOn(socket, { command: [...argv], resolvConf: resolvConf(info.dns), join: info.holder });
  socket.destroy();
  const stop = forwardSignals((signal) => { child.kill(signal); });
  try {
    return await exit;
  } finally {
    stop();
  }
}

interface Listed extends StackInfo {
  programs: { pid: number; command: string }[];
}

export async function listStacks(json: boolean): Promise<number> {
  const list: Listed[] = [];
  for (const name of stackNames()) {
    try {
      const info = await ask<StackInfo>(controlPath(name), { op: 'info' });
      list.push({ ...info, programs: processesIn(info.netns, [info.holder]) });
    } catch (e) {
      if (!isGone(e)) throw e;
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
  else {
    const rows = list.flatMap((s) => {
      const interfaces = s.interfaces.map((i) => `${i.name} ${i.addresses.join(' ')}`).join(', ');
      return [[s.name, String(s.pid), interfaces || 'loopback only'], ...s.programs.map((p) => ['', String(p.pid), `  ${p.command}`])];
    });
    process.stdout.write(formatTable(['STACK', 'PID', 'INTERFACES / PROGRAMS'], rows));
  }
  return 0;
}

export async function showStats(name: string, json: boolean): Promise<number> {
  const stats = await asking<StackStats>(name, 'stats');
  process.stdout.write(json ? `${JSON.stringify(stats, null, 2)}\n` : formatStats(stats));
  return 0;
}

export async function downStack(name: string): Promise<number> {
  await asking<null>(name, 'down');
  return 0;
}
