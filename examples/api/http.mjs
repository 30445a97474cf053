// An HTTP server and client: Node's own http, over connections of a stack. See stacks.mjs for how to run it.
import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { run } from './stacks.mjs';

async function serve(stack) {
  const web = http.createServer((request, response) => {
    response.end(`hello ${request.socket.remoteAddress}, you asked for ${request.url}\n`);
  });
  // The stack listens; what it accepts is given to the HTTP server.
  const listener = stack.createServer((socket) => web.emit('connection', socket)).listen(80);
  await once(listener, 'listening');
  console.log('serving on port 80');
  return listener;
}

async function ask(stack, host, port) {
  for (const path of ['/', '/again']) {
    const request = http.get({ host, port, path, createConnection: stack.createConnection });
    const [response] = await once(request, 'response');
    console.log(`GET ${path}: ${response.statusCode} ${await text(response)}`.trimEnd());
  }
}

await run({ port: 80, serve, ask });
