// What the streams form of the API promises, as cases that run wherever it runs: in Node, in a page, in a worker.
import * as assert from 'uvu/assert';
import { LocalStack, MemoryVif, directSockets, parseConfig, type DirectSockets, type TCPServerSocket, type TCPSocket } from 'nuse/browser';

export interface Ends {
  /** Two stacks on one cable: 192.0.2.1 and 192.0.2.2, 2001:db8::1 and 2001:db8::2. */
  a: LocalStack;
  b: LocalStack;
  A: DirectSockets;
  B: DirectSockets;
}

const A4 = '192.0.2.1';
export const B4 = '192.0.2.2', B6 = '2001:db8::2';
const PORT = 80, NOBODY = '192.0.2.99';

export async function stacks(module: WebAssembly.Module): Promise<Ends> {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  const make = (n: number, vif: MemoryVif): Promise<LocalStack> =>
    LocalStack.create({ module, config: parseConfig(`interface eth0\n address 192.0.2.${n}/24\n address6 2001:db8::${n}/64\n`, `stack ${n}`), vifs: { eth0: vif } });
  const a = await make(1, x), b = await make(2, y);
  return { a, b, A: directSockets(a.sockets), B: directSockets(b.sockets) };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(() => { throw new Error('did not fail'); }, (error: Error) => error);
}

export async function listen({ B }: Ends, address = B4): Promise<TCPServerSocket> {
  const server = new B.TCPServerSocket(address, { localPort: PORT });
  await server.opened;
  return server;
}

async function accept(server: TCPServerSocket): Promise<TCPSocket> {
  const reader = server.readable.getReader(), { value } = await reader.read();
  reader.releaseLock();
  return value!;
}

/** A connection from a to b. */
async function connection(ends: Ends, address = B4): Promise<{ client: TCPSocket; peer: TCPSocket; server: TCPServerSocket }> {
  const server = await listen(ends, address), client = new ends.A.TCPSocket(address, PORT);
  return { server, client, peer: await accept(server) };
}

async function write(socket: TCPSocket, data: Uint8Array | string): Promise<void> {
  const writer = socket.writable.getWriter();
  await writer.write(typeof data === 'string' ? new TextEncoder().encode(data) : data);
  writer.releaseLock();
}

async function rest(readable: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(readable).arrayBuffer());
}
const text = async (socket: TCPSocket): Promise<string> => new TextDecoder().decode(await rest(socket.readable));

/** Bytes that differ everywhere. */
export function pattern(n: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(n / 4));
  for (let i = 0, x = seed; i < words.length; i++) words[i] = x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  return new Uint8Array(words.buffer, 0, n);
}
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', data)), (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Write into the socket until it takes no more for a while; how much that was. Fails when it never stops. */
async function stuff(socket: TCPSocket, chunk: Uint8Array, most: number): Promise<{ sent: number; writer: WritableStreamDefaultWriter<ArrayBufferView> }> {
  const writer = socket.writable.getWriter();
  let sent = 0;
  while (sent < most) {
    const ready = await Promise.race([writer.ready.then(() => true), sleep(300).then(() => false)]);
    if (!ready) return { sent, writer };
    writer.write(chunk).catch(() => undefined);
    sent += chunk.length;
  }
  throw new Error(`took ${sent} bytes that nobody reads`);
}

export type Case = (ends: Ends) => Promise<void>;

