// A UDP echo server, and a client of one. See stacks.mjs for how to run it.
import { once } from 'node:events';
import { run } from './stacks.mjs';

async function serve(stack) {
  const socket = stack.createSocket('udp4');
  socket.on('message', (data, from) => socket.send(data, from.port, from.address));
  socket.bind(7);
  await once(socket, 'listening');
  console.log('echoing on port 7');
  return socket;
}

async function ask(stack, host, port) {
  const socket = stack.createSocket('udp4');
  for (const word of ['one', 'two', 'three']) {
    socket.send(word, port, host);
    const [data, from] = await once(socket, 'message', { signal: AbortSignal.timeout(5000) });
    console.log(`${data} from ${from.address}:${from.port}`);
  }
  socket.close();
}

await run({ port: 7, serve, ask });
