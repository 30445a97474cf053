// Where named stacks are found: a folder of their owner's, with one control socket for each.
import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './fail.js';

const SUFFIX = '.ctl';

/** The folder, made when it is missing. Throws when somebody else could have put something there. */
export function runtimeDir(env: NodeJS.ProcessEnv = process.env): string {
  const uid = process.getuid!();
  const dir = env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, 'nuse') : uid === 0 ? '/run/nuse' : `/tmp/nuse-${uid}`;
  try {
    mkdirSync(dir, { mode: 0o700, recursive: dir === '/run/nuse' });
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw new CliError(`cannot make ${dir}: ${(e as Error).message}`, 'set XDG_RUNTIME_DIR to a folder of yours');
  }
  const st = lstatSync(dir);
  if (!st.isDirectory() || st.uid !== uid || (st.mode & 0o077) !== 0)
    throw new CliError(`${dir} is not a folder that only you can use`, `remove it, or: chmod 700 ${dir}`);
  return dir;
}

/** Longest name: the socket's path must fit sun_path (108 bytes). */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;

/** Path of a stack's control socket. Throws for a bad name. */
export function controlPath(name: string): string {
  if (!NAME.test(name)) throw new CliError(`\`${name}\` is no name of a stack`, 'use up to 32 letters, digits, dots, dashes and underscores');
  const path = join(runtimeDir(), name + SUFFIX);
  if (Buffer.byteLength(path) > 100) throw new CliError(`${path} is too long for a socket`, 'set XDG_RUNTIME_DIR to a shorter path');
  return path;
}

/** Path of the socket on which programs hand over their notification descriptor. */
export const launchPath = (name: string): string => controlPath(name).slice(0, -SUFFIX.length) + '.run';

/** Path of what the stack's process says. */
export const logPath = (name: string): string => controlPath(name).slice(0, -SUFFIX.length) + '.log';

/** Names that have a control socket, living or not. */
export function stackNames(): string[] {
  return readdirSync(runtimeDir()).filter((f) => f.endsWith(SUFFIX)).map((f) => f.slice(0, -SUFFIX.length)).filter((n) => NAME.test(n)).sort();
}
