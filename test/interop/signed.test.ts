// limit: 240 s
// TCP MD5 signatures (RFC 2385) against the kernel over TAP: an unmodified program under nuse as the client and as the server, IPv4 and
// IPv6, with right, wrong, missing and unexpected keys. The kernel's counters and its silence are the judge; tshark finds no fault. TCP-AO, which
// kernels seldom have, between two programs under two stacks.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { faults, Lab, ROOT, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire, type Wire } from './wire.js';

const test = suite('tcp md5');
const PYTHON = ['/usr/bin/python3', join(ROOT, 'test/interop/signed.py')];
const lab = new Lab();
let w: Wire;
let port = 7100;
const FAST = 'sysctl net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_synack_retries=1';

test.before(() => {
  w = wire(lab, 'TAP', 'sysctl net.ipv4.tcp_syn_retries=1\nsysctl net.ipv4.tcp_synack_retries=1\n');
  lab.sh(w.peer, FAST.replace('sysctl', 'sysctl -qw'));
});
test.after(() => lab.close());

/** A TcpExt counter of the peer's kernel. */
function counter(name: string): number {
  const [names, values] = lab.sh(w.peer, 'cat /proc/net/netstat').split('\n').filter((l) => l.startsWith('TcpExt:')).map((l) => l.split(' '));
  return Number(values[names.indexOf(name)]);
}
const COUNTERS = ['TCPMD5NotFound', 'TCPMD5Unexpected', 'TCPMD5Failure'];
type Run = (...args: string[]) => Program;
const nuse: Run = (...args) => lab.nuse(w.ns, ['-c', w.conf, '--', ...PYTHON, ...args]);
const kernel: Run = (...args) => lab.run(w.peer, [...PYTHON, ...args]);
async function output(p: Program): Promise<string> {
  const end = await p.finish(60000);
  assert.is(end.code, 0, end.stderr);
  return end.stdout;
}
const ENDS: [string, Run, Run, string, string][] = [
  ['nuse opens to the kernel, IPv4', nuse, kernel, NUSE4, PEER4], ['nuse opens to the kernel, IPv6', nuse, kernel, NUSE6, PEER6],
  ['the kernel opens to nuse, IPv4', kernel, nuse, PEER4, NUSE4], ['the kernel opens to nuse, IPv6', kernel, nuse, PEER6, NUSE6],
];

test('mistakes get the errors that the kernel gives', async () => {
  for (const address of [PEER4, PEER6]) assert.is(await output(nuse('errors', address)), await output(kernel('errors', address)));
});

for (const [name, client, server, from, to] of ENDS) {
  const whole = from.includes(':') ? 128 : 32;
  test(`${name}: bulk both ways, a key for one address and one for a prefix`, async () => {
    const before = COUNTERS.map(counter);
    for (const prefix of [whole, whole - 8, 0]) {
      const p = String(++port), s = server('serve', to, p, '2', 'a secret', prefix ? from : from.includes(':') ? '::' : '0.0.0.0', String(prefix));
      await s.until(/listening/);
      assert.is(await output(client('open', to, p, '3000000', 'a secret', to)), 'sent 3000000\n');
      assert.is(await output(client('open', to, p, '10', 'a secret', to)), 'sent 10\n');
      assert.is(await output(s), 'listening\nserved 3000000\nserved 10\n');
    }
    assert.equal(COUNTERS.map(counter), before);
  });
  test(`${name}: a wrong key, none at the client, one at the client only: no connection`, async () => {
    for (const [mine, theirs, counted] of [['wrong', 'a secret', 'TCPMD5Failure'], ['', 'a secret', 'TCPMD5NotFound'], ['a secret', '', 'TCPMD5Unexpected']]) {
      const before = counter(counted), p = String(++port);
      const s = server('serve', to, p, '1', theirs, from, String(whole));
      await s.until(/listening/);
      const said = await output(client('open', to, p, '10', mine, to));
      s.kill();
      await s.done;
      assert.is(said, 'ETIMEDOUT\n', `${mine} for ${theirs}`);
      if (server === kernel) assert.ok(counter(counted) > before, counted);
    }
  });
  test(`${name}: a reset by the client ends the connection`, async () => {
    const p = String(++port), s = server('serve', to, p, '1', 'a secret', from, String(whole));
    await s.until(/listening/);
    assert.is(await output(client('reset', to, p, 'a secret', to)), 'reset\n');
    assert.is(await output(s), 'listening\nECONNRESET\n');
  });
  test(`${name}: SYN cookies`, async () => {
    const conf = w.conf;
    w = { ...w, conf: lab.file('cookies.conf', readFileSync(conf, 'utf8') + 'sysctl net.ipv4.tcp_syncookies=2\n') };
    lab.sh(w.peer, 'sysctl -qw net.ipv4.tcp_syncookies=2');
    const p = String(++port), s = server('serve', to, p, '1', 'a secret', from, String(whole));
    await s.until(/listening/);
    assert.is(await output(client('open', to, p, '200000', 'a secret', to)), 'sent 200000\n');
    assert.is(await output(s), 'listening\nserved 200000\n');
    lab.sh(w.peer, 'sysctl -qw net.ipv4.tcp_syncookies=1');
    w = { ...w, conf };
  });
}

