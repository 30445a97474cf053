// Two stacks in a page, an HTTP server on one and a client on the other. The page has no network of its own here: every frame
// between the two is made and read by core.wasm.
import { LocalStack, MemoryVif, directSockets, parseConfig } from 'nuse/browser';
import { fetchOver, serveHttp } from './http.js';

const log = (line: string): void => { document.querySelector('#log')!.textContent += `${line}\n`; };

const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm'));
const [near, far] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
const client = await LocalStack.create({ module, config: parseConfig('interface eth0\n address 192.0.2.1/24\n', 'client'), vifs: { eth0: near } });
const server = await LocalStack.create({ module, config: parseConfig('interface eth0\n address 192.0.2.2/24\n', 'server'), vifs: { eth0: far } });

const { TCPServerSocket } = directSockets(server.sockets), listener = new TCPServerSocket('0.0.0.0', { localPort: 80 });
const serving = serveHttp(listener, async (request) => {
  if (request.method === 'POST') return new Response(`you sent ${(await request.arrayBuffer()).byteLength} bytes`);
  return new Response(`hello from ${new URL(request.url).host}\n`, { headers: { 'content-type': 'text/plain' } });
});

const here = directSockets(client.sockets);
log(`GET: ${await (await fetchOver(here, 'http://192.0.2.2/')).text()}`);
const start = performance.now(), size = 16 << 20;
log(`POST: ${await (await fetchOver(here, 'http://192.0.2.2/', { method: 'POST', body: new Uint8Array(size) })).text()}`);
log(`that is ${Math.round(size * 8 / (performance.now() - start) / 1000)} Mbit/s`);
await fetchOver(here, 'http://192.0.2.2:81/').catch((error: Error & { code: string }) => log(`port 81: ${error.code}`));
client.close();
server.close();
await serving.catch((error: Error & { code: string }) => log(`the server: ${error.code}`));
log('closed');
