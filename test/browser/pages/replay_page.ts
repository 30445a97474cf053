// A record, replayed in a page.
import { Replayer, type ReplayResult } from '../../../host/debug/replay.js';
import { bytesSource } from '../../../host/debug/record_reader.js';

export default async function run(): Promise<ReplayResult> {
  const [record, core] = await Promise.all(['/run.bin', '/nuse/core.wasm'].map(async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer())));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', core));
  return (await Replayer.open(bytesSource('run.bin', record), { module: await WebAssembly.compile(core), hash })).run();
}
