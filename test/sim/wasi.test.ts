// WASI programs in simulated time: what they are given besides sockets, sockets as on Linux, and programs that go wrong.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfigError } from '../../host/config/errors.js';
import { parseScenario } from '../../host/sim/scenario_file.js';
import { BUILD, loader, runApps } from './wasi_programs.js';

const test = suite('sim: WASI programs');
const CALLS = fileURLToPath(new URL('../../../../test/sim/wasi/calls.c', import.meta.url));
const basics = (name: string, args: string[], node = 'a') => ({ type: 'wasi' as const, name, node, module: 'basics.wasm', args });

test('clocks are the run\'s: sleeping takes what was asked for to the nanosecond', async () => {
  const { output, metrics } = await runApps([{ ...basics('app', ['time']), start: '1s' }]);
  // 2026-01-01T00:00:01Z.
  assert.equal(output.app, { stdout: '2500000001 2500000001\n1767225601\n', stderr: '' });
  assert.is(metrics['app.time'], 2.500000001);
});

test('random numbers depend on the seed, the node and the application alone', async () => {
  const random = async (seed: number, node: string, more: string[] = []) =>
    (await runApps([...more.map((name) => basics(name, ['random'])), basics('app', ['random'], node)], { seed })).output.app.stdout;
  const first = await random(1, 'a');
  assert.match(first, /^[0-9a-f]{32}\n$/);
  assert.is(await random(1, 'a', ['other']), first, 'another application has changed them');
  assert.is.not(await random(2, 'a'), first);
  assert.is.not(await random(1, 'b'), first);
});

test('arguments, environment, standard input and output, exit status', async () => {
  const { output, metrics } = await runApps([{ ...basics('app', ['echo', 'one', 'two words']), env: { COLOUR: 'red' }, stdin: 'x\ny\n' }]);
  assert.equal(output.app, { stdout: '[basics.wasm][echo][one][two words] red -\nin: x\nin: y\n', stderr: 'on stderr\n' });
  assert.is(metrics['app.exit'], 7);
  assert.is(metrics['app.failed'], 1);
});