export const CASES: Record<string, Case> = {
  'request and answer after the half-close, names at both ends': async (ends) => {
    const { server, client, peer } = await connection(ends), seen = await client.opened, met = await peer.opened;
    assert.is(`${seen.remoteAddress} ${seen.remotePort} ${seen.localAddress}`, `${B4} ${PORT} ${A4}`);
    assert.equal([met.remoteAddress, met.remotePort, met.localPort], [A4, seen.localPort, PORT]);
    assert.is(seen.readable, client.readable);
    await write(client, 'hello');
    await client.writable.close();
    assert.is(await text(peer), 'hello');
    await write(peer, 'goodbye');
    await peer.writable.close();
    assert.is(await text(client), 'goodbye');
    await Promise.all([client.closed, peer.closed]);
    await server.close();
    await server.closed;
    assert.equal([ends.a.sockets.size, ends.b.sockets.size], [0, 0]);
  },

  'the streams may be used before the connection stands': async (ends) => {
    const server = await listen(ends, B6), client = new ends.A.TCPSocket(B6, PORT);
    const answer = text(client);
    await write(client, 'early');
    await client.writable.close();
    const peer = await accept(server);
    await peer.readable.pipeTo(peer.writable);
    assert.is(await answer, 'early');
  },

  'megabytes both ways at once, whole': async (ends) => {
    const { client, peer } = await connection(ends), there = pattern(5_000_003), back = pattern(3_000_001, 7);
    const [a, b] = await Promise.all([
      rest(client.readable), rest(peer.readable), new Blob([there]).stream().pipeTo(client.writable), new Blob([back]).stream().pipeTo(peer.writable),
    ]);
    assert.equal([a.length, b.length], [back.length, there.length]);
    assert.equal([await sha256(a), await sha256(b)], [await sha256(back), await sha256(there)]);
  },

  'a reader brings its own buffers': async (ends) => {
    const { client, peer } = await connection(ends), data = pattern(1000);
    await write(client, data);
    const reader = peer.readable.getReader({ mode: 'byob' }), got: number[] = [];
    let buffer = new Uint8Array(7), end = false;
    while (!end) {
      const reading = reader.read(buffer);
      // The end comes while a read waits for it.
      if (got.length === data.length) await client.writable.close();
      const { value, done } = await reading;
      assert.ok(value && value.byteLength <= 7);
      got.push(...value);
      end = done;
      buffer = new Uint8Array(value.buffer, 0, 7);
    }
    assert.equal(got, [...data]);
  },

  'reads that wait are served in turn': async (ends) => {
    const { client, peer } = await connection(ends), reader = peer.readable.getReader();
    const reads = [reader.read(), reader.read(), reader.read()];
    await write(client, 'one');
    assert.is(new TextDecoder().decode((await reads[0]).value), 'one');
    await write(client, 'two');
    assert.is(new TextDecoder().decode((await reads[1]).value), 'two');
    await client.writable.close();
    assert.is((await reads[2]).done, true);
  },

  'a reader who does not read closes the window, and the writer waits': async (ends) => {
    const { client, peer } = await connection(ends), chunk = pattern(100_000);
    const { sent, writer } = await stuff(client, chunk, 64 << 20);
    assert.ok(writer.desiredSize! <= 0);
    const reading = rest(peer.readable);
    await writer.ready;
    await writer.close();
    assert.is((await reading).length, sent);
  },

  'a refused connection': async (ends) => {
    const client = new ends.A.TCPSocket(B4, 81);
    const error = await failure(client.opened);
    assert.is(error.code, 'ECONNREFUSED');
    assert.is(await failure(client.closed), error);
    assert.is(await failure(client.readable.getReader().read()), error);
    assert.is(await failure(write(client, 'x')), error);
    assert.is(ends.a.sockets.size, 0);
  },

  'an address nobody has': async (ends) => {
    assert.is((await failure(new ends.A.TCPSocket(NOBODY, PORT).opened)).code, 'EHOSTUNREACH');
    assert.is((await failure(new ends.A.TCPSocket('203.0.113.1', PORT).opened)).code, 'ENETUNREACH');
    assert.instance(await failure(new ends.A.TCPSocket('a.name', PORT).opened), TypeError);
  },

  'a signal ends a connection attempt': async (ends) => {
    const abort = new AbortController(), client = new ends.A.TCPSocket(NOBODY, PORT, { signal: abort.signal }), reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 20);
    assert.is(await failure(client.opened), reason);
    assert.is(await failure(client.closed), reason);
    assert.is(ends.a.sockets.size, 0);
    assert.is((await failure(new ends.A.TCPSocket(NOBODY, PORT, { signal: AbortSignal.timeout(5) }).opened)).name, 'TimeoutError');
    assert.is(await failure(new ends.A.TCPSocket(B4, PORT, { signal: AbortSignal.abort(reason) }).opened), reason);
  },

  'aborting resets: both ends and pending calls hear of it': async (ends) => {
    const { client, peer } = await connection(ends), reason = new Error('my reason');
    await client.opened;
    const reading = failure(client.readable.getReader().read()), theirs = failure(peer.readable.getReader().read());
    await client.writable.abort(reason);
    assert.is(await reading, reason);
    assert.is(await failure(client.closed), reason);
    assert.is((await theirs).code, 'ECONNRESET');
    assert.is((await failure(peer.closed)).code, 'ECONNRESET');
    assert.equal([ends.a.sockets.size, ends.b.sockets.size], [0, 1]);
  },

  'a signal ends an open connection': async (ends) => {
    const server = await listen(ends), abort = new AbortController(), client = new ends.A.TCPSocket(B4, PORT, { signal: abort.signal });
    const peer = await accept(server);
    await client.opened;
    abort.abort();
    assert.is((await failure(client.closed)).name, 'AbortError');
    assert.is((await failure(peer.closed)).code, 'ECONNRESET');
  },

  'a reset ends a write that waits': async (ends) => {
    const { client, peer } = await connection(ends), { writer } = await stuff(client, pattern(100_000), 64 << 20);
    const waiting = failure(writer.ready);
    await peer.writable.abort();
    assert.is((await waiting).code, 'ECONNRESET');
    assert.is((await failure(client.closed)).code, 'ECONNRESET');
  },

  'cancelling the readable: what comes is thrown away, the writable goes on': async (ends) => {
    const { client, peer } = await connection(ends);
    await client.opened;
    await client.readable.cancel();
    await new Blob([pattern(9_000_000)]).stream().pipeTo(peer.writable);
    await write(client, 'still here');
    await client.writable.close();
    assert.is(await text(peer), 'still here');
    await Promise.all([client.closed, peer.closed]);
    assert.is(ends.a.sockets.size, 0);
  },

  'close() wants unlocked streams, and ends both directions': async (ends) => {
    const { client, peer } = await connection(ends);
    await client.opened;
    const reader = client.readable.getReader();
    assert.is((await failure(client.close())).name, 'InvalidStateError');
    reader.releaseLock();
    await client.close();
    assert.is(await text(peer), '');
    await peer.close();
    await peer.closed;
    assert.is((await failure(new ends.A.TCPSocket(NOBODY, PORT).close())).name, 'InvalidStateError');
  },

  'a listener: the port in use, the locked stream, connections nobody accepted': async (ends) => {
    const server = await listen(ends), second = new ends.B.TCPServerSocket(B4, { localPort: PORT });
    assert.is((await failure(second.opened)).code, 'EADDRINUSE');
    assert.is((await failure(second.readable.getReader().read())).code, 'EADDRINUSE');
    const client = new ends.A.TCPSocket(B4, PORT);
    await client.opened;
    const reader = server.readable.getReader();
    assert.is((await failure(server.close())).name, 'InvalidStateError');
    await reader.cancel();
    await server.closed;
    assert.is((await failure(client.closed)).code, 'ECONNRESET');
    assert.is((await failure(new ends.A.TCPSocket(B4, PORT).opened)).code, 'ECONNREFUSED');
    const any = new ends.B.TCPServerSocket('::');
    assert.ok((await any.opened).localPort > 0);
    const abort = new AbortController(), ended = new ends.B.TCPServerSocket(B4, { signal: abort.signal });
    abort.abort();
    assert.is((await failure(ended.closed)).name, 'AbortError');
    assert.is(ends.b.sockets.size, 1);
  },

  'a hundred connections at once': async (ends) => {
    const server = await listen(ends);
    const serving = server.readable.pipeTo(new WritableStream({
      write: (s) => { void s.readable.pipeTo(s.writable); },
    }));
    await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const client = new ends.A.TCPSocket(B4, PORT), data = pattern(20_000, i);
      const [got] = await Promise.all([rest(client.readable), write(client, data).then(() => client.writable.close())]);
      assert.is(await sha256(got), await sha256(data));
      await client.closed;
    }));
    assert.is(ends.a.sockets.size, 0);
    ends.b.close();
    assert.is((await failure(serving)).code, 'ECONNRESET');
  },

  'through a transform: gzip in, gunzip out': async (ends) => {
    const { client, peer } = await connection(ends), data = pattern(300_000).map((b) => b & 15);
    const sending = new Blob([data]).stream().pipeThrough(new CompressionStream('gzip')).pipeTo(client.writable);
    const got = await rest(peer.readable.pipeThrough(new DecompressionStream('gzip')) as ReadableStream<Uint8Array<ArrayBuffer>>);
    await sending;
    assert.is(await sha256(got), await sha256(data));
  },

  'what can be written, and what an option may be': async (ends) => {
    const { client, peer } = await connection(ends), writer = client.writable.getWriter();
    await writer.write(new Uint8Array([1, 2]).buffer);
    await writer.write(new DataView(new Uint8Array([9, 3, 4, 9]).buffer, 1, 2));
    await writer.write(new Uint8Array(0));
    await writer.close();
    assert.equal([...await rest(peer.readable)], [1, 2, 3, 4]);
    assert.throws(() => new ends.A.TCPSocket(B4, PORT, { keepAliveDelay: 10 }), (e: Error) => e instanceof TypeError);
    assert.throws(() => new ends.A.TCPSocket(B4, PORT, { sendBufferSize: 0 }), (e: Error) => e instanceof TypeError);
    assert.throws(() => new ends.A.UDPSocket({}), (e: Error) => e instanceof TypeError);
    const socket = new ends.A.TCPSocket(B4, 81, { noDelay: true, keepAliveDelay: 2000, sendBufferSize: 65536, receiveBufferSize: 65536, localAddress: A4, localPort: 4321 });
    assert.is((await failure(socket.opened)).code, 'ECONNREFUSED');
  },

  'datagrams: bound and connected, whole, with their senders': async ({ A, B }) => {
    const server = new B.UDPSocket({ localAddress: B4, localPort: 53 }), client = new A.UDPSocket({ remoteAddress: B4, remotePort: 53 });
    const { localPort, remotePort } = await client.opened;
    assert.is(remotePort, 53);
    const writer = client.writable.getWriter(), reader = server.readable.getReader();
    for (const n of [0, 1, 1472, 9000]) {
      await writer.write({ data: pattern(n) });
      const { value } = await reader.read();
      assert.equal([...value!.data], [...pattern(n)]);
      assert.equal([value!.remoteAddress, value!.remotePort], [A4, localPort]);
    }
    await server.writable.getWriter().write({ data: pattern(3), remoteAddress: A4, remotePort: localPort });
    assert.is((await client.readable.getReader().read()).value!.data.length, 3);
  },

  'datagrams: a port nobody has': async ({ A }) => {
    const client = new A.UDPSocket({ remoteAddress: B4, remotePort: 9 }), reader = client.readable.getReader();
    await client.opened;
    const reading = failure(reader.read());
    await client.writable.getWriter().write({ data: pattern(5) });
    assert.is((await reading).code, 'ECONNREFUSED');
    assert.is((await failure(client.closed)).code, 'ECONNREFUSED');
  },

  'datagrams: a reader that is slow loses what the buffer cannot hold, not more': async ({ A, B }) => {
    const server = new B.UDPSocket({ localAddress: B4, localPort: 53, receiveBufferSize: 20_000 }), client = new A.UDPSocket({ remoteAddress: B4, remotePort: 53 });
    await server.opened;
    const writer = client.writable.getWriter();
    for (let i = 0; i < 200; i++) await writer.write({ data: pattern(1000, i) });
    await sleep(20);
    const reader = server.readable.getReader();
    let n = 0;
    while (await Promise.race([reader.read().then(() => true), sleep(50).then(() => false)])) n++;
    assert.ok(n >= 10 && n < 100, `${n} of 200`);
  },

  'closing a stack ends what it has: everyone hears of it': async (ends) => {
    const { server, client, peer } = await connection(ends), mine = failure(client.readable.getReader().read()), theirs = failure(peer.readable.getReader().read());
    await client.opened;
    ends.a.close();
    assert.is((await mine).code, 'ECONNRESET');
    assert.is((await failure(client.closed)).code, 'ECONNRESET');
    assert.is((await theirs).code, 'ECONNRESET');
    assert.is((await failure(new ends.A.TCPSocket(B4, PORT).opened)).code, 'ECONNRESET');
    await server.close();
  },
};

/** Longest time of one case, ms. */
const LIMIT = 30000;

/** Run one case on stacks of its own; why it failed, or ''. */
export async function runCase(name: string, module: WebAssembly.Module): Promise<string> {
  const ends = await stacks(module);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`not done within ${LIMIT} ms`)), LIMIT); });
  try {
    await Promise.race([CASES[name](ends), late]);
    return '';
  } catch (error) {
    return (error as Error).stack ?? String(error);
  } finally {
    clearTimeout(timer);
    ends.a.close();
    ends.b.close();
  }
}
