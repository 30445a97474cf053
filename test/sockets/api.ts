// What every form of Stack must do, run over a pair of them: Node's own http, https, http2 and undici as judges.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Readable, Writable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { Agent, fetch, type Dispatcher } from 'undici';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Server } from '../../host/node/server.js';
import type { Socket } from '../../host/node/socket.js';
import type { Stack } from '../../host/node/stack.js';
import { CERT, KEY } from './tls.js';

export interface Stacks {
  client: Stack;
  server: Stack;
  /** IPv4 address of the server. */
  to: string;
  /** IPv4 address of the client. */
  from: string;
}

const listening = async (server: Server, port = 0): Promise<number> => {
  server.on('connection', (x: Socket) => x.on('error', () => undefined));
  server.listen(port);
  await once(server, 'listening');
  return server.address()!.port;
};
/** `n` bytes that repeat nowhere nearby. */
const pattern = (n: number): Buffer => Buffer.from(Uint32Array.from({ length: n >> 2 }, (_, i) => Math.imul(i, 2654435761)).buffer);
const sha = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');
const collect = (s: Readable | Duplex): Promise<Buffer> => new Promise((resolve, reject) => {
  const out: Buffer[] = [];
  s.on('data', (c: Buffer) => out.push(c)).once('end', () => resolve(Buffer.concat(out))).once('error', reject).resume();
});
const codeOf = async (e: Promise<unknown[]>): Promise<unknown> => ((await e)[0] as NodeJS.ErrnoException).code;

/** Answers with what it was sent, and the method and path. */
function echoServer(): http.Server {
  return http.createServer((q, r) => {
    r.setHeader('x-seen', `${q.method} ${q.url} ${q.socket.remoteAddress}`);
    q.pipe(r);
  });
}
function connector(stack: Stack, ca?: string): Dispatcher {
  return new Agent({
    connect: (o, callback) => {
      const socket = stack.connect({ host: o.hostname, port: Number(o.port) || (o.protocol === 'https:' ? 443 : 80) });
      const ready = o.protocol === 'https:' ? tls.connect({ socket, servername: o.servername ?? o.hostname, ca, ALPNProtocols: ['http/1.1'] }) : socket;
      ready.once(o.protocol === 'https:' ? 'secureConnect' : 'connect', () => callback(null, ready as never));
      ready.once('error', (e: Error) => callback(e, null));
    },
  });
}

/** Register the tests; `make` gives the pair they share. */
export function apiTests(test: Test, make: () => Stacks): void {
  streams(test, make);
  protocols(test, make);
  failures(test, make);
}