test('sockets answer as those of Linux do, call by call', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nuse-calls-'));
  try {
    const native = join(folder, 'calls'), built = spawnSync('cc', ['-O2', '-o', native, CALLS], { encoding: 'utf8' });
    assert.is(built.status, 0, built.stderr);
    const linux = spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && exec "$0"', native], { encoding: 'utf8', timeout: 20_000, stdio: ['ignore', 'pipe', 'pipe'] });
    assert.is(linux.status, 0, linux.stderr);
    const { output, metrics } = await runApps([{ type: 'wasi', name: 'app', node: 'a', module: 'calls.wasm' }]);
    assert.ok(linux.stdout.split('\n').length > 70);
    assert.equal(output.app.stdout.split('\n'), linux.stdout.split('\n'));
    assert.is(metrics['app.exit'], 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('datagrams in AssemblyScript, and a name that nobody has', async () => {
  const udp = (name: string, node: string, args: string[]) => ({ type: 'wasi' as const, name, node, module: 'udp.as.wasm', args });
  const { output, metrics } = await runApps([udp('echo', 'b', ['echo', '3']), udp('ask', 'a', ['ask', 'b', '3']), udp('lost', 'a', ['ask', 'nobody', '1'])]);
  assert.is(output.ask.stdout, 'number 0 at 1.0 s\nnumber 1 at 2.0 s\nnumber 2 at 3.0 s\n', output.ask.stderr);
  assert.is(metrics['echo.exit'], 0);
  // ENOENT of Linux: no node has that name.
  assert.match(output.lost.stderr, /nobody: errno 2/);
});

test('a program that traps ends alone, and what it wrote stays', async () => {
  const { output, metrics } = await runApps([basics('bad', ['trap']), basics('good', ['time'])]);
  assert.is(output.bad.stdout, 'before\n');
  assert.match(output.bad.stderr, /trapped: unreachable/);
  assert.is(metrics['bad.failed'], 1);
  assert.is(metrics['good.exit'], 0);
});

test('a stack unwinds from any depth, up to a bound that is told', async () => {
  const deep = (n: number) => runApps([{ type: 'wasi', name: 'app', node: 'a', module: 'deep.as.wasm', args: [n] }]);
  const { output, metrics } = await deep(1000);
  assert.is(metrics['app.exit'], 0, output.app.stderr);
  let sum = 1, expected = 0;
  for (let n = 1000; n > 0; n--) {
    expected += sum & n;
    sum += n;
  }
  assert.is(output.app.stdout, `${expected + sum}\n`);
  assert.match((await deep(4000)).output.app.stderr, /its stack takes more than 65536 bytes where it waits/);
});

for (const how of ['spin', 'clock']) {
  test(`a program that does not wait is found and named, at the same instant every time: ${how}`, async () => {
    const spin = () => runApps([{ ...basics('busy', [how], 'b'), start: '2s', fuel: 2e6 }, basics('other', ['time'])]);
    const error = await spin().then(() => undefined, (e: Error & { code?: string }) => e);
    assert.is(error?.code, 'ERR_NUSE_SIM_SPIN');
    assert.match(error!.message, /application busy on node b spins: .* at 2\.000000000 s/);
    assert.is((await spin().catch((e: Error) => e.message)), error!.message);
  });
}

test('mistakes of a scenario: file, line, field and remedy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nuse-wasi-'));
  try {
    writeFileSync(join(folder, 'text.wasm'), 'no module');
    const text = `duration: 1s
links: [{ between: [a, b] }]
apps:
  - { type: wasi, node: c, module: ${fileURLToPath(new URL('basics.wasm', BUILD))} }
  - { type: wasi, node: a, module: ${join(folder, 'none.wasm')} }
  - { type: wasi, node: a, module: ${join(folder, 'text.wasm')} }
  - { type: wasi, node: a }
`;
    const told = (t: string): string[] => {
      try {
        parseScenario(t, 'x.yaml', {}, loader);
      } catch (e) {
        assert.instance(e, ConfigError);
        return (e as Error).message.split('\n');
      }
      return [];
    };
    assert.match(told(text)[0], /^x\.yaml:7: apps\.3\.module: is missing/);
    const [node, none, wrong, ...rest] = told(text.replace('  - { type: wasi, node: a }\n', ''));
    assert.match(node, /^x\.yaml:4: apps\.0\.node: there is no node `c`: use one of a, b/);
    assert.match(none, /^x\.yaml:5: apps\.1\.module: cannot read .*none\.wasm \(ENOENT\): build it/);
    assert.match(wrong, /^x\.yaml:6: apps\.2\.module: .*text\.wasm is no WebAssembly module: build one with clang/);
    assert.equal(rest, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a module with imports that no program is given is refused by name', async () => {
  // (module (import "env" "magic" (func)) (memory (export "memory") 1) (func (export "_start")))
  const bytes = Uint8Array.from([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 13, 1, 3, 101, 110, 118, 5, 109, 97, 103, 105, 99, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1,
    7, 19, 2, 6, 109, 101, 109, 111, 114, 121, 2, 0, 6, 95, 115, 116, 97, 114, 116, 0, 1, 10, 4, 1, 2, 0, 11,
  ]);
  const file = join(tmpdir(), `nuse-magic-${process.pid}.wasm`);
  writeFileSync(file, bytes);
  try {
    const error = await runApps([{ type: 'wasi', name: 'app', node: 'a', module: file }]).catch((e: Error) => e);
    assert.match((error as Error).message, /application app: its module imports env\.magic, which no WASI program is given/);
  } finally {
    rmSync(file);
  }
});

test('the header for C names every call of the import module', () => {
  const header = readFileSync(new URL('../../../../sdk/wasi/nuse_socket.h', import.meta.url), 'utf8'), guide = readFileSync(new URL('../../../../host/sim/wasi/socket_calls.ts', import.meta.url), 'utf8');
  const declared = [...header.matchAll(/^NUSE_IMPORT\((\w+)\)/gm)].map((m) => m[1]).sort();
  const given = [...guide.matchAll(/^ {6}(\w+): \(/gm)].map((m) => m[1]).sort();
  assert.ok(declared.length > 10);
  assert.equal(declared, given);
});

test.run();
