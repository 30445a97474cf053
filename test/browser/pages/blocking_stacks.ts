// Two stacks in a worker: an echo server on one, a channel to the other for another worker.
import { LocalStack, MemoryVif, directSockets, openLocalChannel, parseConfig } from 'nuse/browser';

const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm'));
const [near, far] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
const make = (n: number, vif: MemoryVif): Promise<LocalStack> =>
  LocalStack.create({ module, config: parseConfig(`interface eth0\n address 192.0.2.${n}/24\n`, `stack ${n}`), vifs: { eth0: vif } });
const client = await make(1, near), server = await make(2, far);

const { readable } = await new (directSockets(server.sockets).TCPServerSocket)('192.0.2.2', { localPort: 7 }).opened;
void readable.pipeTo(new WritableStream({
  write(socket) { socket.readable.pipeTo(socket.writable).catch(() => undefined); },
}));
const { memory, port } = openLocalChannel(client);
onmessage = () => client.close();
postMessage({ memory, port }, { transfer: [port] });
