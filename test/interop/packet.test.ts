// limit: 200 s
// Packet sockets of programs: libpcap with its memory-mapped rings, ARP tools, scanners and scapy, as on the kernel.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, type Program } from './lab.js';
import { NUSE4, PEER4, PEER6, wire, type Wire } from './wire.js';

const test = suite('packet sockets of programs');
const lab = new Lab();
let w: Wire;
const nuse = (...argv: string[]): Program => lab.nuse(w.ns, ['-c', w.conf, '--', ...argv]);
const run = async (...argv: string[]): Promise<string> => {
  const end = await nuse(...argv).finish(40000);
  assert.is(end.code, 0, `${argv.join(' ')}: ${end.code} ${end.signal}\n${end.stdout}${end.stderr}`);
  return end.stdout + end.stderr;
};

/** A shell script: `then`, while tcpdump with these arguments looks; what it prints is in `dump`, what it says at its end in `dump.err`. */
const watched = (tcpdump: string, then: string, file = join(lab.dir, 'dump')): string =>
  `tcpdump -n -U --immediate-mode -i eth0 ${tcpdump} > ${lab.dir}/dump 2> ${lab.dir}/dump.err & p=$!
until grep -q listening ${lab.dir}/dump.err; do sleep 0.1; done
${then}
# The end of the capture is there when it has not grown for half a second; a busy machine is slow to begin.
size=0; still=0
for i in $(seq 50); do
  sleep 0.1; now=$(stat -c %s ${file})
  if [ $now -gt 24 ] && [ $now = $size ]; then still=$((still + 1)); else still=0; fi
  size=$now; [ $still -lt 5 ] || break
done
kill $p; wait $p; cat ${lab.dir}/dump`;

test.before(async () => {
  w = wire(lab, 'TAP');
  const http = lab.run(w.peer, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--bind', '::', '--directory', lab.dir]);
  await http.until(/Serving/);
});
test.after(() => lab.close());

test('tcpdump sees what the stack sends and receives, once each', async () => {
  const out = await run('sh', '-c', watched('icmp', `ping -c 3 -i 0.2 ${PEER4}`));
  assert.match(out, /3 received/);
  for (let seq = 1; seq <= 3; seq++) {
    assert.is(out.match(new RegExp(`${NUSE4} > ${PEER4}: ICMP echo request, id \\d+, seq ${seq},`, 'g'))?.length, 1, out);
    assert.is(out.match(new RegExp(`${PEER4} > ${NUSE4}: ICMP echo reply, id \\d+, seq ${seq},`, 'g'))?.length, 1, out);
  }
});

test('a capture of a connection is complete, and its checksums are right', async () => {
  const pcap = join(lab.dir, 'c.pcap');
  await run('sh', '-c', watched(`-Z root -w ${pcap} tcp`, `curl -sS http://${PEER4}:8000/ -o /dev/null`, pcap));
  const rows = lab.sh(w.peer, `tshark -r ${pcap} -o tcp.check_checksum:TRUE -T fields -e tcp.flags.str -e tcp.checksum.status -e tcp.analysis.retransmission`).trimEnd().split('\n').map((l) => l.split('\t'));
  const flags = rows.filter((r) => !r[2]).map((r) => r[0].replace(/·/g, '')); // a busy machine's peers send again
  const many = (fits: (f: string) => boolean): number => flags.filter(fits).length, told = `${flags.join(' ')}\n${readFileSync(join(lab.dir, 'dump.err'), 'utf8')}`;
  assert.equal([many((f) => f === 'S'), many((f) => f === 'AS'), many((f) => f.includes('F'))], [1, 1, 2], told);
  assert.ok(rows.every((r) => r[1] === '1'), JSON.stringify(rows));
});

test('ARP and TCP by hand: arping, nmap, scapy', async () => {
  assert.match(await run('arping', '-c', '2', '-I', 'eth0', PEER4), /2 (?:packets )?received|Received 2 response/);
  const scan = await run('nmap', '-Pn', '-n', '-p', '8000,8001', PEER4);
  assert.match(scan, /8000\/tcp open/);
  assert.match(scan, /8001\/tcp closed/);
  assert.match(await run('nmap', '-6', '-Pn', '-n', '-p', '8000', PEER6), /8000\/tcp open/);
  const script = lab.file('s.py', `from scapy.all import *
r = srp1(Ether(dst='ff:ff:ff:ff:ff:ff')/ARP(pdst='${PEER4}'), iface='eth0', timeout=3, verbose=0)
print('arp', r[ARP].op, r[ARP].psrc)
r = sr1(IP(dst='${PEER4}')/ICMP(), timeout=3, verbose=0)
print('icmp', r[ICMP].type, r.src)
`);
  const out = await run('/usr/bin/python3', script);
  assert.match(out, new RegExp(`arp 2 ${PEER4}`));
  assert.match(out, new RegExp(`icmp 0 ${PEER4}`));
});

test('the namespace\'s own kernel answers nothing and sends nothing to the wire', async () => {
  const pcap = join(lab.dir, 'w.pcapng');
  const end = await lab.nuse(w.ns, ['-c', w.conf, '--pcap', pcap, '--', 'sh', '-c',
    watched('', `ping -c 2 -i 0.2 ${PEER4} > /dev/null; curl -s -o /dev/null http://${PEER4}:8000/; sleep 3`)]).finish(30000);
  assert.is(end.code, 0, end.stderr);
  assert.match(end.stdout, /echo reply/);
  // A second answer of the kernel would be a reset of a connection it does not know, a second echo reply, or a group report with the shadow's MAC.
  const list = (filter: string): string[] => lab.sh(w.peer, `tshark -r ${pcap} -Y '${filter}' -T fields -e frame.number`).trim().split('\n').filter(Boolean);
  assert.is(list(`tcp.flags.reset == 1 && ip.src == ${NUSE4}`).length, 0);
  assert.is(list('icmp.type == 0').length, 2);
  assert.is(list('icmp.resptime > 0').length, 2, 'a request is captured with a time before its answer');
  assert.is(list('icmpv6.type == 133 && eth.src == 00:01:01:01:01:01').length, 0, 'router solicitations');
});

test('tracepath begins with a packet that no path takes, and is told the MTU', async () => {
  for (const peer of [PEER4, PEER6]) assert.match(await run('tracepath', '-n', peer), /reached[^]*pmtu 1500 hops 1/);
});

test('interfaces of the namespace have the numbers of the stack\'s', async () => {
  const out = await run('sh', '-c', 'cat /sys/class/net/eth0/ifindex; ip -o link show eth0');
  assert.match(out, /^(\d+)\n\1: eth0:/);
});

test.run();
