// A bug to be found: a copy of the core's sources without one length check of UDP (a length field below 8 bytes, RFC 768).
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FILE = 'assembly/transport/udp/input.ts';
const CHECK = 'len < UDP_HLEN || ';

/** Copy the sources to `folder` and take the check out; throws when it is not there. Returns `folder`. */
export function plantLengthBug(folder) {
  mkdirSync(folder, { recursive: true });
  for (const part of ['assembly', 'asconfig.json']) cpSync(join(root, part), join(folder, part), { recursive: true });
  const source = readFileSync(join(root, FILE), 'utf8');
  if (source.split(CHECK).length !== 2) throw new Error(`${FILE} has no single "${CHECK}"`);
  writeFileSync(join(folder, FILE), source.replace(CHECK, ''));
  return folder;
}
