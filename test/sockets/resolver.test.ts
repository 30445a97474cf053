// Names: the resolver against a name server on the other stack, honest, hostile and silent.
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dns, { type Answer, type DecodedPacket } from 'dns-packet';
import { MemoryVif, Stack } from '../../host/index.js';
import { LookupError, Resolver } from '../../host/node/resolver.js';
import { B4, confOf } from './local.js';

const test = suite('resolver');
const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
const a = await Stack.create({ text: confOf(1, `dns 192.0.2.9 ${B4}\nsearch lab.test\n`), vifs: { eth0: x } });
const b = await Stack.create({ text: confOf(2), vifs: { eth0: y } });

/** Every question asked, `type name transport`. */
const asked: string[] = [];
const many = Array.from({ length: 60 }, (_, i): Answer => ({ type: 'A', name: 'many.test', data: `198.51.100.${i + 1}` }));
const ZONE: Readonly<Record<string, Answer[]>> = {
  'A www.test': [{ type: 'CNAME', name: 'www.test', data: 'Web.Test' }, { type: 'A', name: 'web.test', data: '198.51.100.7' }],
  'AAAA www.test': [{ type: 'CNAME', name: 'www.test', data: 'web.test' }, { type: 'AAAA', name: 'web.test', data: '2001:db8::7' }],
  'A host.lab.test': [{ type: 'A', name: 'host.lab.test', data: '198.51.100.8' }],
  'A loop.test': [{ type: 'CNAME', name: 'loop.test', data: 'pool.test' }, { type: 'CNAME', name: 'pool.test', data: 'loop.test' }],
  'A other.test': [{ type: 'A', name: 'elsewhere.test', data: '198.51.100.9' }],
  'A many.test': many,
  'A local.test': [{ type: 'A', name: 'local.test', data: B4 }],
};
function answer(query: DecodedPacket, transport: 'udp' | 'tcp'): Buffer {
  const q = query.questions![0], key = `${q.type} ${q.name}`, found = ZONE[key];
  asked.push(`${key} ${transport}`);
  const cut = transport === 'udp' && q.name === 'many.test';
  const known = found || q.name.endsWith('www.test') || Object.keys(ZONE).some((k) => k.endsWith(` ${q.name}`));
  return dns.encode({
    type: 'response', id: query.id, questions: [q], answers: cut ? [] : found,
    flags: dns.RECURSION_DESIRED | dns.RECURSION_AVAILABLE | (cut ? dns.TRUNCATED_RESPONSE : 0) | (known ? 0 : q.name === 'broken.test' ? 2 : 3),
  });
}
const udp = b.createSocket('udp4', (data, r) => {
  const query = dns.decode(data), good = answer(query, 'udp'), { name } = query.questions![0];
  if (name === 'silent.test') return;
  if (name === 'www.test') {
    // Forgeries and rubbish first: a wrong id, another question, no answer at all, half a message.
    const forged = (change: Partial<dns.Packet>): Buffer => dns.encode({ type: 'response', id: query.id, questions: query.questions, answers: [{ type: 'A', name, data: '203.0.113.66' }], ...change });
    for (const bad of [forged({ id: (query.id! + 1) & 65535 }), forged({ questions: [{ type: 'A', name: 'bank.test' }] }), forged({ type: 'query' }), good.subarray(0, 20), Buffer.of(1), Buffer.alloc(0)])
      udp.send(bad, r.port, r.address);
  }
  udp.send(good, r.port, r.address);
});
udp.bind(53);
const tcp = b.createServer((s) => s.once('data', (c: Buffer) => {
  const reply = answer(dns.decode(c.subarray(2)), 'tcp');
  const whole = Buffer.concat([Buffer.of(reply.length >> 8, reply.length & 255), reply]);
  s.write(whole.subarray(0, 5));
  setTimeout(() => s.end(whole.subarray(5)), 5);
})).listen(53, '0.0.0.0');
await once(tcp, 'listening');

/** A resolver that does not wait as long as people do. */
const quick = new Resolver(a.sockets, { servers: [B4], search: ['lab.test'] }, 100);
const failure = async (r: Resolver, name: string): Promise<[string, string]> => {
  const e = await r.resolve(name).then(() => undefined, (x: unknown) => x) as LookupError;
  assert.instance(e, LookupError);
  return [e.code, e.hostname];
};

