// A client that blocks: straight-line code in a worker thread, while the stack runs elsewhere. See stacks.mjs for how to run it.
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openChannel } from 'nuse';
import { run } from './stacks.mjs';

async function serve(stack) {
  const server = stack.createServer((socket) => {
    socket.once('data', (request) => socket.end(`HTTP/1.0 200 OK\r\n\r\nyou sent ${request.length} bytes\n`));
  });
  server.listen(80);
  await once(server, 'listening');
  console.log('serving on port 80');
  return server;
}

/** Start the worker with a channel to the stack, and print what it has found. */
async function ask(stack, host, port) {
  const { channel, close } = await stack.channel();
  const worker = new Worker(new URL(import.meta.url), { workerData: { channel, host, port }, transferList: channel.port ? [channel.port] : [] });
  const [answer] = await once(worker, 'message');
  console.log(answer.trimEnd());
  await close();
}

/** In the worker: each call returns when it is done, or throws after `timeout` ms. */
function get({ channel, host, port }) {
  const connection = openChannel(channel).connect({ host, port, timeout: 5000 });
  connection.write(new TextEncoder().encode(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`));
  let answer = '';
  for (let chunk; (chunk = connection.read(65536, 5000)).length;) answer += new TextDecoder().decode(chunk); // an empty one is the end
  connection.close();
  return answer;
}

if (isMainThread) await run({ port: 80, serve, ask });
else parentPort.postMessage(get(workerData));
