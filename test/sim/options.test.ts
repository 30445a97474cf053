// `nuse sim`, `replay` and `shrink` with what cannot be: one error that says what and what to do, exit code 125, no stack trace, no hang.
// limit: 240 s
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreFile } from '../../host/cli/cores.js';
import { figure, unitOf } from '../../host/cli/figure.js';
import { PACKAGE_ROOT } from '../../host/cli/install.js';
import { computeAll } from '../../host/cli/sim_workers.js';
import { folder, nuse } from './command.js';

const test = suite('sim: options');
const FLOW = 'duration: 1s\nlinks:\n  - { name: path, between: [a, b], rate: 1Mbit, delay: 5ms }\napps:\n  - { type: bulk, from: a, to: b }\n';
const LOG = '{"nuse":"frame-log","version":1}\n';
const { dir, remove } = folder({
  's.yaml': FLOW, 'tap.yaml': 'duration: 1s\nlinks:\n  - { between: [a, "tap:tap0"] }\n', 'null.log': `${LOG}null\n`, 'odd.log': `${LOG}{"time":1}\n`, 'text.log': `${LOG}{"time":1`,
  'endless.log': `${LOG}${'x'.repeat(3 << 20)}`, 'text.rec': 'this is no record\n', 'broken.mjs': 'no module at all',
  'broken.yaml': 'duration: 1s\nlinks:\n  - { between: [a, b] }\napps:\n  - { type: module, node: a, file: broken.mjs }\n',
});
mkdirSync(join(dir, 'null'));
writeFileSync(join(dir, 'null/sweep.json'), 'null');
test.after(remove);

