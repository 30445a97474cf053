// limit: 240 s
// Several workers against the kernel: two cores behind one set of addresses, over the queues of a TAP and over AF_PACKET fanout.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Counters } from '../../host/cli/counters.js';
import { Lab, NUSE, ROOT, type Program } from './lab.js';

const APP = join(ROOT, 'build/js/test/interop/workers_app.js');
const PEER = join(ROOT, 'test/interop/workers.py');
const HERE4 = '192.0.2.10', HERE6 = '2001:db8::10', PEER4 = '192.0.2.1', PEER6 = '2001:db8::1', NOBODY = '192.0.2.99';
const CONNECTIONS = 40, BYTES = 200_000;

const lab = new Lab();

/** workers_app.ts, driven. */
class App {
  constructor(readonly program: Program) {}
  private get lines(): unknown[] { return this.program.stdout.split('\n').slice(0, -1).map((l) => JSON.parse(l) as unknown); }
  /** Everything it has said of this kind. */
  said(kind: string): unknown[] { return this.lines.flatMap((l) => (typeof l === 'object' && l && kind in l ? [(l as Record<string, unknown>)[kind]] : [])); }
  async command<T>(what: string, args: object = {}): Promise<T> {
    const before = this.said(what).length;
    this.program.child.stdin!.write(`${JSON.stringify({ do: what, ...args })}\n`);
    for (const end = Date.now() + 20000; this.said(what).length === before; await sleep(5)) {
      if (Date.now() > end || this.program.child.exitCode !== null) throw new Error(`${what}: no answer\n${this.program.stdout.slice(-300)}${this.program.stderr.slice(-2000)}`);
    }
    return this.said(what)[before] as T;
  }
  counters(): Promise<Counters[]> { return this.command('counters'); }
}
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

async function start(ns: string, conf: string, ...args: string[]): Promise<App> {
  const env = args.includes('restarting') ? { ...process.env, NUSE_TEST_CORE: 'core.trapping.wasm' } : process.env;
  const p = lab.run(ns, [process.execPath, APP, conf, ...args], { stdio: ['pipe', 'pipe', 'pipe'], label: 'workers_app', env });
  await p.until(/"up"/);
  return new App(p);
}
async function peer<T>(ns: string, ...args: (string | number)[]): Promise<T> {
  const end = await lab.run(ns, ['/usr/bin/python3', PEER, ...args.map(String)]).finish(60000);
  assert.is(end.code, 0, end.stderr);
  return JSON.parse(end.stdout.trim().split('\n').pop()!) as T;
}
/** What each worker has counted between two looks. */
const since = (before: Counters[], after: Counters[], name: string): number[] => after.map((a, i) => (a.mib[name] ?? 0) - (before[i].mib[name] ?? 0));
const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
const misrouted = (counters: Counters[]): number => sum(counters.map((c) => c.drops.WORKER_MISROUTED ?? 0));
const both = (list: number[], what: string): void => assert.ok(list.length === 2 && Math.min(...list) > 0, `${what} by worker: ${list.join(', ')}`);

interface Place { app: App; stackNs: string; peerNs: string; dev: string }

let places = 0;
/** A stack of two workers and the kernel's end of its link. */
async function place(type: 'TAP' | 'RAW', mode: 'misled' | 'restarting' | '' = '', more = ''): Promise<Place> {
  const n = places++, peerNs = lab.netns(`p${n}`), stackNs = type === 'TAP' ? peerNs : lab.netns(`s${n}`), dev = type === 'TAP' ? 'tap0' : 'peer';
  if (type === 'RAW') {
    lab.veth(peerNs, 'peer', stackNs, 'eth0');
    lab.addr(peerNs, dev, `${PEER4}/24`, `${PEER6}/64`);
  }
  const conf = lab.file(`${n}.conf`, `workers 2\n\ninterface eth0\n viftype ${type}\n dev ${type === 'TAP' ? 'tap0' : 'eth0'}\n address ${HERE4}/24\n address6 ${HERE6}/64\n${more}`);
  const app = await start(stackNs, conf, mode);
  if (type === 'TAP') lab.addr(peerNs, dev, `${PEER4}/24`, `${PEER6}/64`);
  return { app, stackNs, peerNs, dev };
}

