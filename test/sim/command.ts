// The `nuse` command, run to its end.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../host/cli/install.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** In the folder of the package unless `cwd` says otherwise. */
export const nuse = (args: readonly string[], cwd = PACKAGE_ROOT): Promise<Ended> => program([join(PACKAGE_ROOT, 'bin/nuse.mjs'), ...args], cwd);

/** A program of node. */
export function program(args: readonly string[], cwd = PACKAGE_ROOT): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 1 << 26 }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }));
  });
}

/** A folder for a test's files, and a function that removes it. */
export function folder(files: Readonly<Record<string, string>> = {}): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-test-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return { dir, remove: () => rmSync(dir, { recursive: true }) };
}
