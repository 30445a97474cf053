// limit: 400 s
// Unmodified Debian programs on nuse against the kernel, over TAP and over RAW, both families, as client and as server:
// each judged by the bytes it moved or the answer it got.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire, type Wire, type WireType } from './wire.js';

const BYTES = 3 << 20;
const blob = randomBytes(BYTES);
const SHA = createHash('sha256').update(blob).digest('hex');
const sha = (b: Buffer | string): string => createHash('sha256').update(b).digest('hex');
const url = (address: string, port: number, path: string): string => `http://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

for (const type of ['TAP', 'RAW'] as WireType[]) {
  const test = suite(`programs over ${type}`);
  const lab = new Lab();
  let w: Wire;
  let www: string;
  const started: Program[] = [];
  const nuse = (...argv: string[]): Program => {
    const p = lab.nuse(w.ns, ['-c', w.conf, '--', ...argv]);
    started.push(p);
    return p;
  };
  const run = async (...argv: string[]): Promise<string> => {
    const end = await nuse(...argv).finish(40000);
    assert.is(end.code, 0, `${argv.join(' ')}: ${end.code} ${end.signal}\n${end.stdout}${end.stderr}`);
    return end.stdout;
  };
  /** Ask until it works: a server on nuse announces itself before its peer can reach it, or not at all. */
  const retry = async (command: string, ms = 10000): Promise<string> => {
    for (const end = Date.now() + ms; ; await sleep(100)) {
      try {
        return lab.sh(w.peer, command);
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  };

  test.before(async () => {
    w = wire(lab, type);
    www = join(lab.dir, 'www');
    mkdirSync(www);
    chmodSync(lab.dir, 0o755); // nginx's workers are not root
    writeFileSync(join(www, 'blob'), blob);
    writeFileSync(join(www, 'small'), 'small\n');
    const http = lab.run(w.peer, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--bind', '::', '--directory', www]);
    await http.until(/Serving/);
    lab.run(w.peer, ['dnsmasq', '-k', '-p', '53', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--user=root', '--pid-file', '--bind-interfaces',
      `--listen-address=${PEER4}`, `--listen-address=${PEER6}`, `--address=/www.example.net/${PEER4}`, `--address=/www.example.net/${PEER6}`]);
    lab.run(w.peer, ['iperf3', '-s']);
    lab.run(w.peer, ['iperf', '-s', '-V']);
    await retry('dig +short +time=1 +tries=1 @192.0.2.1 www.example.net');
  });
  test.after(() => lab.close());
  // A failed test must not keep the device from the next one.
  test.after.each(async () => {
    for (const p of started.splice(0)) {
      p.kill('SIGTERM');
      await Promise.race([p.done, sleep(3000)]);
      p.kill('SIGKILL');
    }
  });

  for (const [family, us, peer] of [['IPv4', NUSE4, PEER4], ['IPv6', NUSE6, PEER6]] as const) {
    const v6 = family === 'IPv6';
    test(`ping ${family}, out and in`, async () => {
      assert.match(await run('ping', '-c', '3', '-i', '0.2', '-s', '1000', peer), /3 packets transmitted, 3 received, 0% packet loss/);
      const p = nuse('sh', '-c', 'echo up; exec sleep 30');
      await p.until(/up/);
      const out = await retry(`ping -c 3 -i 0.2 -s 3000 ${us}`);
      assert.match(out, /3 packets transmitted, 3 received/);
      p.kill();
      await p.done;
    });
    test(`curl, wget and a pipeline ${family}`, async () => {
      assert.is(sha(Buffer.from(await run('sh', '-c', `curl -sS ${url(peer, 8000, '/blob')} | sha256sum`)).toString().slice(0, 64)), sha(SHA));
      await run('wget', '-q', '-O', join(lab.dir, 'got'), url(peer, 8000, '/blob'));
      assert.is(sha(readFileSync(join(lab.dir, 'got'))), SHA);
      assert.is((await run('sh', '-c', `curl -s ${url(peer, 8000, '/blob')} | wc -c`)).trim(), String(BYTES));
    });
    test(`dig and host ${family}`, async () => {
      const record = v6 ? 'AAAA' : 'A';
      assert.is((await run('dig', '+short', `@${peer}`, 'www.example.net', record)).trim(), peer);
      assert.match(await run('host', '-t', record, 'www.example.net', peer), new RegExp(`address ${peer}`));
      assert.is((await run('dig', '+short', '+tcp', `@${peer}`, 'www.example.net', record)).trim(), peer);
    });
    test(`names through the stack's resolv.conf ${family}`, async () => {
      assert.is(sha(await run('sh', '-c', `curl -sS ${v6 ? '-6' : '-4'} http://www.example.net:8000/blob | sha256sum | cut -c1-64`).then((s) => s.trim())), sha(SHA));
    });
    test(`iperf3 ${family}, both directions and UDP`, async () => {
      for (const extra of [[], ['-R'], ['-u', '-b', '50M', '-l', '1000']]) {
        const r = JSON.parse(await run('iperf3', v6 ? '-6' : '-4', '-c', peer, '-t', '1', '-J', ...extra)) as { end: { sum_received?: { bytes: number }; sum?: { bytes: number; lost_percent: number } } };
        assert.ok((r.end.sum_received ?? r.end.sum)!.bytes > 1e6, JSON.stringify(r.end));
        await sleep(200);
      }
    });
    test(`iperf3 server on nuse ${family}`, async () => {
      const s = nuse('iperf3', '-s', '-1', '--forceflush');
      await s.until(/listening/);
      const r = JSON.parse(await retry(`iperf3 -c ${us} -t 1 -J`)) as { end: { sum_received: { bytes: number } } };
      assert.ok(r.end.sum_received.bytes > 1e6);
      assert.is((await s.finish()).code, 0);
    });
    test(`iperf 2 ${family}`, async () => {
      assert.match(await run('iperf', ...(v6 ? ['-V'] : []), '-c', peer, '-t', '1'), /[1-9][\d.]* [MG]bits\/sec/);
      const s = nuse('iperf', '-s', ...(v6 ? ['-V'] : []));
      await s.until(/listening/i);
      assert.match(await retry(`iperf ${v6 ? '-V' : ''} -c ${us} -t 1 | grep -E "[MG]bits/sec"`), /bits\/sec/);
      s.kill('SIGINT');
      await s.finish();
    });
    for (const nc of ['nc.openbsd', 'nc.traditional'].slice(0, v6 ? 1 : 2)) {
      test(`${nc} ${family}, client and server`, async () => {
        const listen = nc === 'nc.openbsd' ? `-l -N ${peer} 7000` : `-l -q 0 -s ${peer} -p 7000`;
        const there = lab.run(w.peer, ['sh', '-c', `${nc} ${listen} < ${join(www, 'blob')}`]);
        await sleep(300);
        assert.is((await run('sh', '-c', `${nc} ${peer} 7000 < /dev/null | sha256sum`)).slice(0, 64), SHA);
        await there.done;
        const own = nc === 'nc.openbsd' ? `${nc} -l ${v6 ? '-6' : '-4'} 7001` : `${nc} -l -p 7001`;
        const here = nuse('sh', '-c', `${own} < /dev/null | sha256sum`);
        await sleep(900);
        await retry(`nc.openbsd -N ${us} 7001 < ${join(www, 'blob')} > /dev/null`);
        assert.is((await here.finish()).stdout.slice(0, 64), SHA);
      });
    }
    test(`python3 -m http.server on nuse ${family}`, async () => {
      const s = nuse('/usr/bin/python3', '-u', '-m', 'http.server', '8080', '--bind', us, '--directory', www);
      await s.until(/Serving/);
      assert.is((await retry(`curl -sS ${url(us, 8080, '/blob')} | sha256sum`)).slice(0, 64), SHA);
      s.kill('SIGINT');
      await s.finish();
    });
    test(`nginx with several workers on nuse ${family}`, async () => {
      const conf = lab.file(`nginx${v6 ? 6 : 4}.conf`, `worker_processes 3; daemon off; error_log ${lab.dir}/error.log; pid ${lab.dir}/nginx.pid;
events { worker_connections 256; }
http { access_log off; server { listen ${v6 ? `[${us}]` : us}:80; root ${www}; } }
`);
      const s = nuse('nginx', '-c', conf, '-p', lab.dir);
      await retry(`curl -sS -o /dev/null ${url(us, 80, '/blob')}`);
      const out = await retry(`for i in 1 2 3 4 5 6 7 8; do curl -sS ${url(us, 80, '/blob')} | sha256sum & done; wait`, 20000);
      assert.equal(out.trim().split('\n').map((l) => l.slice(0, 64)), Array.from({ length: 8 }, () => SHA));
      s.kill('SIGTERM');
      await s.finish();
    });
    test(`hundreds of short connections at once, each writing as soon as it may ${family}`, async () => {
      // wrk connects anew for each answer of this server; a swallowed request would leave its connection idle for the rest.
      const out = await run('wrk', '-t', '1', '-c', '4', '-d', '2s', url(peer, 8000, '/small'));
      assert.ok(Number(/(\d+) requests in/.exec(out)![1]) > 200, out);
      assert.not.match(out, /Socket errors/);
    });
    test(`refused and unreachable are told ${family}`, async () => {
      const out = await run('/usr/bin/python3', '-c', `
import socket
for host, port in (("${peer}", 9), ("${v6 ? '2001:db8::99' : '192.0.2.99'}", 80)):
    s = socket.socket(socket.${v6 ? 'AF_INET6' : 'AF_INET'})
    s.settimeout(9)
    print(s.connect_ex((host, port)))
`);
      assert.equal(out.split('\n').slice(0, 2), ['111', '113']);
    });
  }
  test.run();
}
