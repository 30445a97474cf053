// Breakpoints in the core of one node: with a debugger, which here is a client of the inspector protocol, and without.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BreakPlaces } from '../../host/debug/break_place.js';
import { PACKAGE_ROOT } from '../../host/cli/install.js';
import { CoreFile } from '../../host/cli/cores.js';
import { folder, nuse } from './command.js';
import { DebuggerClient } from './debugger.js';

const test = suite('sim: breakpoints');
const { dir, remove } = folder({ 'flow.yaml': 'duration: 0.5s\nlinks:\n  - { between: [client, server], rate: 10Mbit, delay: 20ms }\napps:\n  - { type: bulk, from: client, to: server }\n' });
const SCENARIO = join(dir, 'flow.yaml');
test.after(remove);
const debug = CoreFile.build('debug'), places = new BreakPlaces(debug.bytes, debug.sourceMap!);

interface Frame { functionName: string; location: { scriptId: string; lineNumber: number; columnNumber: number }; callFrameId: string }
interface Script { scriptId: string; url: string; sourceMapURL: string; scriptLanguage?: string }

const NUSE = join(PACKAGE_ROOT, 'bin/nuse.mjs');
type Look = (client: DebuggerClient, frames: Frame[], scripts: Map<string, Script>) => Promise<void>;
/** Run under a debugger that looks at each stop, at most `most`, and then lets go. */
async function debugged(command: readonly string[], most: number, look: Look): Promise<{ code: number; stdout: string; stops: number }> {
  const p = spawn(process.execPath, command, { cwd: PACKAGE_ROOT });
  let stdout = '', stderr = '', stops = 0;
  p.stdout.on('data', (d: Buffer) => { stdout += d.toString(); });
  const url = await new Promise<string>((resolve, reject) => {
    p.stderr.on('data', (d: Buffer) => {
      stderr += d.toString();
      const m = /Debugger listening on (ws:\/\/\S+)/.exec(stderr);
      if (m && (/waiting for a debugger/.test(stderr) || command[0] !== NUSE)) resolve(m[1]);
    });
    p.on('exit', () => reject(new Error(stderr)));
  });
  const exited = new Promise<number>((resolve) => p.on('exit', (code) => resolve(code!)));
  const client = await DebuggerClient.connect(url), scripts = new Map<string, Script>();
  let failure: unknown;
  client.on<Script>('Debugger.scriptParsed', (s) => scripts.set(s.scriptId, s));
  client.on<{ callFrames: Frame[]; reason: string }>('Debugger.paused', ({ callFrames, reason }) => void (async () => {
    if (reason === 'Break on start') {
      await client.call('Debugger.resume');
      return;
    }
    stops++;
    await look(client, callFrames, scripts);
    if (stops === most) await client.call('Debugger.setSkipAllPauses', { skip: true });
    await client.call('Debugger.resume');
    if (stops === most) client.close();
  })().catch((e: unknown) => {
    failure = e;
    client.close();
    p.kill('SIGKILL'); // it stands at the breakpoint
  }));
  await client.call('Debugger.enable');
  await client.call('Runtime.runIfWaitingForDebugger');
  const code = await exited;
  if (failure) throw failure as Error;
  return { code, stdout, stops };
}

test('a debugger stops in one node only, at a line of AssemblyScript, with the calls that led there', async () => {
  const plain = await nuse(['sim', SCENARIO]);
  const urls = new Set<string>(), lines = new Set<string>();
  const { code, stdout, stops } = await debugged([NUSE, 'sim', SCENARIO, '--break-node', 'server', '--break', 'tcpInput', '--inspect', '0'], 10, async (client, frames, scripts) => {
    const [top] = frames, script = scripts.get(top.location.scriptId)!;
    urls.add(script.url);
    const at = places.source(top.location.columnNumber)!;
    lines.add(`${at.file}:${at.line}`);
    assert.match(top.functionName, /tcpInput$/);
    assert.ok(frames.some((f) => /ipv4Deliver$/.test(f.functionName)) && frames.some((f) => f.functionName === 'turn'), frames.map((f) => f.functionName).join());
    assert.is(script.scriptLanguage, 'WebAssembly');
    const map = JSON.parse(Buffer.from(script.sourceMapURL.replace(/^data:[^,]*,/, ''), 'base64').toString()) as { sources: string[] };
    assert.ok(map.sources.some((s) => s.startsWith('file://') && s.endsWith('/assembly/transport/tcp/input.ts')));
    // What a person would type into the console.
    const { result } = await client.call<{ result: { value: string } }>('Debugger.evaluateOnCallFrame', {
      callFrameId: frames.find((f) => f.functionName === 'turn')!.callFrameId, expression: 'nuse.at()', returnByValue: true,
    });
    assert.match(result.value, /^\d\.\d{9} s$/);
  });
  assert.is(code, 0, stdout);
  assert.is(stops, 10);
  assert.is(urls.size, 1);
  assert.match([...urls][0], /^wasm:\/\/wasm\/server-[0-9a-f]+$/);
  assert.is(lines.size, 1);
  assert.match([...lines][0], /^assembly\/transport\/tcp\/input\.ts:\d+$/);
  // Neither the debug build nor the stops change the run.
  assert.is(/hash .*/.exec(stdout)![0], /hash .*/.exec(plain.stdout)![0]);
});