test('tshark finds no fault, and a signature in every segment of either side', async () => {
  // Without offload frames are on this wire as on any other.
  lab.offloadOff(w.peer, w.dev);
  w = { ...w, conf: lab.file('wire.conf', readFileSync(w.conf, 'utf8').replace('viftype TAP', 'viftype TAP\n offload off')) };
  const c = await lab.capture(w.peer, w.dev, 'md5.pcap');
  for (const [, client, server, from, to] of ENDS) {
    const p = String(++port), s = server('serve', to, p, '1', 'a secret', from, from.includes(':') ? '128' : '32');
    await s.until(/listening/);
    assert.is(await output(client('open', to, p, '100000', 'a secret', to)), 'sent 100000\n');
    await output(s);
  }
  await new Promise((r) => setTimeout(r, 1200)); // tcpdump sees a block of frames a second after the first of them
  await c.stop();
  assert.equal(faults(c.file, [PEER4, PEER6]), []);
  const frames = (filter: string): number => execFileSync('tshark', ['-n', '-r', c.file, '-Y', filter], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(Boolean).length;
  const from = `(ip.src == ${NUSE4} || ipv6.src == ${NUSE6})`;
  assert.ok(frames(`tcp && ${from}`) > 100);
  assert.is(frames(`tcp && !tcp.options.md5`), 0);
  assert.is(frames(`_ws.malformed && ${from}`), 0);
});

test('MD5 over RAW, and through a wire that loses, repeats and reorders: every byte arrives', async () => {
  const other = new Lab();
  try {
    const ns = other.netns('n'), mid = other.netns('m'), peer = other.netns('p');
    other.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1');
    other.veth(ns, 'eth0', mid, 'left', false);
    other.veth(mid, 'right', peer, 'veth0', false);
    other.addr(peer, 'veth0', `${PEER4}/24`);
    await other.lossy(mid, 'left', 'right', { seed: 5, loss: 0.02, reorder: 0.02, duplicate: 0.01 });
    const conf = other.file('raw.conf', `interface eth0\n viftype RAW\n dev eth0\n address ${NUSE4}\n netmask 255.255.255.0\n macaddr 00:01:01:01:01:01\n`);
    const run = (at: 'nuse' | 'kernel', ...args: string[]): Program => (at === 'nuse' ? other.nuse(ns, ['-c', conf, '--', ...PYTHON, ...args]) : other.run(peer, [...PYTHON, ...args]));
    for (const [client, server, from, to] of [['nuse', 'kernel', NUSE4, PEER4], ['kernel', 'nuse', PEER4, NUSE4]] as ['nuse' | 'kernel', 'nuse' | 'kernel', string, string][]) {
      const p = String(++port), s = run(server, 'serve', to, p, '1', 'a secret', from, '32');
      await s.until(/listening/);
      assert.is(await output(run(client, 'open', to, p, '1000000', 'a secret', to)), 'sent 1000000\n');
      assert.is(await output(s), 'listening\nserved 1000000\n');
    }
    const [, values] = other.sh(peer, 'cat /proc/net/snmp').split('\n').filter((l) => l.startsWith('Tcp:')).map((l) => l.split(' '));
    assert.ok(Number(values[12]) > 0, 'nothing was lost');
  } finally {
    other.close();
  }
});

test('TCP-AO between two programs under two stacks, IPv4 and IPv6: what the options tell; tshark finds no fault and a MAC in every segment', async () => {
  const other = new Lab();
  try {
    const [a, b] = [other.netns('a'), other.netns('b')];
    for (const ns of [a, b]) other.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
    other.veth(a, 'eth0', b, 'eth0', false);
    const conf = (name: string, v4: string, v6: string, mac: string): string => other.file(name,
      `interface eth0\n viftype RAW\n dev eth0\n address ${v4}\n netmask 255.255.255.0\n address6 ${v6}/64\n macaddr ${mac}\n offload off\n`);
    const confs = [conf('a.conf', NUSE4, NUSE6, '00:01:01:01:01:01'), conf('b.conf', PEER4, PEER6, '00:01:01:01:01:02')];
    const c = await other.capture(a, 'eth0', 'ao.pcap');
    for (const [from, to] of [[NUSE4, PEER4], [NUSE6, PEER6]]) {
      for (const alg of ['hmac(sha1)', 'cmac(aes128)']) {
        const p = String(++port), key = `ao ${alg} 3 4 secret;ao ${alg} 5 6 other`;
        const s = other.nuse(b, ['-c', confs[1], '--', ...PYTHON, 'serve', to, p, '1', key, from, from.includes(':') ? '128' : '32']);
        await s.until(/listening/);
        assert.is(await output(other.nuse(a, ['-c', confs[0], '--', ...PYTHON, 'open', to, p, '300000', `ao ${alg} 6 5 other;ao ${alg} 4 3 secret`, to])), 'sent 300000\n');
        assert.is(await output(s), 'listening\nserved 300000\nbits 3 current 5 rnext 6 good True bad (0, 0, 0, 0) keys [(3, 4), (5, 6)] length 304\n');
      }
    }
    await new Promise((r) => setTimeout(r, 1200)); // tcpdump sees a block of frames a second after the first of them
    await c.stop();
    assert.equal(faults(c.file, [NUSE4, NUSE6, PEER4, PEER6]), []);
    const frames = (filter: string): number => execFileSync('tshark', ['-n', '-r', c.file, '-Y', filter], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(Boolean).length;
    assert.ok(frames('tcp') > 400);
    assert.is(frames('tcp && !tcp.options.ao'), 0);
  } finally {
    other.close();
  }
});

test.run();