test('both families, through aliases, past forgeries', async () => {
  assert.equal(await quick.resolve('WWW.test'), [{ address: '198.51.100.7', family: 4 }, { address: '2001:db8::7', family: 6 }]);
  assert.equal(await quick.resolve('www.test', { family: 6 }), [{ address: '2001:db8::7', family: 6 }]);
});

test('dns.lookup\'s shapes', async () => {
  const one = await new Promise((resolve, reject) => { quick.lookup('www.test', { family: 4 }, (e, address, family) => (e ? reject(e) : resolve([address, family]))); });
  assert.equal(one, ['198.51.100.7', 4]);
  const all = await new Promise((resolve, reject) => { quick.lookup('www.test', { all: true, family: 4 }, (e, list) => (e ? reject(e) : resolve(list))); });
  assert.equal(all, [{ address: '198.51.100.7', family: 4 }]);
  const none = await new Promise<NodeJS.ErrnoException | null>((resolve) => { quick.lookup('nothing.test', {}, (e) => resolve(e)); });
  assert.equal([none?.code, none?.syscall], ['ENOTFOUND', 'getaddrinfo']);
});

test('search domains, final dots, literals, localhost', async () => {
  assert.equal((await quick.resolve('host')).map((r) => r.address), ['198.51.100.8']);
  assert.equal(await failure(quick, 'host.'), ['ENOTFOUND', 'host.']);
  asked.length = 0;
  assert.equal(await quick.resolve('::1'), [{ address: '::1', family: 6 }]);
  assert.equal(await quick.resolve('localhost'), [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]);
  assert.equal(await quick.resolve('my.localhost.', { family: 4 }), [{ address: '127.0.0.1', family: 4 }]);
  assert.is(asked.length, 0);
});

test('a cut answer is asked for again by TCP', async () => {
  const found = await quick.resolve('many.test', { family: 4 });
  assert.is(found.length, 60);
  assert.ok(asked.includes('A many.test udp') && asked.includes('A many.test tcp'));
});

test('names that do not exist, loop, answer for another; servers that fail or say nothing', async () => {
  assert.equal(await failure(quick, 'no.test'), ['ENOTFOUND', 'no.test']);
  assert.equal(await failure(quick, 'loop.test'), ['ENOTFOUND', 'loop.test']);
  assert.equal(await failure(quick, 'other.test'), ['ENOTFOUND', 'other.test']);
  assert.equal(await failure(quick, 'silent.test'), ['EAI_AGAIN', 'silent.test']);
  assert.equal(await failure(quick, 'broken.test'), ['EAI_AGAIN', 'broken.test']);
  assert.equal(await failure(new Resolver(a.sockets, { servers: [], search: [] }), 'x.test'), ['EAI_AGAIN', 'x.test']);
  assert.equal(await failure(new Resolver(a.sockets, { servers: ['192.0.2.1'], search: [] }, 100), 'x.test'), ['EAI_AGAIN', 'x.test']);
  assert.equal(await new Resolver(a.sockets, { servers: ['192.0.2.77', B4], search: [] }, 100).resolve('host.lab.test'), [{ address: '198.51.100.8', family: 4 }], 'the second server');
  assert.is((a.sockets as unknown as { size: number }).size, 0, 'no socket is left open');
});

test('a connection by name', async () => {
  const server = b.createServer((s) => s.end('hi')).listen(80);
  const named = a.connect({ host: 'local.test', port: 80, lookup: quick.lookup });
  const [error, address, family, host] = await once(named, 'lookup');
  assert.equal([error, address, family, host], [null, B4, 4, 'local.test']);
  assert.is(String((await once(named, 'data'))[0]), 'hi');
  const lost = a.connect({ host: 'no.test', port: 80, lookup: quick.lookup });
  assert.is((await once(lost, 'error') as [NodeJS.ErrnoException])[0].code, 'ENOTFOUND');
  server.close();
});

test.after(async () => {
  tcp.on('error', () => undefined);
  udp.close();
  await b.close();
  await a.close();
});
test.run();