function streams(test: Test, make: () => Stacks): void {
  test('a connection: events in order, names, counters, half close', async () => {
    const { client, server, to, from } = make();
    const events: string[] = [];
    const s = server.createServer({ allowHalfOpen: true });
    const port = await listening(s);
    const accepted = once(s, 'connection') as Promise<[Socket]>;
    const c = client.connect({ host: to, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000 });
    for (const e of ['lookup', 'connectionAttempt', 'connect', 'ready', 'end', 'finish', 'close']) c.on(e, () => events.push(e));
    assert.is(c.connecting, true);
    assert.is(c.readyState, 'opening');
    c.write('early ');
    assert.is(c.bytesWritten, 6);
    const [[peer]] = await Promise.all([accepted, once(c, 'connect')]); // of stacks in threads either may be told first
    assert.is(c.readyState, 'open');
    assert.equal([c.remoteAddress, c.remotePort, c.remoteFamily, c.localAddress], [to, port, 'IPv4', from]);
    assert.equal([peer.remoteAddress, peer.remotePort], [`::ffff:${from}`, c.localPort]);
    assert.equal(c.address(), { address: from, family: 'IPv4', port: c.localPort });
    c.end('late');
    assert.is((await collect(peer)).toString(), 'early late');
    peer.end('answer');
    assert.is((await collect(c)).toString(), 'answer');
    if (!c.closed) await once(c, 'close');
    assert.equal(events, ['connectionAttempt', 'connect', 'ready', 'finish', 'end', 'close']);
    assert.equal([c.bytesRead, c.bytesWritten, peer.bytesRead], [6, 10, 10]);
    assert.is(c.readyState, 'closed');
    s.close();
    await once(s, 'close');
    assert.is(s.address(), null);
  });

  test('many bytes both ways at once, past a slow reader; memory stays bounded', async () => {
    const { client, server, to } = make();
    const data = pattern(12 << 20);
    const s = server.createServer({ allowHalfOpen: true }, (x) => { x.pipe(x); });
    const port = await listening(s);
    const c = client.connect({ host: to, port, allowHalfOpen: true });
    const hash = createHash('sha256');
    let buffered = 0;
    const slow = new Writable({
      highWaterMark: 1000,
      write(chunk: Buffer, _, done) {
        hash.update(chunk);
        buffered = Math.max(buffered, c.readableLength + c.writableLength);
        if (Math.random() < 0.05) setTimeout(done, 1);
        else setImmediate(done);
      },
    });
    await Promise.all([pipeline(Readable.from(function* () { for (let i = 0; i < data.length; i += 50_000) yield data.subarray(i, i + 50_000); }()), c, { end: true }), pipeline(c, slow)]);
    assert.is(hash.digest('hex'), sha(data));
    assert.ok(buffered < 1 << 20, `${buffered} bytes were buffered`);
    s.close();
  });

  test('a writer is held back while nobody reads, and goes on', async () => {
    const { client, server, to } = make();
    const s = server.createServer({ pauseOnConnect: true });
    const port = await listening(s);
    const accepted = once(s, 'connection') as Promise<[Socket]>;
    const c = client.connect(port, to);
    const [peer] = await accepted;
    let written = 0;
    const chunk = Buffer.alloc(20_000, 7);
    while (written < 1 << 30) {
      if (!c.write(chunk)) {
        const drained = await Promise.race([once(c, 'drain').then(() => true), sleep(500).then(() => false)]);
        if (!drained) break;
      }
      written += chunk.length;
    }
    assert.ok(written > 50_000 && written < 64 << 20, `${written} bytes went out`);
    assert.is(peer.bytesRead <= 256 * 1024, true);
    c.end();
    const all = await collect(peer);
    assert.ok(all.length >= written && all.every((b) => b === 7));
    s.close();
  });

  test('timeouts, abort signals, ref and unref, destroy', async () => {
    const { client, server, to } = make();
    const s = server.createServer();
    const port = await listening(s);
    const c = client.connect({ host: to, port, timeout: 30 });
    await once(c, 'timeout');
    c.setTimeout(0);
    c.unref().ref();
    const abort = new AbortController();
    const aborted = client.connect({ host: to, port, signal: abort.signal });
    const error = once(aborted, 'error');
    await once(aborted, 'connect');
    abort.abort();
    assert.is(await codeOf(error), 'ABORT_ERR');
    const never = client.connect({ host: to, port, signal: AbortSignal.abort() });
    assert.is(await codeOf(once(never, 'error')), 'ABORT_ERR');
    const early = client.connect({ host: to, port });
    early.destroy();
    const [hadError] = await once(early, 'close') as [boolean];
    assert.is(hadError, false);
    c.destroy(new Error('mine'));
    assert.is((await once(c, 'error') as [Error])[0].message, 'mine');
    s.close();
  });
}

