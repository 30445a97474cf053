// Sockets over cores in this thread: two stacks at the ends of a cable, every callback and every byte.
import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATIC_BASE } from '../../host/abi/constants.js';
import type { CoreStream } from '../../host/sockets/core_stream.js';
import type { SocketError } from '../../host/sockets/error.js';
import {
  IPPROTO_ICMP, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IP_PKTINFO, IP_TTL, SOCK_DGRAM, SOL_SOCKET, SO_RCVBUF, TCP_NODELAY,
} from '../../host/sockets/linux.js';
import { A4, B4, B6, eventually, pair, type Pair } from './local.js';

const test = suite('core sockets');
const SO_SNDBUF = 7, IPV6_RECVPKTINFO = 49, SOL_ICMP = 1;

/** A connection from a to b: both ends open. */
async function connection(p: Pair, to = B4, port = 7): Promise<[CoreStream, CoreStream]> {
  const family = to.includes(':') ? 6 : 4;
  const listener = p.b.sockets.listener(family), client = p.a.sockets.stream(family);
  const accepted = eventually<CoreStream>('accept', (resolve) => { listener.onconnection = () => resolve(listener.accept()!); });
  const open = eventually<void>('open', (resolve, reject) => { client.onopen = () => resolve(); client.onerror = reject; });
  listener.listen(family === 6 ? '::' : '0.0.0.0', port);
  client.connect(to, port);
  const both: [CoreStream, CoreStream] = [client, await accepted];
  await open;
  client.onerror = undefined;
  listener.close();
  return both;
}
const code = (fn: () => unknown): string | undefined => {
  try {
    fn();
  } catch (error) {
    return (error as SocketError).code;
  }
  return undefined;
};
const failure = (s: { onerror?: (e: SocketError) => void }): Promise<SocketError> => eventually('error', (resolve) => { s.onerror = resolve; });

/** Write all of `data`, waiting for room, then shut down. */
function send(s: CoreStream, data: Uint8Array): void {
  let at = 0;
  s.onwritable = () => {
    for (let n = 1; n && at < data.length;) at += n = s.write(data.subarray(at, at + 100_000));
    if (at < data.length) return;
    s.onwritable = undefined;
    s.shutdown();
  };
  s.onwritable();
}

test('a connection: names, bytes both ways at once with back-pressure, half close, end', async () => {
  const p = await pair();
  const [c, s] = await connection(p);
  assert.equal(c.remote, { address: B4, family: 'IPv4', port: 7 });
  assert.equal(s.remote, c.local);
  assert.equal(s.local, c.remote);
  assert.is(c.local?.address, A4);
  const data = new Uint8Array(5_000_003).map((_, i) => i * 2654435761 >>> 13);
  const expected = createHash('sha256').update(data).digest('hex');
  const got = await Promise.all([c, s].map((x) => eventually<string>('stream', (resolve) => {
    const hash = createHash('sha256');
    let reads = 0;
    x.onreadable = () => {
      // Every third time only a part is taken, and one look is bounded.
      x.read((piece) => {
        const n = ++reads % 3 ? piece.length : piece.length >> 1;
        hash.update(piece.subarray(0, n));
        return n;
      }, 50_000);
      if (!x.ended) setImmediate(() => x.onreadable?.());
    };
    x.onend = () => { x.onreadable = undefined; resolve(hash.digest('hex')); };
    send(x, data);
  }, 60000)));
  assert.equal(got, [expected, expected]);
  assert.is(s.read(() => undefined), 0);
  c.close();
  s.close();
  assert.is(code(() => c.write(data)), 'EBADF');
  assert.is(p.a.sockets.size + p.b.sockets.size, 0);
  p.close();
});

test('refused, unreachable, reset, and errors that are known at once', async () => {
  const p = await pair();
  const refused = p.a.sockets.stream(4);
  refused.connect(B4, 9);
  const e = await failure(refused);
  assert.equal([e.code, e.errno, e.syscall, e.address, e.port, e.message], ['ECONNREFUSED', -111, 'connect', B4, 9, `connect ECONNREFUSED ${B4}:9`]);
  assert.is(code(() => p.a.sockets.stream(4).connect('198.51.100.1', 9)), 'ENETUNREACH');
  assert.is(code(() => p.a.sockets.stream(4).connect('nowhere', 9)), 'EINVAL');
  assert.is(code(() => p.a.sockets.stream(4).connect(B6, 9)), 'EAFNOSUPPORT');
  assert.is(code(() => p.a.sockets.listener(4).listen(B4, 9)), 'EADDRNOTAVAIL');
  assert.throws(() => p.a.sockets.stream(4).connect(B4, 65536), RangeError);
  const l = p.a.sockets.listener(4);
  l.listen(A4, 80);
  assert.is(code(() => p.a.sockets.listener(4).listen('0.0.0.0', 80)), 'EADDRINUSE');

  const [c, s] = await connection(p);
  const broken = failure(c);
  c.onreadable = () => { c.read(() => undefined); };
  s.reset();
  assert.is((await broken).code, 'ECONNRESET');
  assert.is(code(() => c.write(Uint8Array.of(1))), 'EBADF');
  p.close();
});

