// Serves the example on 127.0.0.1: node examples/browser/serve.mjs [--port 8080] [--isolated]. Build first (npm run build).
// --isolated adds the headers of cross-origin isolation, with which a page has SharedArrayBuffer.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';

const { port, isolated } = parseArgs({ options: { port: { type: 'string', default: '8080' }, isolated: { type: 'boolean', default: false } } }).values;
const at = (path) => new URL(path, import.meta.url);
const FILES = {
  '/': at('index.html'), '/main.js': at('../../build/js/examples/browser/main.js'), '/http.js': at('../../build/js/examples/browser/http.js'),
  '/nuse/browser.js': at('../../build/browser/nuse.js'), '/nuse/core.wasm': at('../../build/core.wasm'),
};
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.wasm': 'application/wasm' };

const server = createServer(async (request, response) => {
  const file = FILES[new URL(request.url, 'http://localhost').pathname];
  if (isolated) response.setHeader('Cross-Origin-Opener-Policy', 'same-origin').setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  if (file) response.setHeader('Content-Type', TYPES[extname(file.pathname)]).end(await readFile(file));
  else response.writeHead(404).end();
});
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
