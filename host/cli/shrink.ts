// `nuse shrink FILE`: the few calls and frames of a failing record that make it fail, as a record of its own.
import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RecordError } from '../debug/record_format.js';
import { RecordReader } from '../debug/record_reader.js';
import { shrinkRecord, type Shrunk } from '../debug/shrink_record.js';
import { CoreFile } from './cores.js';
import { CliError } from './fail.js';
import { FileSource } from './file_source.js';
import { writing } from './writing.js';

export interface ShrinkOptions {
  output?: string;
  core?: string;
  against?: string;
  json?: boolean;
}

const ANOTHER = 'name another file with --output FILE';

export async function shrinkFile(path: string, options: ShrinkOptions): Promise<number> {
  const source = FileSource.open(path), output = options.output ?? `${path}.min`;
  try {
    writing(output, ANOTHER, () => accessSync(dirname(output), constants.W_OK));
    const core = CoreFile.recorded(new RecordReader(source).header.coreHash, options.core), against = options.against === undefined ? undefined : CoreFile.named(options.against);
    const result = await shrinkRecord(source, { core, against, explain: (trap) => core.explain(trap), progress: process.stderr.isTTY ? showProgress : undefined });
    writing(output, ANOTHER, () => writeFileSync(output, result.file, { mode: 0o600 }));
    process.stdout.write(options.json ? `${JSON.stringify({ ...result, file: output, bytes: result.file.length })}\n` : text(path, output, result));
    return 0;
  } catch (e) {
    throw e instanceof RecordError ? new CliError(e.message, e.remedy) : e;
  } finally {
    source.close();
  }
}

function showProgress(attempts: number, left: number): void { process.stderr.write(`\r${attempts} attempts, ${left} steps left \x1b[K${left ? '' : '\n'}`); }

function text(path: string, output: string, { before, after, attempts, failure, file }: Shrunk): string {
  const figures = ({ calls, frames, ns }: Shrunk['before']): string => `${calls} calls, ${frames} frames received, ${(ns / 1e9).toFixed(3)} s`;
  return `${path}: ${figures(before)}\n${output}: ${figures(after)} (${file.length} bytes, ${attempts} attempts)\nboth fail so: ${failure}\n`;
}
