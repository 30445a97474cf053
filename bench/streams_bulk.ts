// TCP bulk between two stacks in one thread, by the streams API: what can be had of it where JavaScript runs.
import { LocalStack, MemoryVif, directSockets, parseConfig } from 'nuse/browser';

/** Bytes of each write, and of the buffer of each read. */
const CHUNK = 256 << 10;

/** Mbit/s that arrive, over `seconds`. */
export async function streamsBulk(module: WebAssembly.Module, seconds: number): Promise<number> {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  const make = (n: number, vif: MemoryVif): Promise<LocalStack> =>
    LocalStack.create({ module, config: parseConfig(`interface eth0\n address 192.0.2.${n}/24\n`, `stack ${n}`), vifs: { eth0: vif } });
  const a = await make(1, x), b = await make(2, y);
  const { readable: connections } = await new (directSockets(b.sockets).TCPServerSocket)('192.0.2.2', { localPort: 80 }).opened;
  const client = new (directSockets(a.sockets).TCPSocket)('192.0.2.2', 80), { value: peer } = await connections.getReader().read();
  const [rate] = await Promise.all([take(peer!.readable, seconds), give(client.writable, seconds)]);
  await peer!.writable.close();
  await client.readable.cancel();
  await Promise.all([client.closed, peer!.closed]);
  a.close();
  b.close();
  return rate;
}

async function give(writable: WritableStream<ArrayBufferView>, seconds: number): Promise<void> {
  const writer = writable.getWriter(), chunk = new Uint8Array(CHUNK);
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    await writer.ready;
    void writer.write(chunk);
  }
  await writer.close();
}

/** The rate of what arrives after the first tenth of the time, in which the windows grow. */
async function take(readable: ReadableStream<Uint8Array<ArrayBuffer>>, seconds: number): Promise<number> {
  const reader = readable.getReader({ mode: 'byob' }), start = performance.now();
  let buffer = new Uint8Array(CHUNK), bytes = 0, from = 0;
  for (;;) {
    const { value, done } = await reader.read(buffer);
    if (done) break;
    if (from) bytes += value.length;
    else if (performance.now() - start > seconds * 100) from = performance.now();
    buffer = new Uint8Array(value.buffer);
  }
  return bytes * 8 / 1000 / (performance.now() - from);
}
