// A stack in a worker, at one end of a cable to another worker: a server that sends back the hash of what it gets, or its client.
import { LocalStack, directSockets, openPortVif, parseConfig, type CableEnd } from 'nuse/browser';
import { fetchOver, serveHttp } from '../../../examples/browser/http.js';
import { pattern, sha256 } from '../streams_cases.js';

/** What the page tells a worker; the client's answer is a CableOutcome. */
export interface CableStart {
  role: 'server' | 'client';
  end: CableEnd;
  bytes: number;
}
export interface CableOutcome {
  sent: string;
  arrived: string;
  /** What carries the frames. */
  dev: string;
}

onmessage = async ({ data: { role, end, bytes } }: MessageEvent<CableStart>) => {
  const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm')), n = role === 'server' ? 2 : 1;
  const vif = openPortVif({ name: 'eth0', mac: `02:00:00:00:00:0${n}` }, end);
  const stack = await LocalStack.create({ module, config: parseConfig(`interface eth0\n address 192.0.2.${n}/24\n`, role), vifs: { eth0: vif } });
  const sockets = directSockets(stack.sockets);
  if (role === 'server') {
    const listener = new sockets.TCPServerSocket('192.0.2.2', { localPort: 80 });
    await listener.opened;
    postMessage('ready');
    await serveHttp(listener, async (request) => new Response(await sha256(new Uint8Array(await request.arrayBuffer()))));
  } else {
    const body = pattern(bytes);
    const arrived = await (await fetchOver(sockets, 'http://192.0.2.2/', { method: 'POST', body })).text();
    stack.close();
    postMessage({ sent: await sha256(body), arrived, dev: vif.dev } satisfies CableOutcome);
  }
};