const REFUSED: [string, string[], RegExp][] = [
  ['no file', ['sim', 'none.yaml'], /cannot read none\.yaml: ENOENT/],
  ['a folder for a scenario', ['sim', '.'], /cannot read \.: EISDIR/],
  ['a seed that is none', ['sim', 's.yaml', '--seed', 'abc'], /^s\.yaml:1: seed: "abc" is not a whole number from 0/],
  ['a folder that is a file', ['sim', 's.yaml', '--out', 's.yaml'], /cannot make the folder s\.yaml: EEXIST.*\n +name a folder/],
  ['a folder where none can be made', ['sim', 's.yaml', '--out', '/proc/nuse/x'], /cannot make the folder \/proc\/nuse\/x: ENOENT/],
  ['the same of a sweep', ['sim', 's.yaml', '--seeds', '1..2', '--out', '/proc/x'], /cannot make the folder \/proc\/x/],
  ['a job that is no sweep', ['sim', 's.yaml', '--emit', 'slurm'], /--emit is of sweeps\n +add --sweep/],
  ['a shard of no sweep', ['sim', 's.yaml', '--shard', '1/2'], /--shard is of sweeps/],
  ['a sweep with a record', ['sim', 's.yaml', '--seeds', '1..2', '--record', 'a=x'], /--seeds does not go with --record\n/],
  ['a sweep with another core', ['sim', 's.yaml', '--sweep', 'links.0.loss=0', '--core', 'x.wasm'], /--sweep does not go with --core\n.*NUSE_CORE/],
  ['a comparison that writes a folder', ['sim', 's.yaml', '--compare', 'seed=2', '--out', 'x'], /--compare does not go with --out/],
  ['threads with a record', ['sim', 's.yaml', '--workers', '2', '--record', 'a=x'], /--workers does not go with --record\n.*one thread/],
  ['threads with a folder', ['sim', 's.yaml', '--workers', '2', '--out', 'x'], /--workers does not go with --out/],
  ['real time with a frame log', ['sim', 's.yaml', '--realtime', '--frame-log', 'x'], /--realtime does not go with --frame-log/],
  ['coverage of another core', ['sim', 's.yaml', '--coverage', 'c', '--core', 'x.wasm'], /--coverage does not go with --core/],
  ['a node without a breakpoint', ['sim', 's.yaml', '--break-node', 'a'], /--break-node says where, but not what\n +add --break PLACE/],
  ['a negative number of stops', ['sim', 's.yaml', '--break', 'tcpInput', '--break-node', 'a', '--stops', '-1'], /--stops -1`: a whole number is wanted/],
  ['no threads', ['sim', 's.yaml', '--workers', '0'], /--workers 0 is no number from 1 to 64/],
  ['two nodes in one record', ['sim', 's.yaml', '--record', 'a=x.rec', '--record', 'b=x.rec'], /two nodes would be recorded in x\.rec\n +give each/],
  ['a frame log that is a folder', ['sim', 's.yaml', '--frame-log', '.'], /cannot write \.: EISDIR/],
  ['a comparison with a folder', ['sim', 's.yaml', '--compare', '.'], /cannot read \.: EISDIR/],
  ['a frame log of nothing', ['sim', 'null.log', '--compare', 'null.log'], /null\.log:2: this is no event of a run\n.*--frame-log/],
  ['a frame log of something else', ['sim', 'odd.log', '--compare', 's.yaml'], /odd\.log:2: this is no event of a run/],
  ['a frame log that was cut', ['sim', 'text.log', '--compare', 's.yaml'], /text\.log:2: /],
  ['a frame log without lines', ['sim', 'endless.log', '--compare', 's.yaml'], /endless\.log:\d: a line without end/],
  ['a value twice, written in two ways', ['sim', 's.yaml', '--sweep', 'links.0.loss=0.1,0.10'], /has a value twice/],
  ['a sweep of null', ['sim', 's.yaml', '--seeds', '1..2', '--out', 'null'], /null\/sweep\.json: this is no object/],
  ['a device without real time', ['sim', 'tap.yaml'], /^tap\.yaml:3: links\.0: it leads to `tap:tap0`, where time is real: run it with --realtime/],
  ['an application that cannot be loaded', ['sim', 'broken.yaml'], /^nuse: application module: cannot load broken\.mjs: SyntaxError: .*\n +mend the module/],
  ['a folder of a run in which nothing can be written', ['sim', 's.yaml', '--out', '/proc/self'], /cannot write \/proc\/self\/tcp\.csv: .*\n +name a folder with room/],
  ['a device that is full, for a frame log', ['sim', 's.yaml', '--frame-log', '/dev/full'], /cannot write \/dev\/full: ENOSPC/],
  ['a module that is none, to prepare', ['sim-prepare', 's.yaml', 'x.wasm'], /cannot prepare s\.yaml: .*\n +name a WebAssembly module/],
  ['no record', ['replay', 'none.rec'], /cannot read none\.rec: ENOENT/],
  ['a folder for a record', ['replay', '.'], /\. is no regular file\n +name a record file/],
  ['a text for a record', ['replay', 'text.rec'], /text\.rec: at byte 0: this is no record file/],
  ['a negative number of calls', ['replay', 'text.rec', '--until', '-1'], /--until -1` is no number of calls/],
  ['a replay on two cores', ['replay', 'text.rec', '--build', 'debug', '--core', 'x.wasm'], /--build and --core each ask for a core/],
  ['a replay on three', ['replay', 'text.rec', '--break', 'tcpInput', '--coverage', 'c'], /--break and --coverage each ask for a core/],
  ['a shrunk record nowhere', ['shrink', 'text.rec', '-o', '/nowhere/x'], /cannot write \/nowhere\/x: ENOENT.*\n.*--output FILE/],
];
for (const [what, args, message] of REFUSED) {
  test(what, async () => {
    const { code, stdout, stderr } = await nuse(args, dir);
    assert.match(stderr, message);
    assert.equal([code, stdout], [125, ''], stderr);
    assert.not.match(stderr, /\n +at /, 'no stack trace');
    assert.ok(stderr.trim().split('\n').length <= 2, stderr);
  });
}

test('a record that is damaged behind its header is told so, whichever build recorded it', async () => {
  const debug = CoreFile.build('debug');
  assert.is((await nuse(['sim', 's.yaml', '--core', debug.path, '--record', 'a=debug.rec'], dir)).code, 0);
  const { code, stdout } = await nuse(['replay', 'debug.rec'], dir);
  assert.is(code, 0);
  assert.match(stdout, /\(debug build\)\n.*\nas recorded\n/);
  const { code: bad, stderr } = await nuse(['replay', 'debug.rec', '--pcap', '/nowhere/x'], dir);
  assert.is(bad, 125);
  assert.match(stderr, /cannot write \/nowhere\/x: ENOENT.*\n.*--pcap FILE/);
});