test('what arrived before a reset is read before the error', async () => {
  const p = await pair();
  const [c, s] = await connection(p);
  s.write(new TextEncoder().encode('last words'));
  await new Promise((r) => setTimeout(r, 20));
  s.reset();
  await new Promise((r) => setTimeout(r, 20));
  let text = '';
  const broken = failure(c);
  c.read((piece) => { text += new TextDecoder().decode(piece.slice()); });
  assert.is(text, 'last words');
  assert.is((await broken).code, 'ECONNRESET');
  p.close();
});

test('IPv6, and an IPv4 peer of a dual-stack listener', async () => {
  const p = await pair();
  const [c, s] = await connection(p, B6);
  assert.equal(s.remote, c.local);
  assert.is(s.local?.address, B6);
  const listener = p.b.sockets.listener(6);
  const accepted = eventually<CoreStream>('accept', (resolve) => { listener.onconnection = () => resolve(listener.accept()!); });
  listener.listen('::', 81);
  p.a.sockets.stream(4).connect(B4, 81);
  assert.is((await accepted).remote?.address, `::ffff:${A4}`);
  const mapped = p.a.sockets.stream(6);
  const open = eventually<void>('open', (resolve, reject) => { mapped.onopen = () => resolve(); mapped.onerror = reject; });
  mapped.connect(B4, 81);
  await open;
  assert.equal(mapped.remote, { address: `::ffff:${B4}`, family: 'IPv6', port: 81 });
  p.close();
});

test('options and link-local scopes', async () => {
  const p = await pair();
  const s = p.a.sockets.stream(4);
  s.setOption(IPPROTO_TCP, TCP_NODELAY, 1);
  assert.equal([...s.getOption(IPPROTO_TCP, TCP_NODELAY)], [1, 0, 0, 0]);
  s.setOption(SOL_SOCKET, SO_SNDBUF, Uint8Array.of(0, 64, 0, 0));
  assert.is(new DataView(s.getOption(SOL_SOCKET, SO_SNDBUF).buffer).getInt32(0, true), 32768);
  assert.is(code(() => s.setOption(IPPROTO_TCP, 9999, 1)), 'ENOPROTOOPT');
  assert.is(code(() => s.setOption(SOL_SOCKET, SO_RCVBUF, new Uint8Array(100_000))), 'EINVAL');
  assert.is(p.a.sockets.interfaceIndex('eth0'), 2);
  assert.is(code(() => p.a.sockets.interfaceIndex('eth7')), 'ENODEV');
  assert.is(code(() => p.a.sockets.stream(6).connect('fe80::1%eth7', 1)), 'ENODEV');
  p.close();
});

test('datagrams: names, ancillary data, connected errors, bounds, room', async () => {
  const p = await pair();
  const echo = p.b.sockets.datagram(4), c = p.a.sockets.datagram(4);
  echo.bind('0.0.0.0', 7);
  echo.setOption(IPPROTO_IP, IP_PKTINFO, 1);
  const seen: string[] = [];
  echo.onreadable = () => {
    for (let d; (d = echo.receive());) {
      const v = new DataView(d.control.buffer, d.control.byteOffset);
      // struct cmsghdr {len, level, type}, struct in_pktinfo {ifindex, spec_dst, addr}
      seen.push(`${v.getUint32(8, true)} ${v.getUint32(12, true)} ${v.getInt32(16, true)} ${d.control.slice(24, 28).join('.')}`);
      assert.ok(echo.send(d.data, d.from!.address, d.from!.port));
    }
  };
  const answer = eventually<string>('echo', (resolve) => { c.onreadable = () => { const d = c.receive()!; resolve(`${d.from?.address}:${d.from?.port} ${new TextDecoder().decode(d.data.slice())}`); }; });
  assert.ok(c.send(new TextEncoder().encode('hello'), B4, 7));
  assert.is(await answer, `${B4}:7 hello`);
  assert.equal(seen, [`${IPPROTO_IP} ${IP_PKTINFO} 2 ${B4}`]);
  assert.is(c.receive(), undefined);
  c.connect(B4, 7);
  assert.equal(c.remote, { address: B4, family: 'IPv4', port: 7 });
  c.connect();
  assert.is(c.remote, undefined);
  assert.is(code(() => c.send(Uint8Array.of(1))), 'EDESTADDRREQ');
  assert.is(code(() => c.send(new Uint8Array(70000), B4, 7)), 'EMSGSIZE');
  assert.is(code(() => c.send(new Uint8Array(200_000), B4, 7)), 'EMSGSIZE');
  // Nobody at the port: ICMP says so, to a connected socket.
  c.connect(B4, 9);
  const refused = eventually<string>('refusal', (resolve) => { c.onreadable = () => resolve(code(() => c.receive()) ?? 'nothing'); });
  c.send(Uint8Array.of(1));
  assert.is(await refused, 'ECONNREFUSED');
  // A burst larger than the send buffer: false, and later room.
  const blaster = p.a.sockets.datagram(4);
  const room = eventually<void>('room', (resolve) => { blaster.onwritable = () => resolve(); });
  let n = 0;
  while (n < 10000 && blaster.send(new Uint8Array(1400), B4, 5000)) n++;
  assert.ok(n > 10 && n < 10000, `${n} sent`);
  await room;
  assert.ok(blaster.send(new Uint8Array(1400), B4, 5000));
  p.close();
});

