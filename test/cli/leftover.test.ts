// limit: 180 s
// What a stack leaves behind when it ends, by itself or by kill -9: no process, no device, no namespace; programs are told.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, processes, type Program } from '../interop/lab.js';

const test = suite('cli: what is left behind');
const lab = new Lab();
const STACKS = { ...process.env, XDG_RUNTIME_DIR: lab.dir };
const nuse = (args: string[]) => spawnSync(NUSE[0], [...NUSE.slice(1), ...args], { encoding: 'utf8', env: STACKS, timeout: 20000 });
test.after(async () => {
  nuse(['down', 'pair']);
  await lab.close();
});

const CONF = (tap: string) => `interface eth0\n viftype TAP\n dev ${tap}\n address 192.0.2.10/24\n address6 2001:db8::10/64\n`;
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));

async function eventually(what: string, met: () => boolean, ms = 5000): Promise<void> {
  for (const end = Date.now() + ms; !met(); await sleep(20)) if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
}
const links = (ns: string) => lab.ip(ns, '-br link').split('\n').map((l) => l.split(' ')[0]).filter(Boolean);

/** Network namespaces in use by processes, by inode. */
function namespaces(): Set<string> {
  const out = new Set<string>();
  for (const pid of readdirSync('/proc').filter((d) => /^\d+$/.test(d))) {
    try {
      out.add(readlinkSync(`/proc/${pid}/ns/net`));
    } catch (e) {
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((e as NodeJS.ErrnoException).code ?? '')) throw e;
    }
  }
  return out;
}

/** Processes that are not zombies. */
const living = (mark: string) => processes(mark).filter((pid) => existsSync(`/proc/${pid}/status`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));

/** The runtime's process: `nuse` execs through `ip netns exec`, so it is the child itself. */
const runtime = (p: Program): number => p.child.pid!;

test('a TAP that nuse made goes with it; one that was there stays', async () => {
  const ns = lab.netns('t');
  const before = namespaces();
  const end = await lab.nuse(ns, ['-c', lab.file('t.conf', CONF('nuse-eth0')), '--', 'true']).finish();
  assert.is(end.code, 0, end.stderr);
  assert.equal(links(ns), ['lo']);
  lab.tap(ns, 'mytap');
  const second = await lab.nuse(ns, ['-c', lab.file('m.conf', CONF('mytap')), '--', 'true']).finish();
  assert.is(second.code, 0, second.stderr);
  assert.equal(links(ns), ['lo', 'mytap']);
  await eventually('no new namespace is left', () => [...namespaces()].every((n) => before.has(n)));
});

test('kill -9 of the runtime: the TAP and its namespaces are gone, no process of the stack is left', async () => {
  const ns = lab.netns('k'), conf = lab.file('k.conf', CONF('nuse-eth0'));
  const before = namespaces();
  const p = lab.nuse(ns, ['-c', conf, '--', 'sh', '-c', 'echo ready; exec sleep 47']);
  await p.until(/ready/);
  assert.ok(links(ns).includes('nuse-eth0'));
  process.kill(runtime(p), 'SIGKILL');
  await eventually('the TAP is gone', () => !links(ns).includes('nuse-eth0'));
  await eventually('no process of the stack', () => living(conf).length === 0);
  // sleep(1) uses no network: as a child of a killed shell would, it goes on. Its end ends its namespace.
  for (const pid of living('sleep 47')) process.kill(pid, 'SIGKILL');
  await eventually('no new namespace is left', () => [...namespaces()].every((n) => before.has(n)));
  await p.done;
});

