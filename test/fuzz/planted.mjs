// Bugs to be found: a copy of the core's sources in which one place is wrong.
//
//   node test/fuzz/planted.mjs BUG FILE.wasm       the debug build of it, with its source map beside it
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BUGS = {
  /** UDP without one length check: a length field below 8 bytes (RFC 768). */
  length: { file: 'assembly/transport/udp/input.ts', right: 'len < UDP_HLEN || ', wrong: '' },
  /** A datagram of fragments is complete, and its timer goes on. */
  fragment: { file: 'assembly/network/reassemble.ts', right: '  q.timer.cancel();\n', wrong: '' },
};

/** Copy the sources to `folder` and put a bug of this name in; throws when its place is not there. Returns `folder`. */
export function plant(folder, name) {
  mkdirSync(folder, { recursive: true });
  for (const part of ['assembly', 'asconfig.json']) cpSync(join(root, part), join(folder, part), { recursive: true });
  const { file, right, wrong } = BUGS[name], source = readFileSync(join(root, file), 'utf8');
  if (source.split(right).length !== 2) throw new Error(`${file} has no single "${right}"`);
  writeFileSync(join(folder, file), source.replace(right, wrong));
  return folder;
}

/** Build the core with this bug, as the debug build, into the file `out`. */
export function buildPlanted(name, out) {
  const folder = mkdtempSync(join(tmpdir(), 'nuse-planted-'));
  try {
    const args = [join(root, 'node_modules/assemblyscript/bin/asc.js'), '--config', 'asconfig.json', '--target', 'debug', '--outFile', resolve(out)];
    execFileSync(process.execPath, args, { cwd: plant(folder, name), stdio: 'inherit' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [bug, out] = process.argv.slice(2);
  if (!Object.hasOwn(BUGS, bug ?? '') || !out) throw new Error(`usage: planted.mjs ${Object.keys(BUGS).join('|')} FILE.wasm`);
  buildPlanted(bug, out);
}