function protocols(test: Test, make: () => Stacks): void {
  test('http: keep-alive agent, large bodies both ways, chunked, a slow reader', async () => {
    const { client, server, to } = make();
    const h = echoServer();
    const s = server.createServer((x) => h.emit('connection', x));
    const port = await listening(s);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
    Object.assign(agent, { createConnection: client.createConnection });
    const body = pattern(3 << 20);
    const post = (path: string, slowly: boolean): Promise<string> => new Promise((resolve, reject) => {
      const q = http.request({ agent, host: to, port, path, method: 'POST' }, (r) => {
        assert.match(r.headers['x-seen'] as string, `POST ${path} `);
        const hash = createHash('sha256');
        void (async () => {
          for await (const c of r) {
            hash.update(c as Buffer);
            if (slowly && Math.random() < 0.1) await sleep(1);
          }
          resolve(hash.digest('hex'));
        })().catch(reject);
      });
      q.on('error', reject);
      q.end(body);
    });
    const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => post(`/${i}`, i % 2 === 1)));
    assert.equal(new Set(answers), new Set([sha(body)]));
    agent.destroy();
    s.close();
    h.close();
  });

  test('https and raw TLS both ways; a certificate that does not fit is refused', async () => {
    const { client, server, to } = make();
    const h = https.createServer({ key: KEY, cert: CERT }, (q, r) => { q.pipe(r); });
    const s = server.createServer((x) => h.emit('connection', x));
    const port = await listening(s);
    const body = pattern(1 << 20);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const q = https.request({
        method: 'POST', path: '/', host: 'test.nuse',
        createConnection: () => tls.connect({ socket: client.connect(port, to), servername: 'test.nuse', ca: CERT }) as never,
      }, (r) => { collect(r).then(resolve, reject); });
      q.on('error', reject);
      q.end(body);
    });
    assert.is(sha(answer), sha(body));
    const wrong = tls.connect({ socket: client.connect(port, to), servername: 'other.nuse', ca: CERT });
    assert.is(await codeOf(once(wrong, 'error')), 'ERR_TLS_CERT_ALTNAME_INVALID');
    s.close();
    h.close();
  });

  test('http2: many streams of one session', async () => {
    const { client, server, to } = make();
    const h = http2.createServer();
    h.on('stream', (stream) => { stream.respond({ ':status': 200 }); stream.pipe(stream); });
    const s = server.createServer((x) => h.emit('connection', x));
    const port = await listening(s);
    const session = http2.connect(`http://${to}:${port}`, { createConnection: () => client.connect(port, to) as never });
    const body = pattern(300_000);
    const answers = await Promise.all(Array.from({ length: 8 }, async () => {
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      stream.end(body);
      return sha(await collect(stream));
    }));
    assert.equal(new Set(answers), new Set([sha(body)]));
    session.close();
    s.close();
  });

  test('undici fetch: http, https, streams up and down, abort', async () => {
    const { client, server, to } = make();
    const h = echoServer(), hs = https.createServer({ key: KEY, cert: CERT }, (q, r) => { q.pipe(r); });
    const s = server.createServer((x) => h.emit('connection', x)), ss = server.createServer((x) => hs.emit('connection', x));
    const port = await listening(s), tlsPort = await listening(ss);
    const body = pattern(2 << 20);
    const dispatcher = connector(client);
    const plain = await fetch(`http://${to}:${port}/up`, { dispatcher, method: 'POST', body: Readable.from([body.subarray(0, 1000), body.subarray(1000)]), duplex: 'half' });
    assert.match(plain.headers.get('x-seen') ?? '', 'POST /up');
    assert.is(sha(Buffer.from(await plain.arrayBuffer())), sha(body));
    const secure = connector({ connect: (o: { port: number }) => client.connect({ ...o, host: to }) } as unknown as Stack, CERT);
    const over = await fetch(`https://test.nuse:${tlsPort}/`, { dispatcher: secure, method: 'PUT', body });
    assert.is(sha(Buffer.from(await over.arrayBuffer())), sha(body));
    const abort = new AbortController();
    const endless = http.createServer((_, r) => { r.write('x'); });
    const es = server.createServer((x) => endless.emit('connection', x)), endlessPort = await listening(es);
    const r = await fetch(`http://${to}:${endlessPort}/`, { dispatcher, signal: abort.signal });
    const reading = r.text().then(() => 'read', (e: Error) => e.name);
    abort.abort();
    assert.is(await reading, 'AbortError');
    await Promise.all([dispatcher.destroy(), secure.destroy()]);
    for (const x of [s, ss, es]) x.close();
  });
}

