// Bugs to be found: a copy of the core's sources in which one place is wrong.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
