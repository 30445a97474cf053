// `npm run demo`: unmodified ping and curl on a nuse stack over a TAP, against the kernel and a real HTTP server in a
// network namespace of their own: nothing of the machine's network is touched. As an ordinary user in a user namespace;
// where /dev/net/tun is closed to ordinary users, over a raw socket on a veth pair instead.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, setup } from './setup.mjs';

const NUSE = [process.execPath, join(root, 'bin/nuse.mjs')];
const PAGE = 'Hello from a real HTTP server. You are reading it through a TCP/IP stack in WebAssembly.\n';
/** How the stack is linked to the kernel: its viftype, and the commands that make the link. */
const TAP = { type: 'TAP', peer: 'nuse-eth0', make: ['ip tuntap add dev nuse-eth0 mode tap vnet_hdr', 'ip link set nuse-eth0 up'] };
const RAW = {
  type: 'RAW', peer: 'host0',
  make: ['ip link add nuse-eth0 type veth peer name host0', 'ip link set nuse-eth0 addrgenmode none', 'ip link set nuse-eth0 up', 'ip link set host0 up'],
};
const conf = (link) => `interface eth0
 viftype ${link.type}
 dev nuse-eth0
 address 192.0.2.10/24
 address6 2001:db8::10/64
 gateway 192.0.2.1
`;

/** Run a command and show it and its output; throws unless `judge` is content with the output. */
function show(label, argv, judge) {
  console.log(`\n$ ${label}`);
  const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 60000 });
  process.stdout.write(`${r.stdout}${r.stderr}`.replace(/^/gm, '  ').trimEnd() + '\n');
  if (r.error) throw new Error(`${label}: ${r.error.message}`);
  if (r.status !== 0 || !judge(r.stdout)) throw new Error(`${label}: exit code ${r.status ?? r.signal}, and not the expected output`);
}

function quiet(command) {
  const r = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${command}: ${r.stderr}`);
}

/** A TAP, unless /dev/net/tun is missing or closed to us. */
function chooseLink() {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return TAP;
  } catch (error) {
    console.log(`\n/dev/net/tun cannot be opened (${error.code}): a raw socket on a veth pair takes the TAP's place.`);
    return RAW;
  }
}

/** The host side's HTTP server, listening on all its addresses. */
async function httpServer(folder, logFile) {
  const fd = openSync(logFile, 'w');
  const server = spawn('python3', ['-u', '-m', 'http.server', '8080', '--bind', '::', '--directory', folder], { stdio: ['ignore', fd, fd] });
  closeSync(fd);
  for (let i = 0; i < 200; i++) {
    if (spawnSync('curl', ['-sf', '-o', '/dev/null', 'http://[::1]:8080/']).status === 0) return server;
    await new Promise((r) => setTimeout(r, 50));
  }
  server.kill();
  throw new Error(`the HTTP server did not start: ${readFileSync(logFile, 'utf8')}`);
}

/** Inside the namespace of the "host". */
async function inside(pcap) {
  const folder = mkdtempSync(join(tmpdir(), 'nuse-demo-'));
  const file = join(folder, 'nuse.conf'), www = join(folder, 'www'), link = chooseLink();
  const log = join(folder, 'http.log');
  let http;
  try {
    writeFileSync(file, conf(link));
    mkdirSync(www);
    writeFileSync(join(www, 'index.html'), PAGE);
    quiet('ip link set lo up');
    for (const command of link.make) quiet(command);
    quiet(`ip addr add 192.0.2.1/24 dev ${link.peer} && ip addr add 2001:db8::1/64 dev ${link.peer} nodad`);
    http = await httpServer(www, log);
    console.log(`\nThe host side: a network namespace with the kernel at 192.0.2.1 and 2001:db8::1 on ${link.peer}, and python3 -m http.server.`);
    console.log('The nuse side, a stack in WebAssembly at the other end of the link, with this nuse.conf:\n');
    console.log(conf(link).replace(/^/gm, '  ').trimEnd());
    const script = [
      'ping -c 3 -i 0.2 192.0.2.1', 'ping -c 3 -i 0.2 2001:db8::1', 'curl -s http://192.0.2.1:8080/', 'curl -s "http://[2001:db8::1]:8080/"',
    ].map((c) => `echo "+ ${c.replaceAll('"', '')}"; ${c} || exit 1`).join('; ');
    show(`nuse -c nuse.conf --pcap ${pcap} -- sh -c '...'`, [...NUSE, '-c', file, '--pcap', pcap, '--', 'sh', '-c', script],
      (out) => (out.match(/3 received/g) ?? []).length === 2 && out.split(PAGE).length === 3);
    const requests = readFileSync(log, 'utf8').split('\n').filter((l) => l.includes('GET / ') && !l.startsWith('::1 '));
    console.log(`\nWhat the HTTP server saw:\n${requests.join('\n').replace(/^/gm, '  ')}`);
    if (requests.length !== 2) throw new Error('the HTTP server did not see two requests');
    console.log(`\nEvery frame of it: ${pcap} (${statSync(pcap).size} bytes)\nOpen it with: wireshark ${pcap}`);
  } finally {
    http?.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--inside') {
  await inside(process.argv[3]).catch((error) => {
    console.error(`demo: ${error.message}`);
    process.exitCode = 1;
  });
} else {
  setup('demo');
  const pcap = join(root, 'demo.pcapng');
  rmSync(pcap, { force: true });
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  if (spawnSync('unshare', [...user, '--net', 'true']).status !== 0) {
    console.error('demo: this machine does not let you make a network namespace; `node bin/nuse.mjs doctor` says what to do');
    process.exit(1);
  }
  run('unshare', [...user, '--net', process.execPath, join(root, 'scripts/demo.mjs'), '--inside', pcap]);
}
