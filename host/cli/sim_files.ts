// Files of a folder that grow while a simulation runs, and tables in them.
import { appendFileSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { csvFormatRow } from 'd3-dsv';
import { CliError } from './fail.js';
import { writing } from './writing.js';

const ROOM = 'name a folder with room that can be written';
/** Bytes of a file that are kept before they are written: few open files, few system calls. */
const CHUNK = 64 << 10;

/** Make a folder, and those above it, unless it is there. Throws CliError. */
export function makeFolder(path: string): void {
  try {
    make(resolve(path));
  } catch (e) {
    throw new CliError(`cannot make the folder ${path}: ${(e as Error).message}`, 'name a folder that is there or can be made');
  }
}
/** Not by `recursive`, with which node tries for ever where the system makes no folders, as in /proc. */
function make(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  if (dirname(path) !== path) make(dirname(path));
  mkdirSync(path);
}

/** Write a file as a whole, or not at all. */
export function replaceFile(path: string, text: string): void {
  writing(path, ROOM, () => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  });
}

export class GrowingFiles {
  private readonly pending = new Map<string, { parts: Uint8Array[]; bytes: number }>();
  private readonly encoder = new TextEncoder();

  /** `folder` exists. */
  constructor(private readonly folder: string) {}

  /** Begin a file, in place of one of before. */
  begin(name: string, content = ''): void {
    const path = join(this.folder, name);
    writing(path, ROOM, () => writeFileSync(path, content));
  }
  append(name: string, bytes: Uint8Array | string): void {
    const part = typeof bytes === 'string' ? this.encoder.encode(bytes) : bytes;
    let p = this.pending.get(name);
    if (!p) this.pending.set(name, p = { parts: [], bytes: 0 });
    p.parts.push(part);
    p.bytes += part.length;
    if (p.bytes >= CHUNK) this.write(name);
  }
  /** Write what is pending. */
  close(): void { for (const name of this.pending.keys()) this.write(name); }

  private write(name: string): void {
    const path = join(this.folder, name), { parts } = this.pending.get(name)!;
    this.pending.delete(name);
    writing(path, ROOM, () => appendFileSync(path, Buffer.concat(parts)));
  }
}

/** Rows under a line of column names (RFC 4180); null and undefined are empty. */
export function csv(columns: readonly string[], rows: readonly object[]): string {
  return `${csvFormatRow([...columns])}\n${csvLines(columns, rows)}`;
}
export function csvLines(columns: readonly string[], rows: readonly object[]): string {
  return rows.map((row) => `${csvFormatRow(columns.map((c) => String((row as Record<string, unknown>)[c] ?? '')))}\n`).join('');
}