function failures(test: Test, make: () => Stacks): void {
  test('refusals, resets, addresses in use, ports out of range', async () => {
    const { client, server, to } = make();
    const refused = client.connect(9, to);
    const [e] = await once(refused, 'error') as [NodeJS.ErrnoException & { address: string; port: number }];
    assert.equal([e.code, e.syscall, e.address, e.port, e.errno], ['ECONNREFUSED', 'connect', to, 9, -111]);
    assert.throws(() => client.connect(70000, to), (x: NodeJS.ErrnoException) => x.code === 'ERR_SOCKET_BAD_PORT');
    const s = server.createServer((x) => { x.on('error', () => undefined); x.resetAndDestroy(); });
    const port = await listening(s);
    const reset = client.connect(port, to);
    assert.is(await codeOf(once(reset, 'error')), 'ECONNRESET');
    const second = server.createServer();
    second.listen(port, to);
    assert.is(await codeOf(once(second, 'error')), 'EADDRINUSE');
    assert.throws(() => s.listen(port), /listens already/);
    s.maxConnections = 0;
    const dropped = once(s, 'drop');
    client.connect(port, to).on('error', () => undefined);
    await dropped;
    s.close();
    await once(s, 'close');
    assert.is(await new Promise((resolve) => { s.close(resolve as never); }).then((x) => (x as NodeJS.ErrnoException).code), 'ERR_SERVER_NOT_RUNNING');
  });

  test('datagrams: echo, connected, broadcast, multicast, errors', async () => {
    const { client, server, to, from } = make();
    const echo = server.createSocket('udp4', (data, r) => echo.send(data, r.port, r.address));
    echo.bind(0);
    await once(echo, 'listening');
    const { port } = echo.address();
    const c = client.createSocket('udp4');
    const sent = new Promise<number>((resolve, reject) => { c.send('xhellox', 1, 5, port, to, (e, n) => (e ? reject(e) : resolve(n))); });
    const [data, r] = await once(c, 'message') as [Buffer, { address: string; port: number; family: string; size: number }];
    assert.is(await sent, 5);
    assert.equal([data.toString(), r.address, r.port, r.family, r.size], ['hello', to, port, 'IPv4', 5]);
    c.connect(port, to);
    await once(c, 'connect');
    assert.is(c.remoteAddress().port, port);
    c.send(['a', Buffer.from('b')]);
    assert.is((await once(c, 'message') as [Buffer])[0].toString(), 'ab');
    c.disconnect();
    assert.throws(() => c.remoteAddress(), /Not connected/);
    // Nobody there.
    c.connect(9, to);
    await once(c, 'connect');
    c.send('x');
    assert.is(await codeOf(once(c, 'error')), 'ECONNREFUSED');
    c.close();
    await once(c, 'close');
    assert.throws(() => c.send('x', 1), /Not running/);

    const b = client.createSocket('udp4'), everyone = `${to.slice(0, to.lastIndexOf('.'))}.255`;
    assert.is(await new Promise<string | undefined>((resolve) => { b.send('x', port, everyone, (e) => resolve((e as NodeJS.ErrnoException | null)?.code)); }), 'EACCES');
    b.setBroadcast(true);
    const heard = once(echo, 'message') as Promise<[Buffer, { address: string }]>;
    b.send('all', port, everyone);
    assert.equal([(await heard)[0].toString(), (await heard)[1].address], ['all', from]);
    echo.addMembership('239.1.2.3', to);
    b.setMulticastTTL(1);
    b.setMulticastInterface(from);
    const group = once(echo, 'message') as Promise<[Buffer]>;
    b.send('group', port, '239.1.2.3');
    assert.is((await group)[0].toString(), 'group');
    echo.dropMembership('239.1.2.3', to);
    assert.throws(() => echo.dropMembership('239.1.2.3', to), (e: NodeJS.ErrnoException) => e.code === 'EADDRNOTAVAIL');
    assert.is(await new Promise<string | undefined>((resolve) => { b.send(Buffer.alloc(70000), port, to, (e) => resolve((e as NodeJS.ErrnoException).code)); }), 'EMSGSIZE');
    b.setRecvBufferSize(20000);
    assert.is(b.getRecvBufferSize(), 40000);
    b.close();
    echo.close();
  });
}
