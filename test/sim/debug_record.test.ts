// limit: 120 s
// Records of simulated nodes: replayed bit for bit; a planted bug is found by record, replay, shrink and break. On the way from a
// datagram of fragments to a trap (test/fuzz/planted.mjs).
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATIC_BASE } from '../../host/abi/constants.js';
import { CoreFile } from '../../host/cli/cores.js';
import { MemoryRecord } from '../../host/debug/memory_record.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer } from '../../host/debug/replay.js';
import { shrinkRecord } from '../../host/debug/shrink_record.js';
import { shrink } from '../../host/debug/shrink.js';
import { NodeRecords } from '../../host/sim/recording.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { folder, nuse, program, type Ended } from './command.js';
import { plantedCore } from './planted.js';
import { ROUGH } from './scenarios.js';

const test = suite('sim: records');
/** Datagrams of three fragments; TCP beside them. */
const FRAGMENTS = `duration: 3s
links:
  - { name: path, between: [sender, receiver], rate: 10Mbit, delay: 5ms, duplicate: 0.02 }
apps:
  - { type: bulk, from: sender, to: receiver }
  - { type: datagrams, from: sender, to: receiver, rate: 1Mbit, size: 4000, start: 2s }
`;
const { dir, remove } = folder({ 'fragments.yaml': FRAGMENTS });
const core = CoreFile.named(undefined);
let planted = '';
test.before(() => { planted = plantedCore(dir, 'fragment'); });
test.after(remove);

const PLACE = /list: corrupt at assembly\/lib\/list\.ts:17.* < assembly\/core\/timer\.ts:\d+ < .*assembly\/network\/ipv4\/input\.ts:\d+/;

test('every node of a run with everything random in it: the record replays as it went, and recording changes nothing', async () => {
  const sinks = new Map(['a', 'r', 'b'].map((n) => [n, new MemoryRecord()])), records = new NodeRecords((n) => sinks.get(n), { identity: () => core.identity });
  const run = await ScenarioRun.create(scenarioOf(ROUGH), { module: core.module, layer: records.layer }), plain = await ScenarioRun.create(scenarioOf(ROUGH), { module: core.module });
  run.finish();
  records.close();
  plain.finish();
  assert.is(run.result().hash, plain.result().hash);
  for (const [node, sink] of sinks) {
    const replayer = await Replayer.open(bytesSource(node, sink.file()), core), result = replayer.run();
    assert.is(result.divergence, undefined);
    assert.is(result.calls, records.calls(node));
    assert.ok(result.framesIn > 500 && result.framesOut > 500, JSON.stringify(result));
    // The whole memory, but for where the host leaves what it hands over.
    const from = STATIC_BASE;
    assert.is(Buffer.compare(replayer.core.mem.u8.subarray(from), run.nodes.get(node)!.core.mem.u8.subarray(from)), 0, node);
    // Another build of the same sources gives the same frames and results.
    const debug = await Replayer.open(bytesSource(node, sink.file()), CoreFile.build('debug'), { otherBuild: true });
    assert.is(debug.run().divergence, undefined);
  }
});

test('a node whose core traps writes its record by itself, and says so in one line', async () => {
  const { code, stdout, stderr } = await nuse(['sim', 'fragments.yaml', '--core', planted], dir);
  assert.is(code, 1);
  assert.match(stdout, /node receiver has trapped: list: corrupt/);
  assert.match(stdout, /nodes\.trapped +1\n/);
  const [line, ...more] = stderr.trim().split('\n');
  assert.equal(more, []);
  assert.match(line, /^nuse: node receiver has trapped at 2\.\d{9} s: /);
  assert.match(line, PLACE);
  const [, file, option] = /its record: nuse replay (\S+\/receiver\.rec) --core (\S+)$/.exec(line)!;
  assert.is(statSync(file).mode & 0o777, 0o600);
  const replay = await nuse(['replay', file, '--core', option], dir);
  assert.is(replay.code, 0, replay.stderr);
  assert.match(replay.stdout, /the recorded core trapped: list: corrupt.*\nthis one says: list: corrupt at assembly\/lib\/list\.ts:17\nas recorded/);
  rmSync(dirname(file), { recursive: true });
});

test('--stop-on-trap ends the run there; a record that was asked for is that one', async () => {
  const { code, stdout, stderr } = await nuse(['sim', 'fragments.yaml', '--core', planted, '--stop-on-trap', '--record', 'receiver=r.rec', '--json'], dir);
  assert.is(code, 1);
  const { duration } = JSON.parse(stdout) as { duration: number };
  assert.ok(duration > 2e9 && duration < 2.2e9, `${duration}`);
  assert.match(stderr, /its record: nuse replay r\.rec --core \S+\n$/);
  assert.ok(existsSync(join(dir, 'r.rec')));
});

