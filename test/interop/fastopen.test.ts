// limit: 120 s
// TCP Fast Open (RFC 7413) against the kernel over TAP: an unmodified program under nuse as the client and as the server, IPv4 and IPv6,
// each way to ask for it. The peer's counters tell that data travelled in SYNs; tshark finds no fault.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { faults, Lab, NUSE, ROOT, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire, type Wire } from './wire.js';

const test = suite('fast open');
const PYTHON = ['/usr/bin/python3', join(ROOT, 'test/interop/fastopen.py')];
const lab = new Lab();
let w: Wire;
let port = 7000;

test.before(() => {
  w = wire(lab, 'TAP', 'sysctl net.ipv4.tcp_fastopen=3\n');
  lab.sh(w.peer, 'sysctl -qw net.ipv4.tcp_fastopen=3');
});
test.after(() => lab.close());

/** A TcpExt counter of the peer's kernel. */
function counter(name: string): number {
  const [names, values] = lab.sh(w.peer, 'cat /proc/net/netstat').split('\n').filter((l) => l.startsWith('TcpExt:')).map((l) => l.split(' '));
  return Number(values[names.indexOf(name)]);
}
const nuse = (...args: string[]): Program => lab.nuse(w.ns, ['-c', w.conf, '--', ...PYTHON, ...args]);
const kernel = (...args: string[]): Program => lab.run(w.peer, [...PYTHON, ...args]);
/** The numbers after `word` of each line that begins with it. */
const table = (text: string, word: string): number[][] => text.split('\n').filter((l) => l.startsWith(`${word} `)).map((l) => l.split(' ').slice(1).map(Number));

/** `count` connections of `size` bytes, by `how`; what client and server say of each. */
async function exchange(client: typeof nuse, server: typeof nuse, address: string, how: string, size: number, count: number): Promise<{ sent: number[][]; served: number[][] }> {
  const p = String(++port), s = server('serve', address, p, String(count));
  await s.until(/listening/);
  const c = client(how, address, p, String(size), String(count));
  const [ends, endc] = [await s.finish(), await c.finish()].map((e) => {
    assert.is(e.code, 0, e.stderr);
    return e.stdout;
  });
  return { sent: table(endc, 'sent'), served: table(ends, 'served') };
}

for (const [ours, theirs] of [[NUSE4, PEER4], [NUSE6, PEER6]]) {
  for (const how of ['sendto', 'sendmsg', 'nonblock', 'connect', 'nonblock-connect']) {
    test(`the program under nuse opens with ${how} to ${theirs}`, async () => {
      const before = ['TCPFastOpenPassive', 'TCPFastOpenCookieReqd', 'TCPFastOpenPassiveFail'].map(counter);
      const { sent, served } = await exchange(nuse, kernel, theirs, how, 500, 4);
      // Each run of nuse is a new stack that knows no cookie yet.
      assert.equal(sent.map(([, syn]) => syn), [0, 1, 1, 1]);
      assert.equal(served, [[500, 0], [500, 1], [500, 1], [500, 1]]);
      assert.equal(['TCPFastOpenPassive', 'TCPFastOpenCookieReqd', 'TCPFastOpenPassiveFail'].map((n, i) => counter(n) - before[i]), [3, 1, 0]);
    });
  }
  test(`more than a SYN holds to ${theirs}`, async () => {
    const { sent, served } = await exchange(nuse, kernel, theirs, 'sendto', 50_000, 2);
    assert.equal(sent, [[50_000, 0], [50_000, 1]]);
    assert.equal(served, [[50_000, 0], [50_000, 1]]);
    const nonblocking = await exchange(nuse, kernel, theirs, 'nonblock', 50_000, 2);
    assert.is(nonblocking.sent[0][0], 0);
    assert.is(nonblocking.sent[1][0], 1500 - (theirs === PEER4 ? 40 : 60) - 40);
  });
  test(`the kernel opens to ${ours}`, async () => {
    const before = ['TCPFastOpenActive', 'TCPFastOpenActiveFail'].map(counter);
    const { sent, served } = await exchange(kernel, nuse, ours, 'sendto', 500, 4);
    assert.equal(sent, [[500, 0], [500, 1], [500, 1], [500, 1]]);
    assert.equal(served, [[500, 0], [500, 1], [500, 1], [500, 1]]);
    assert.equal(['TCPFastOpenActive', 'TCPFastOpenActiveFail'].map((n, i) => counter(n) - before[i]), [3, 0]);
    // A stack started anew has another key: the kernel's cookie is wrong, the data comes with the ACK, and there is a new cookie.
    const again = await exchange(kernel, nuse, ours, 'sendto', 500, 2);
    assert.equal(again.served, [[500, 0], [500, 1]]);
    assert.equal(['TCPFastOpenActive', 'TCPFastOpenActiveFail'].map((n, i) => counter(n) - before[i]), [4, 1]);
  });
}

