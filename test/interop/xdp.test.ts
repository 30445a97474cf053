// limit: 300 s
// Unmodified Debian programs on nuse over XDP, in native and in generic mode, against the kernel at the other end of a veth.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, faults, plantBadFrame, processes, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire, type Wire } from './wire.js';

const blob = randomBytes(3 << 20);
const SHA = createHash('sha256').update(blob).digest('hex');
const url = (address: string, port: number): string => `http://${address.includes(':') ? `[${address}]` : address}:${port}/blob`;
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

for (const mode of ['xdp', 'xdpgeneric']) {
  const test = suite(`programs over XDP, ${mode === 'xdp' ? 'native' : 'generic'} mode`);
  const lab = new Lab();
  let w: Wire, www: string;
  const started: Program[] = [];
  const nuse = (args: string[], ...argv: string[]): Program => {
    const p = lab.nuse(w.ns, ['-c', w.conf, ...args, '--', ...argv]);
    started.push(p);
    return p;
  };
  const run = async (...argv: string[]): Promise<string> => {
    const end = await nuse([], ...argv).finish(40000);
    assert.is(end.code, 0, `${argv.join(' ')}: ${end.code} ${end.signal}\n${end.stdout}${end.stderr}`);
    return end.stdout;
  };
  const retry = async (command: string, ms = 10000): Promise<string> => {
    for (const end = Date.now() + ms; ; await sleep(100)) {
      try {
        return lab.sh(w.peer, command);
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  };
  const attached = (): string | undefined => / (xdp\w*)[ /]/.exec(lab.ip(w.ns, 'link show eth0'))?.[1];
  /** Until the device has no program, for as long as processes take to end. */
  const detached = async (): Promise<void> => {
    for (const end = Date.now() + 3000; attached() && Date.now() < end;) await sleep(50);
    assert.is(attached(), undefined, 'a program is left');
  };

  test.before(async () => {
    w = wire(lab, 'XDP');
    // A neighbour with a larger MTU keeps veth from native mode; the peer's own routes keep to what the stack takes.
    if (mode === 'xdpgeneric') {
      lab.ip(w.peer, `link set ${w.dev} mtu 9000`);
      lab.ip(w.peer, `route replace 192.0.2.0/24 dev ${w.dev} scope link mtu 1500`);
      lab.ip(w.peer, `-6 route replace 2001:db8::/64 dev ${w.dev} metric 256 mtu 1500`);
    }
    www = join(lab.dir, 'www');
    mkdirSync(www);
    chmodSync(lab.dir, 0o755); // nginx's workers are not root
    writeFileSync(join(www, 'blob'), blob);
    await lab.run(w.peer, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--bind', '::', '--directory', www]).until(/Serving/);
    lab.run(w.peer, ['iperf3', '-s']);
  });
  test.after(() => lab.close());
  test.after.each(async () => {
    for (const p of started.splice(0)) {
      p.kill('SIGTERM');
      await Promise.race([p.done, sleep(3000)]);
      p.kill('SIGKILL');
    }
    await detached();
  });

  for (const [family, us, peer] of [['IPv4', NUSE4, PEER4], ['IPv6', NUSE6, PEER6]] as const) {
    test(`ping ${family}, out and in, whole and in fragments`, async () => {
      assert.match(await run('ping', '-c', '3', '-i', '0.2', '-s', '1000', peer), /3 packets transmitted, 3 received, 0% packet loss/);
      const p = nuse([], 'sh', '-c', 'echo up; exec sleep 20');
      await p.until(/up/);
      assert.is(attached(), mode);
      assert.match(await retry(`ping -c 3 -i 0.2 -s 3000 ${us}`), /3 packets transmitted, 3 received/);
    });
    test(`curl ${family}, and a server on nuse`, async () => {
      assert.is((await run('sh', '-c', `curl -sS ${url(peer, 8000)} | sha256sum`)).slice(0, 64), SHA);
      const s = nuse([], '/usr/bin/python3', '-u', '-m', 'http.server', '8080', '--bind', us, '--directory', www);
      await s.until(/Serving/);
      assert.is((await retry(`curl -sS ${url(us, 8080)} | sha256sum`)).slice(0, 64), SHA);
    });
    test(`iperf3 ${family}, both directions and UDP`, async () => {
      for (const extra of [[], ['-R'], ['-u', '-b', '50M', '-l', '1000']]) {
        const r = JSON.parse(await run('iperf3', family === 'IPv6' ? '-6' : '-4', '-c', peer, '-t', '1', '-J', ...extra)) as { end: { sum_received?: { bytes: number }; sum?: { bytes: number } } };
        assert.ok((r.end.sum_received ?? r.end.sum)!.bytes > 1e6, JSON.stringify(r.end));
        await sleep(200);
      }
    });
  }

  test('a capture at the peer has right checksums and no segment larger than the MTU', async () => {
    const cap = await lab.capture(w.peer, w.dev, 'xdp.pcap');
    for (const peer of [PEER4, PEER6]) assert.is((await run('sh', '-c', `curl -sS ${url(peer, 8000)} | sha256sum`)).slice(0, 64), SHA);
    await run('iperf3', '-c', PEER4, '-u', '-t', '1', '-b', '2M');
    await cap.stop();
    const ours = join(lab.dir, 'ours.pcap');
    lab.sh(w.peer, `tcpdump -r ${cap.file} -w ${ours} 'src ${NUSE4} or src ${NUSE6}'`);
    const lengths = lab.sh(w.peer, `tshark -n -r ${ours} -T fields -e frame.len`).trim().split('\n').map(Number);
    assert.ok(lengths.length > 100 && Math.max(...lengths) <= 1514, `${lengths.length} frames, up to ${Math.max(...lengths)}`);
    assert.equal(faults(ours), []);
    const bad = join(lab.dir, 'bad.pcap');
    plantBadFrame(ours, bad);
    assert.is(faults(bad).length, 1);
  });

  test('a runtime that is killed leaves no program, and the next one starts at once', async () => {
    const p = nuse([], 'sh', '-c', 'echo up; exec sleep 30');
    await p.until(/up/);
    assert.is(attached(), mode);
    const runtimes = processes(w.conf);
    assert.ok(runtimes.length > 0);
    for (const pid of runtimes) process.kill(pid, 'SIGKILL');
    await p.done;
    assert.match(await run('ping', '-c', '1', PEER4), /1 received/);
    await detached();
  });

  test.run();
}
