// Which nuse.conf is read: the one named on the command line, or by NUSECONF, or none.
import { readFileSync, statSync } from 'node:fs';
import type { StackConfig } from './config.js';
import { ConfigError } from './errors.js';
import { MAX_FILE_BYTES, parseConfig } from './parse.js';
import { defaultConfig } from './user_network.js';

const REASONS: Record<string, [string, string]> = {
  ENOENT: ['no such file', 'check the path, or NUSECONF in the environment'],
  EACCES: ['permission denied', 'make it readable for you'],
  EISDIR: ['is a directory', 'name a file'],
};

/** Read and parse a file. Throws ConfigError. `forPrograms`: see parseConfig. */
export function loadConfigFile(file: string, forPrograms = false): StackConfig {
  let text: string;
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw new ConfigError([{ file, line: 0, key: '', message: `larger than ${MAX_FILE_BYTES} bytes`, remedy: 'name a nuse.conf' }]);
    text = readFileSync(file, 'utf8');
  } catch (e) {
    if (e instanceof ConfigError) throw e;
    const { code = '', message } = e as NodeJS.ErrnoException;
    const [why, remedy] = REASONS[code] ?? [message, 'check the path'];
    throw new ConfigError([{ file, line: 0, key: '', message: why, remedy }]);
  }
  return parseConfig(text, file, forPrograms);
}

/** The configuration of `file`, else of NUSECONF, else one with a USER interface. */
export function loadConfig(file: string | undefined, env: NodeJS.ProcessEnv, forPrograms = false): StackConfig {
  const name = file ?? (env.NUSECONF || undefined);
  return name === undefined ? defaultConfig() : loadConfigFile(name, forPrograms);
}