test('kill -9 of the runtime while curl downloads: curl ends with an error at once', async () => {
  const ns = lab.netns('c');
  lab.tap(ns, 'tap0');
  lab.addr(ns, 'tap0', '192.0.2.1/24');
  const www = join(lab.dir, 'www');
  mkdirSync(www);
  spawnSync('truncate', ['-s', '8G', join(www, 'big')]);
  const server = lab.run(ns, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--bind', '192.0.2.1', '--directory', www]);
  await server.until(/Serving/);
  const conf = lab.file('c.conf', CONF('tap0'));
  const script = 'curl -s -o /dev/null --limit-rate 20M http://192.0.2.1:8000/big; echo "curl: $?"';
  const p = lab.nuse(ns, ['-c', conf, '--', 'sh', '-c', `echo ready; ${script}`]);
  await p.until(/ready/);
  await server.until(/GET \/big/);
  await sleep(500);
  const start = Date.now();
  process.kill(runtime(p), 'SIGKILL');
  await p.until(/curl: \d+/, 3000);
  assert.ok(Date.now() - start < 2000, `${Date.now() - start} ms`);
  assert.match(p.stdout, /curl: (18|55|56)/);
  await eventually('no process of the stack', () => living(conf).length === 0 && living('http://192.0.2.1:8000/big').length === 0);
  assert.equal(links(ns), ['lo', 'tap0']);
});

test('a named stack gives back everything its programs held: descriptors, sockets, buffers', async () => {
  const env = { ...process.env, XDG_RUNTIME_DIR: lab.dir };
  const nuse = (args: string[]) => spawnSync(NUSE[0], [...NUSE.slice(1), ...args], { encoding: 'utf8', env, timeout: 30000 });
  assert.is(nuse(['up', 'count']).status, 0);
  const { pid } = (JSON.parse(nuse(['ps', '--json']).stdout) as { pid: number }[])[0];
  const descriptors = () => readdirSync(`/proc/${pid}/fd`).length;
  const usage = () => (JSON.parse(nuse(['stats', 'count', '--json']).stdout) as { usage: { sockets: number; chunks: number } }).usage;
  const program = `
import socket, os
listener = socket.create_server(("127.0.0.1", 0))
held = []
for i in range(60):
    c = socket.create_connection(listener.getsockname()); s, _ = listener.accept()
    c.sendall(b"x" * 100000); held += [c, s]
    held.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
if not os.fork():
    os._exit(0)
os.kill(os.getpid(), 9) if os.environ.get("DIE") else None
`;
  const run = (die: string) => spawnSync(NUSE[0], [...NUSE.slice(1), 'exec', 'count', '--', '/usr/bin/python3', '-c', program], { encoding: 'utf8', env: { ...env, DIE: die }, timeout: 30000 });
  // What the stack keeps for the next programs comes with the first ones.
  for (let i = 0; i < 2; i++) assert.is(run('').status, 0);
  await eventually('the first runs are over', () => usage().sockets === 0);
  await sleep(500);
  const before = descriptors();
  for (const die of ['', '1', '']) assert.is(run(die).status, die ? 137 : 0);
  await eventually('no socket is left', () => usage().sockets === 0);
  await eventually('no descriptor is left', () => descriptors() <= before);
  assert.is(usage().chunks, 0);
  assert.is(nuse(['down', 'count']).status, 0);
});

test('two programs of one named stack talk to each other, and down leaves nothing', async () => {
  const before = namespaces();
  assert.is(nuse(['up', 'pair']).status, 0);
  const server = lab.nuse(lab.netns('p'), ['exec', 'pair', '--', '/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--bind', '127.0.0.1', '--directory', lab.dir], { env: STACKS });
  await server.until(/Serving/);
  lab.file('page', 'between two programs\n');
  const curl = nuse(['exec', 'pair', '--', 'curl', '-s', 'http://127.0.0.1:8000/page']);
  assert.is(curl.stdout, 'between two programs\n', curl.stderr);
  assert.is(nuse(['down', 'pair']).status, 0);
  assert.is((await server.finish()).code, 143);
  assert.equal(readdirSync(join(lab.dir, 'nuse')), []);
  await eventually('no new namespace is left', () => [...namespaces()].every((n) => before.has(n)));
});

test.run();