test('a replay stops as well', async () => {
  const file = join(dir, 'server.rec');
  await nuse(['sim', SCENARIO, '--record', `server=${file}`]);
  // Where every good segment passes.
  const line = 1 + readFileSync(join(PACKAGE_ROOT, 'assembly/transport/tcp/input.ts'), 'utf8').split('\n').findIndex((l) => l.includes('OPT.parse('));
  const { code, stops, stdout } = await debugged([NUSE, 'replay', file, '--break', `tcp/input.ts:${line}`, '--inspect', '0'], 2, (_, [top]) => {
    const at = places.source(top.location.columnNumber)!;
    assert.is(at.file, 'assembly/transport/tcp/input.ts');
    assert.ok(at.line >= line && at.line < line + 5, `${at.line}`);
    return Promise.resolve();
  });
  assert.is(code, 0);
  assert.is(stops, 2);
  assert.match(stdout, /as recorded/);
});

test('node started under a debugger needs no --inspect', async () => {
  const { code, stops } = await debugged(['--inspect-brk=0', NUSE, 'sim', SCENARIO, '--break-node', 'server', '--break', 'tcpInput'], 3, (_, [top], scripts) => {
    assert.match(scripts.get(top.location.scriptId)!.url, /^wasm:\/\/wasm\/server-/);
    return Promise.resolve();
  });
  assert.equal([code, stops], [0, 3]);
});

test('without a debugger, stops are told, and what to do', async () => {
  const plain = await nuse(['sim', SCENARIO]), { code, stdout, stderr } = await nuse(['sim', SCENARIO, '--break-node', '2', '--break', 'tcpInput', '--stops', '2']);
  assert.is(code, 0);
  assert.is(/hash .*/.exec(stdout)![0], /hash .*/.exec(plain.stdout)![0]);
  assert.is(stderr.match(/^nuse: node server stops at 0\.\d{9} s:$/gm)!.length, 2);
  assert.match(stderr, /^ {4}tcpInput \(assembly\/transport\/tcp\/input\.ts:\d+\)\n(?: {4}.*\n)* {4}poll \(assembly\/\S+:\d+\)$/m);
  assert.match(stderr, /no debugger is attached.*--inspect and open chrome:\/\/inspect, or start it from VS Code: docs\/debugging\.md/);
});

test('places that are none, and no node, are named with what there is', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await nuse(['sim', SCENARIO, ...args]);
    assert.is(code, 125);
    return stderr;
  };
  assert.match(await refused('--break-node', 'server', '--break', 'tcpInpu'), /no function `tcpInpu`.*\n.*names like it: assembly\/transport\/tcp\/input\/tcpInput/);
  assert.match(await refused('--break-node', 'server', '--break', 'nowhere.ts:3'), /no source `nowhere\.ts`/);
  assert.match(await refused('--break-node', 'serve', '--break', 'tcpInput'), /no node `serve`\n.*client, server/);
  assert.match(await refused('--break', 'tcpInput'), /no node to stop in\n.*--break-node NODE/);
});

test('a port that is taken is told, and not waited at', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const { code, stderr } = await nuse(['sim', SCENARIO, '--break-node', 'server', '--break', 'tcpInput', '--inspect', String(port)]);
    assert.is(code, 125);
    assert.match(stderr, new RegExp(`nuse: a debugger cannot be waited for at port ${port}\\n +give another one: --inspect PORT\\n$`));
  } finally {
    server.close();
  }
});

test.run();