test('ancillary data on the way out: source address and TTL', async () => {
  const p = await pair();
  const s = p.b.sockets.datagram(6), c = p.a.sockets.datagram(6);
  s.bind('::', 9);
  s.setOption(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  const got = eventually<number>('datagram', (resolve) => { s.onreadable = () => resolve(s.receive()!.control.length); });
  c.send(Uint8Array.of(1), B6, 9);
  assert.is(await got, 40);
  const ttl = p.b.sockets.datagram(4);
  ttl.bind(B4, 10);
  ttl.setOption(IPPROTO_IP, 12, 1); // IP_RECVTTL
  const hops = eventually<number>('datagram', (resolve) => { ttl.onreadable = () => resolve(ttl.receive()!.control[16]); });
  const control = new Uint8Array(24), v = new DataView(control.buffer);
  v.setUint32(0, 20, true);
  v.setUint32(8, IPPROTO_IP, true);
  v.setUint32(12, IP_TTL, true);
  v.setInt32(16, 7, true);
  p.a.sockets.datagram(4).send(Uint8Array.of(1), B4, 10, control);
  assert.is(await hops, 7);
  p.close();
});

test('ping', async () => {
  const p = await pair();
  const s = p.a.sockets.datagram(4, SOCK_DGRAM, IPPROTO_ICMP);
  const answer = eventually<Uint8Array>('echo reply', (resolve) => { s.onreadable = () => resolve(s.receive()!.data.slice()); });
  s.send(Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 1, 42), B4);
  const a = await answer;
  assert.is(a[0], 0);
  assert.is(a[8], 42);
  assert.is(SOL_ICMP, IPPROTO_ICMP);
  p.close();
});

test('the end of a stack is ECONNRESET on both sides, at once, and no call after it', async () => {
  const p = await pair();
  const [c, s] = await connection(p);
  const udp = p.a.sockets.datagram(4);
  udp.bind(A4, 5);
  const far = failure(s);
  s.onreadable = () => { s.read(() => undefined); };
  const near = Promise.all([failure(c), failure(udp)]);
  p.a.close();
  assert.equal((await near).map((e) => e.code), ['ECONNRESET', 'ECONNRESET']);
  assert.is((await far).code, 'ECONNRESET');
  assert.is(code(() => p.a.sockets.stream(4)), 'ECONNRESET');
  assert.is(code(() => udp.send(Uint8Array.of(1), B4, 1)), 'EBADF');
  c.close();
  p.a.close();
  p.close();
});

test('a trap of the core ends its stack, and nothing else', async () => {
  const ended: Error[] = [];
  const p = await pair((e) => ended.push(e));
  const [c] = await connection(p);
  const broken = failure(c);
  p.a.core.mem.u32.fill(0xffffffff, STATIC_BASE >>> 2);
  let thrown = code(() => c.write(Uint8Array.of(1)));
  assert.is((await broken).code, 'ECONNRESET');
  thrown ??= 'ECONNRESET';
  assert.is(thrown, 'ECONNRESET');
  assert.is(ended.length, 1);
  assert.is((ended[0] as SocketError).code, 'ERR_NUSE_CORE_TRAP');
  p.b.sockets.stream(4).close();
  p.close();
});

test('what a callback throws reaches the program, and other sockets go on', async () => {
  const p = await pair();
  const one = p.b.sockets.datagram(4), two = p.b.sockets.datagram(4), c = p.a.sockets.datagram(4);
  one.bind(B4, 1);
  two.bind(B4, 2);
  const uncaught = eventually<Error>('uncaught', (resolve) => { process.once('uncaughtException', resolve); });
  one.onreadable = () => { throw new Error('mine'); };
  const got = eventually<void>('datagram', (resolve) => { two.onreadable = () => resolve(); });
  c.send(Uint8Array.of(1), B4, 1);
  c.send(Uint8Array.of(1), B4, 2);
  await got;
  assert.is((await uncaught).message, 'mine');
  p.close();
});

test.run();