test('what cannot be written ends the command in one line; a reader that has enough does not', async () => {
  const sh = (command: string): Promise<{ code: number; err: string }> => new Promise((resolve) => {
    execFile('bash', ['-c', command], { cwd: dir }, (e, _, err) => resolve({ code: e ? Number(e.code) : 0, err }));
  });
  const run = `'${process.execPath}' '${join(PACKAGE_ROOT, 'bin/nuse.mjs')}' sim s.yaml`;
  assert.equal(await sh(`${run} > /dev/full`), { code: 125, err: 'nuse: cannot write the output: ENOSPC: no space left on device, write\n' });
  assert.equal(await sh(`${run} --json | head -c 10 | cat > /dev/null; exit \${PIPESTATUS[0]}`), { code: 0, err: '' });
});

test('a transfer without end over a link that takes no time is told with the link', async () => {
  writeFileSync(join(dir, 'fast.yaml'), FLOW.replace(', rate: 1Mbit, delay: 5ms', ''));
  const { code, stderr } = await nuse(['sim', 'fast.yaml'], dir);
  assert.is(code, 125);
  assert.match(stderr, /^nuse: [ab] spins: .*\n +link path has neither rate nor delay: .*give it one of them\n$/);
});

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  test(`${signal} in the middle of a sweep ends it at once, with what was done, and leaves no folder of its own`, async () => {
    const own = join(dir, signal);
    mkdirSync(own);
    const start = (args: readonly string[]): { ended: Promise<number | null>; kill: () => void; said: () => string } => {
      const command = [join(PACKAGE_ROOT, 'bin/nuse.mjs'), 'sim', 's.yaml', '--seeds', '1..5000', '-j', '1', ...args];
      const p = spawn(process.execPath, command, { cwd: dir, env: { ...process.env, TMPDIR: own }, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      p.stderr.on('data', (d: Buffer) => { said += d.toString(); });
      return { ended: new Promise((resolve) => { p.once('exit', resolve); }), kill: () => p.kill(signal), said: () => said };
    };
    const kept = start(['--out', join(own, 'kept')]);
    while (!existsSync(join(own, 'kept/rows.jsonl'))) await sleep(20);
    await sleep(500);
    kept.kill();
    assert.is(await kept.ended, code);
    assert.match(kept.said(), /^nuse: interrupted; what was done is in .*kept: the same command goes on from there\n$/);
    const own2 = start([]);
    while (!readdirSync(own).some((f) => f.startsWith('nuse-sweep-'))) await sleep(20);
    await sleep(500);
    own2.kill();
    assert.is(await own2.ended, code);
    assert.equal(readdirSync(own), ['kept']);
  });
}

test('what goes wrong with one row ends all threads of a sweep', async () => {
  const tasks = Array.from({ length: 40 }, (_, i) => ({ seed: i + 1 })), { module } = CoreFile.named(undefined);
  let told = 0;
  const failed = await computeAll(tasks, 2, { text: FLOW, file: 's.yaml', module, fresh: false }, () => {
    if (++told === 2) throw new Error('the disk is full');
  }).then(() => undefined, (e: Error) => e);
  assert.is(failed?.message, 'the disk is full');
  await sleep(300);
  assert.is(told, 2, 'nobody goes on');
});

test('figures have the unit that the last part of their name says', () => {
  assert.is(figure('bulk.goodput', 9.5e6), '9.500 Mbit/s');
  assert.is(figure('bulk.goodput', 500), '0.500 kbit/s');
  assert.is(figure('l.reverse.queue.p95', 0.012), '12.000 ms');
  assert.is(figure('datagrams.delay.mean', 0.012), '12.000 ms');
  assert.is(figure('delay-line.lost', 5), '5', 'not what the link is called');
  assert.is(figure('queue1.frames', 834), '834');
  assert.is(figure('time.bytes', 7), '7');
  assert.is(figure('bulk.time', 1.5), '1.500 s');
  assert.equal([unitOf('metric_bulk_goodput').unit, unitOf('metric_l_queue_p95').unit, unitOf('metric_queue1_lost').unit, unitOf('metric_a_bytes').unit], ['Mbit/s', 'ms', '', 'bytes']);
});

test.run();