test('a program that has written and closed before the answer to its SYN: all of it arrives, then the end', async () => {
  const script = `import socket, sys
for i in range(2):
    if i: print("ready", flush=True); sys.stdin.readline()
    s = socket.socket(); s.setsockopt(6, 30, 1); s.connect(("${PEER4}", 7998)); s.send(b"x" * 700)
    if sys.argv[1] == "shutdown" or not i: s.shutdown(socket.SHUT_WR)
    if not i: s.recv(1)
    s.close()
`;
  for (const how of ['close', 'shutdown']) {
    const server = kernel('sink', PEER4, '7998', '2');
    await server.until(/listening/);
    const p = lab.run(w.ns, [...NUSE, '-c', w.conf, '--', '/usr/bin/python3', '-c', script, how], { stdio: ['pipe', 'pipe', 'pipe'] });
    await p.until(/ready/);
    lab.ip(w.peer, `route add blackhole ${NUSE4}/32`); // the first SYN, which carries the data, is lost
    p.child.stdin!.end('go\n');
    await new Promise((r) => setTimeout(r, 600));
    lab.ip(w.peer, `route del blackhole ${NUSE4}/32`);
    assert.is((await p.finish()).code, 0);
    const end = await server.finish();
    assert.equal(table(end.stdout, 'served'), [[700, 0], [700, 0]], end.stderr);
  }
});

test('a connection refused, and off: as on the kernel', async () => {
  const refused = `import socket, errno
for how in ("blocking", "later"):
    s = socket.socket(); s.setblocking(how == "blocking")
    try: print(how, s.sendto(b"x" * 100, 0x20000000, ("${PEER4}", 9)))
    except OSError as e: print(how, errno.errorcode[e.errno])
s = socket.socket(); s.connect(("${PEER4}", 7999))
try: s.sendto(b"x", 0x20000000, ("${PEER4}", 7999))
except OSError as e: print("connected", errno.errorcode[e.errno])
`;
  const listener = kernel('serve', PEER4, '7999', '1');
  await listener.until(/listening/);
  const on = await lab.nuse(w.ns, ['-c', w.conf, '--', '/usr/bin/python3', '-c', refused]).finish();
  assert.is(on.stdout, 'blocking ECONNREFUSED\nlater EINPROGRESS\nconnected EISCONN\n', on.stderr);
  const off = lab.file('off.conf', readFileSync(w.conf, 'utf8').replace('tcp_fastopen=3', 'tcp_fastopen=0'));
  const end = await lab.nuse(w.ns, ['-c', off, '--', '/usr/bin/python3', '-c', refused.split('\ns = ')[0]]).finish();
  assert.is(end.stdout, 'blocking ENOTSUP\nlater ENOTSUP\n', end.stderr);
});

test('tshark finds no fault, and sees the data in SYNs of both sides', async () => {
  // Without offload frames are on this wire as on any other.
  lab.offloadOff(w.peer, w.dev);
  w = { ...w, conf: lab.file('wire.conf', readFileSync(w.conf, 'utf8').replace('viftype TAP', 'viftype TAP\n offload off')) };
  const c = await lab.capture(w.peer, w.dev, 'tfo.pcap');
  const runs = [
    await exchange(nuse, kernel, PEER4, 'sendto', 3000, 2), await exchange(nuse, kernel, PEER6, 'connect', 3000, 2),
    await exchange(kernel, nuse, NUSE4, 'sendto', 3000, 2), await exchange(kernel, nuse, NUSE6, 'sendto', 3000, 2),
  ];
  await new Promise((r) => setTimeout(r, 1200)); // tcpdump sees a block of frames a second after the first of them
  await c.stop();
  assert.equal(runs.map((r) => r.served), runs.map(() => [[3000, 0], [3000, 1]]));
  assert.equal(faults(c.file, [PEER4, PEER6]), []);
  const frames = (filter: string): number => execFileSync('tshark', ['-n', '-r', c.file, '-Y', filter], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(Boolean).length;
  const from = `(ip.src == ${NUSE4} || ipv6.src == ${NUSE6})`;
  // One SYN with data of ours over each family, with a cookie of the kernel's; and SYN-ACKs of ours for its data.
  assert.is(frames(`tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0 && tcp.options.tfo.cookie && ${from}`), 2);
  assert.is(frames(`tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.ack > 1 && ${from}`), 2);
  assert.is(frames(`tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.ack > 1 && !${from}`), 2);
});

test.run();