test('shrink leaves the fragments that do it, and the smaller record traps at the same place', async () => {
  const { code, stdout } = await nuse(['shrink', 'r.rec', '--core', planted, '--json'], dir);
  assert.is(code, 0);
  const r = JSON.parse(stdout) as { file: string; failure: string; before: { calls: number; frames: number }; after: { calls: number; frames: number } };
  assert.match(r.failure, PLACE);
  assert.ok(r.before.frames > 1000 && r.after.frames <= 6 && r.after.calls <= 8, stdout);
  const replay = await nuse(['replay', r.file, '--core', planted], dir);
  assert.match(replay.stdout, /this one says: list: corrupt at assembly\/lib\/list\.ts:17\nas recorded/);
  // Where the datagram's queue begins to be used again, while its timer still runs.
  const stop = await nuse(['replay', r.file, '--core', planted, '--break', 'reassemble', '--stops', '1'], dir);
  assert.match(stop.stderr, /^nuse: replay stops at \S+ s:\n {4}reassemble \(assembly\/network\/reassemble\.ts:\d+\)\n/);
});

test('against another core: the shortest way to where they part', async () => {
  const ok = await nuse(['sim', 'fragments.yaml', '--record', 'receiver=ok.rec'], dir);
  assert.is(ok.code, 0, ok.stderr);
  assert.match((await nuse(['shrink', 'ok.rec'], dir)).stderr, /nothing fails in this record\n.*--against/);
  const debug = await nuse(['sim', 'fragments.yaml', '--core', CoreFile.build('debug').path, '--record', 'receiver=debug.rec'], dir);
  assert.is(debug.code, 0);
  const source = bytesSource('debug.rec', readFileSync(join(dir, 'debug.rec')));
  const r = await shrinkRecord(source, { core: CoreFile.build('debug'), against: CoreFile.named(planted) });
  assert.match(r.failure, /trapped: list: corrupt/);
  assert.ok(r.after.frames <= 6 && r.after.calls <= 10, JSON.stringify(r.after));
  assert.is((await Replayer.open(bytesSource('min', r.file), CoreFile.build('debug'))).run().divergence, undefined);
});

test('what delta debugging leaves cannot do without any of it', async () => {
  const needed = new Set([3, 57, 58, 912]);
  const fails = (part: readonly number[]): Promise<boolean> => Promise.resolve([...needed].every((n) => part.includes(n)));
  assert.equal(await shrink(Array.from({ length: 1000 }, (_, i) => i), fails), [...needed]);
});

test('an event that never ends is told with its node and place, and ends the process', async () => {
  const endless = (where: string): Promise<Ended> => program([fileURLToPath(new URL('./endless.js', import.meta.url)), where]);
  assert.equal(await endless('nowhere'), { code: 0, stdout: 'over\n', stderr: '' });
  const [callback, module] = [await endless('callback'), await endless('module')];
  assert.equal([callback.code, module.code], [125, 125]);
  assert.match(callback.stderr, /^nuse: node b does not return: 1 s within one event at 1\.5\d{8} s of virtual time, in\n {4}forEver \(\/.*endless\.js:\d+\)\n/);
  assert.match(module.stderr, /^nuse: node a does not return: 1 s within one event at 0\.5\d{8} s of virtual time, in\n.*(?:\n.*)* {4}forEverInWasm \(/);
});

test('mistakes in options', async () => {
  assert.match((await nuse(['sim', 'fragments.yaml', '--record', 'nobody=x'], dir)).stderr, /there is no node `nobody`\n.*sender, receiver/);
  assert.match((await nuse(['sim', 'fragments.yaml', '--record', 'receiver'], dir)).stderr, /names no node and file\n.*--record b=b\.rec/);
  assert.match((await nuse(['sim', 'fragments.yaml', '--record', 'receiver=/nowhere/x'], dir)).stderr, /cannot write the record \/nowhere\/x: ENOENT/);
  assert.match((await nuse(['replay', 'ok.rec', '--build', 'other'], dir)).stderr, /no build `other`\n.*debug, sanitizer, coverage/);
});

test('coverage of a run and of a replay: lines and branches of the sources, as lcov and as pages', async () => {
  const run = await nuse(['sim', 'fragments.yaml', '--coverage', 'cov'], dir), replay = await nuse(['replay', 'ok.rec', '--coverage', 'cov2'], dir);
  for (const { code, stderr } of [run, replay]) {
    assert.is(code, 0, stderr);
    assert.match(stderr, /^coverage: \d+ of \d+ lines \([\d.]+ %\), \d+ of \d+ branches \([\d.]+ %\): cov2?\/index\.html, lcov\.info\n$/);
  }
  for (const name of ['cov', 'cov2']) {
    const lcov = readFileSync(join(dir, name, 'lcov.info'), 'utf8'), file = (path: string): string => lcov.split('end_of_record').find((p) => p.includes(`SF:${path}`))!;
    const lines = file('assembly/network/reassemble.ts').match(/^DA:\d+,\d+$/gm)!;
    // Duplicates came, a datagram was complete; none was too old.
    const line = (text: string): number => readFileSync('assembly/network/reassemble.ts', 'utf8').split('\n').findIndex((l) => l.includes(text)) + 1;
    assert.ok(lines.includes(`DA:${line('dropCount(Drop.FRAG_OVERLAP)')},1`) && lines.includes(`DA:${line('return complete(q)')},1`), name);
    assert.ok(lines.includes(`DA:${line('kill(q, Drop.FRAG_TIMEOUT)')},0`), name);
    assert.match(file('assembly/network/reassemble.ts'), /^BRDA:\d+,\d+,0,1$/m);
    assert.match(readFileSync(join(dir, name, 'index.html'), 'utf8'), /assembly\/network/);
  }
});

test.run();