for (const type of ['TAP', 'RAW'] as const) {
  const test = suite(`interop: workers over ${type}`);
  let app: App, ns: string, dev: string;
  test.before(async () => { ({ app, peerNs: ns, dev } = await place(type)); });

  // First: no worker knows the kernel's address yet, and the answers to their questions come to worker 0.
  for (const to of [PEER4, PEER6]) {
    test(`connections to ${to} leave from both workers, and what comes back comes to the right one`, async () => {
      lab.ip(ns, 'neigh flush all');
      const before = await app.counters(), server = lab.run(ns, ['/usr/bin/python3', PEER, 'server', to, '9000', '24']);
      await server.until(/listening/);
      assert.equal(await app.command('ask', { host: to, port: 9000, count: 24, bytes: BYTES }), Array<boolean>(24).fill(true));
      const after = await app.counters();
      both(since(before, after, 'TcpActiveOpens'), 'connections');
      assert.is(sum(since(before, after, 'TcpActiveOpens')), 24);
      assert.is(misrouted(after), 0);
      assert.is((await server.finish()).code, 0);
    });
  }

  for (const to of [HERE4, HERE6]) {
    test(`a server has connections to ${to} in both workers, their bytes in order`, async () => {
      const before = await app.counters(), port = to === HERE4 ? 8004 : 8006;
      assert.equal(await app.command('listen', { host: to, port }), ['listening', port]);
      assert.equal(await peer(ns, 'clients', to, port, CONNECTIONS, BYTES), { good: CONNECTIONS });
      const after = await app.counters();
      both(since(before, after, 'TcpPassiveOpens'), 'connections');
      assert.is(sum(since(before, after, 'TcpPassiveOpens')), CONNECTIONS);
      assert.is(misrouted(after), 0);
    });
    test(`datagrams to ${to}, whole and in fragments, come to the socket of their port and are refused once where there is none`, async () => {
      const before = await app.counters();
      for (const port of [7000, 7001]) {
        assert.is(await app.command('udp', { host: to, port }), 'listening');
        for (const bytes of [1, 1400, 4000, 60000]) assert.equal(await peer(ns, 'udp', to, port, 4, bytes), { good: 4 }, `port ${port}, ${bytes} bytes`);
        for (const bytes of [100, 4000]) assert.equal(await peer(ns, 'closed', to, port + 100, 1, bytes), { good: 1 }, `closed, ${bytes} bytes`);
      }
      const after = await app.counters(), v4 = to === HERE4;
      assert.equal(since(before, after, v4 ? 'UdpInDatagrams' : 'Udp6InDatagrams'), [16, 16]);
      assert.equal(since(before, after, v4 ? 'UdpNoPorts' : 'Udp6NoPorts'), [2, 2]);
      assert.is(misrouted(after), 0);
    });
    test(`${to} answers echo requests and questions for its link address once`, async () => {
      const capture = await lab.capture(ns, dev, `${type}${to}.pcap`);
      lab.ip(ns, 'neigh flush all');
      const said = lab.sh(ns, `ping -c 3 -i 0.2 -W 3 ${to}; ping -c 2 -i 0.2 -W 3 -s 4000 ${to}`);
      assert.match(said, /3 received/);
      assert.match(said, /2 received/);
      assert.not.match(said, /DUP/);
      await sleep(1500); // tcpdump takes what it has once a second
      await capture.stop();
      const count = (filter: string): number => execFileSync('tshark', ['-n', '-r', capture.file, '-Y', filter], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(Boolean).length;
      const asked = count(to === HERE4 ? `arp.opcode == 1 && arp.src.proto_ipv4 == ${PEER4} && arp.dst.proto_ipv4 == ${to}` : `icmpv6.type == 135 && icmpv6.nd.ns.target_address == ${to}`);
      const told = count(to === HERE4 ? `arp.opcode == 2 && arp.src.proto_ipv4 == ${to}` : `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${to}`);
      assert.ok(asked > 0);
      assert.is(told, asked);
    });
  }

  test('a connection of the stack to itself stays in the worker that makes it', async () => {
    for (const [host, port] of [[HERE4, 8004], [HERE6, 8006]] as const) assert.equal(await app.command('ask', { host, port, count: 4, bytes: BYTES }), Array<boolean>(4).fill(true));
  });

  test('errors reach the sockets of both workers: no neighbour, a refused datagram, a refused connection', async () => {
    assert.equal(await app.command('ask', { host: NOBODY, port: 9, count: 4, bytes: 1 }), Array<string>(4).fill('EHOSTUNREACH'));
    for (const host of [PEER4, PEER6]) {
      assert.equal(await app.command('refused', { host, port: 9, count: 4 }), Array<string>(4).fill('ECONNREFUSED'));
      assert.equal(await app.command('ask', { host, port: 9, count: 4, bytes: 1 }), Array<string>(4).fill('ECONNREFUSED'));
    }
  });

  test('a port is taken for all workers; a given local port is kept', async () => {
    for (const port of [7000, 7001]) assert.is(await app.command('udp', { host: HERE4, port }), 'EADDRINUSE');
    assert.equal(await app.command('listen', { host: HERE4, port: 8004 }), ['EADDRINUSE', null]);
    const server = lab.run(ns, ['/usr/bin/python3', PEER, 'server', PEER4, '9001', '8']), ports = [21001, 21002, 21003, 21004];
    await server.until(/listening/);
    for (const localPort of ports) assert.equal(await app.command('ask', { host: PEER4, port: 9001, count: 1, bytes: 1000, localPort }), [true]);
    for (const localAddress of [HERE4, HERE4, HERE4, HERE4]) assert.equal(await app.command('ask', { host: PEER4, port: 9001, count: 1, bytes: 1000, localAddress }), [true]);
    const seen = JSON.parse((await server.finish()).stdout.trim().split('\n').pop()!) as { ports: number[] };
    assert.equal(seen.ports.slice(0, 4), ports);
    const [, chosen] = await app.command<[string, number]>('listen', { host: HERE4, port: 0 });
    assert.equal(await peer(ns, 'clients', HERE4, chosen, 8, 1000), { good: 8 });
    assert.is(misrouted(await app.counters()), 0);
  });

  test('one worker killed: the stack ends, its sockets and peers are reset, nothing is left', async () => {
    const server = lab.run(ns, ['/usr/bin/python3', PEER, 'server', PEER4, '9002', '8']);
    await server.until(/listening/);
    assert.is(await app.command('hold', { host: PEER4, port: 9002, count: 8 }), 8);
    const before = app.said('socket').length;
    await app.command('kill', { worker: 1 });
    for (const end = Date.now() + 10000; !app.said('ended').length; await sleep(10)) assert.ok(Date.now() < end, 'the stack goes on');
    assert.match(String(app.said('ended')[0]), /worker exited/);
    assert.equal(app.said('socket').slice(before), Array<string>(8).fill('ECONNRESET'));
    for (const kind of ['server', 'datagrams']) assert.ok(app.said(kind).includes('ECONNRESET'), kind);
    if (type === 'TAP') assert.not.match(lab.ip(ns, '-br link'), /tap0/);
    app.program.child.stdin!.end();
    const end = await app.program.finish(10000);
    assert.is(end.code, 0, end.stderr);
    server.kill();
  });
  test.run();
}

const more = suite('interop: workers');
for (const type of ['TAP', 'RAW'] as const) {
  more(`frames led astray over ${type} are counted, and nobody answers them`, async () => {
    const { app, peerNs } = await place(type, 'misled');
    lab.sh(peerNs, `for p in $(seq 30); do timeout 0.3 bash -c "exec 3<>/dev/tcp/${HERE4}/$p" & done; wait; true`);
    app.program.child.stdin!.write('1\n');
    await app.program.until(/WORKER_MISROUTED/);
    app.program.child.stdin!.end();
    assert.is((await app.program.finish(10000)).code, 0);
  });
}

more('one core traps and starts again: its sockets are reset, its place among the workers is kept', async () => {
  const { app, peerNs } = await place('TAP', 'restarting');
  const server = lab.run(peerNs, ['/usr/bin/python3', PEER, 'server', PEER4, '9000', '8']);
  await server.until(/listening/);
  assert.equal(await app.command('listen', { host: HERE4, port: 80 }), ['listening', 80]);
  assert.is(await app.command('hold', { host: PEER4, port: 9000, count: 8 }), 8);
  await app.command('trap');
  for (const end = Date.now() + 10000; !app.said('restarted').length || !app.said('server').length; await sleep(10)) assert.ok(Date.now() < end, 'not told');
  assert.equal([app.said('restarted'), app.said('server'), app.said('socket')], [[1], ['ECONNRESET'], Array<string>(4).fill('ECONNRESET')]);
  assert.equal(await app.command('listen', { host: HERE4, port: 80 }), ['listening', 80]);
  const before = await app.counters();
  assert.equal(await peer(peerNs, 'clients', HERE4, 80, CONNECTIONS, 1000), { good: CONNECTIONS });
  const after = await app.counters();
  both(since(before, after, 'TcpPassiveOpens'), 'connections');
  assert.is(misrouted(after), 0);
  assert.not.match(lab.sh(peerNs, `ping -c 3 -i 0.2 -W 3 ${HERE4}`), /DUP/);
  app.program.child.stdin!.end();
  assert.is((await app.program.finish(10000)).code, 0);
});

more('router advertisements give every worker the same address', async () => {
  const { app, peerNs } = await place('TAP', '', ' slaac on\n');
  lab.addr(peerNs, 'tap0', '2001:db8:5::1/64');
  await peer(peerNs, 'advertise', 'tap0', 0, 8);
  const mac = (await app.command<string>('mac')).split(':').map((b) => parseInt(b, 16)), word = (a: number, b: number): string => ((a << 8) | b).toString(16);
  const own = `2001:db8:5:0:${word(mac[0] ^ 2, mac[1])}:${word(mac[2], 0xff)}:${word(0xfe, mac[3])}:${word(mac[4], mac[5])}`;
  assert.equal(await app.command('listen', { host: '::', port: 80 }), ['listening', 80]);
  const before = await app.counters();
  assert.equal(await peer(peerNs, 'clients', own, 80, CONNECTIONS, 1000), { good: CONNECTIONS });
  both(since(before, await app.counters(), 'TcpPassiveOpens'), 'connections');
  app.program.child.stdin!.end();
  assert.is((await app.program.finish(10000)).code, 0);
});

more('without the right to load BPF programs: an error that says what to do', async () => {
  const conf = lab.file('rootless.conf', 'workers 2\n\ninterface eth0\n viftype TAP\n dev tap0\n');
  const p = lab.run(lab.netns('root'), ['unshare', '-Urn', process.execPath, APP, conf], { stdio: ['pipe', 'pipe', 'pipe'] });
  assert.match((await p.finish(20000)).stderr, /TAP tap0: `workers` loads a BPF program, which needs CAP_BPF of the machine.*: run nuse with sudo, or remove `workers`/);
});

more('the shapes of Node, http, tls and http2 between two stacks of two workers each', async () => {
  const ns = lab.netns('api');
  lab.veth(ns, 'a0', ns, 'b0');
  const end = await lab.run(ns, [process.execPath, join(ROOT, 'build/js/test/interop/workers_api.js')]).finish(120000);
  assert.is(end.code, 0, end.stdout);
  assert.match(end.stdout, /Passed: +10/);
});

more('stopped, it leaves no thread, descriptor or device', async () => {
  const { app, peerNs } = await place('TAP');
  await app.command('listen', { host: HERE4, port: 80 });
  const during = await app.command<{ fds: number; threads: number }>('left');
  await app.command('close');
  const after = await app.command<{ fds: number; threads: number }>('left');
  assert.ok(after.threads <= during.threads - 2, JSON.stringify([during, after]));
  assert.ok(after.fds <= during.fds - 8, JSON.stringify([during, after]));
  assert.not.match(lab.ip(peerNs, '-br link'), /tap0/);
  app.program.child.stdin!.end();
  assert.is((await app.program.finish(10000)).code, 0);
});

more('an existing TAP without queues is refused with the remedy, and one that is in use; programs have one worker', async () => {
  const ns = lab.netns('old'), conf = lab.file('old.conf', 'workers 2\n\ninterface eth0\n dev tap0\n viftype TAP\n');
  lab.tap(ns, 'tap0');
  const p = lab.run(ns, [process.execPath, APP, conf], { stdio: ['pipe', 'pipe', 'pipe'] });
  assert.match((await p.finish(20000)).stderr, /TAP tap0: .*no TAP with queues: remove it, or make it with `ip tuntap add dev tap0 mode tap multi_queue`/);
  const shared = lab.netns('two'), two = lab.file('two.conf', `workers 2\n\ninterface eth0\n dev tap0\n viftype TAP\n address ${HERE4}/24\n`);
  lab.ip(shared, 'tuntap add dev tap0 mode tap multi_queue');
  const first = await start(shared, two), second = lab.run(shared, [process.execPath, APP, two], { stdio: ['pipe', 'pipe', 'pipe'] });
  assert.match((await second.finish(20000)).stderr, /TAP tap0: in use by another program/);
  first.program.child.stdin!.end();
  assert.is((await first.program.finish(10000)).code, 0);
  const end = await lab.run(ns, [...NUSE, 'run', '-c', conf, '--', 'true']).finish(20000);
  assert.match(end.stderr, /old\.conf:1: workers: programs run on a stack of one worker; remove it/);
  assert.is.not(end.code, 0);
});
more.after(() => lab.close());
more.run();
