// The examples of the application API, each between two stacks in memory and over a TAP with a program of the kernel at the other end.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, ROOT, type Program } from '../interop/lab.js';

const test = suite('examples: the application API');
const example = (name: string): string => join(ROOT, 'examples/api', name);

const PRINTED: Record<string, string> = {
  'http.mjs': 'serving on port 80\nGET /: 200 hello ::ffff:192.0.2.2, you asked for /\nGET /again: 200 hello ::ffff:192.0.2.2, you asked for /again\n',
  'udp_echo.mjs': 'echoing on port 7\none from 192.0.2.1:7\ntwo from 192.0.2.1:7\nthree from 192.0.2.1:7\n',
  'blocking.mjs': 'serving on port 80\nHTTP/1.0 200 OK\r\n\r\nyou sent 35 bytes\n',
};
for (const [name, printed] of Object.entries(PRINTED)) {
  test(`${name}: two stacks in memory`, () => {
    const r = spawnSync(process.execPath, [example(name)], { encoding: 'utf8', timeout: 60000 });
    assert.equal([r.status, r.stdout, r.stderr], [0, printed, '']);
  });
}

const US = '192.0.2.10', PEER = '192.0.2.1';
const lab = new Lab();
let ns = '', conf = '';
test.before(() => {
  ns = lab.netns('e');
  lab.tap(ns, 'tap0');
  lab.addr(ns, 'tap0', `${PEER}/24`);
  conf = lab.file('api.conf', `interface eth0\n viftype TAP\n dev tap0\n address ${US}/24\n`);
});
test.after(() => lab.close());

const start = (name: string, ...args: string[]): Program => lab.run(ns, [process.execPath, example(name), '--config', conf, ...args]);
const python = (code: string): Program => lab.run(ns, ['/usr/bin/python3', '-u', '-c', code]);
/** The output of a program that ends by itself. */
async function output(p: Program): Promise<string> {
  const { code, stdout, stderr } = await p.finish();
  assert.is(code, 0, `${p.label}: ${stdout}${stderr}`);
  return stdout;
}
/** An example that serves, asked by a program, then interrupted: what the program says. */
async function served(name: string, ready: RegExp, ask: () => Program): Promise<string> {
  const server = start(name);
  await server.until(ready);
  const said = await output(ask());
  server.kill('SIGINT');
  assert.is((await server.finish()).code, 0, server.stderr);
  return said;
}

test('http.mjs over a TAP: curl asks it, and it asks a server of the kernel', async () => {
  const curl = (): Program => lab.run(ns, ['curl', '-sS', '-m', '20', `http://${US}/x?y`, `http://${US}/z`]);
  assert.is(await served('http.mjs', /serving/, curl), `hello ::ffff:${PEER}, you asked for /x?y\nhello ::ffff:${PEER}, you asked for /z\n`);
  lab.file('index.html', 'a page');
  lab.file('again', 'another');
  const server = lab.run(ns, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--directory', lab.dir]);
  await server.until(/Serving/);
  assert.is(await output(start('http.mjs', PEER, '8000')), 'GET /: 200 a page\nGET /again: 200 another\n');
  const said = await output(start('blocking.mjs', PEER, '8000'));
  assert.match(said, /^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\na page\n$/);
  server.kill();
});

test('blocking.mjs over a TAP: what it asks is served to curl, too', async () => {
  assert.match(await served('blocking.mjs', /serving/, () => lab.run(ns, ['curl', '-sS', '-m', '20', `http://${US}/`])), /^you sent \d+ bytes\n$/);
});

test('udp_echo.mjs over a TAP: both ways', async () => {
  const client = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\ns.sendto(b'ahoy', ('${US}', 7)); print(s.recvfrom(100))`;
  assert.is(await served('udp_echo.mjs', /echoing/, () => python(client)), `(b'ahoy', ('${US}', 7))\n`);
  const server = python(`import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('${PEER}', 7)); print('ready')\nwhile True: d, a = s.recvfrom(100); s.sendto(d.upper(), a)`);
  await server.until(/ready/);
  assert.is(await output(start('udp_echo.mjs', PEER)), `ONE from ${PEER}:7\nTWO from ${PEER}:7\nTHREE from ${PEER}:7\n`);
  server.kill();
});

test.run();
