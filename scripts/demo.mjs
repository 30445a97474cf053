// `npm run demo`: unmodified ping and curl on a nuse stack over a TAP, against the kernel and a real HTTP server in a
// network namespace of their own: nothing of the machine's network is touched. As an ordinary user in a user namespace.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, setup } from './setup.mjs';

const NUSE = [process.execPath, join(root, 'bin/nuse.mjs')];
const PAGE = 'Hello from a real HTTP server. You are reading it through a TCP/IP stack in WebAssembly.\n';
const CONF = `interface eth0
 viftype TAP
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

/** The host side's HTTP server, listening on all its addresses. */
async function httpServer(folder) {
  const server = spawn('python3', ['-m', 'http.server', '8080', '--bind', '::', '--directory', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (d) => { log += d; });
  for (let i = 0; i < 200; i++) {
    if (spawnSync('curl', ['-sf', '-o', '/dev/null', 'http://[::1]:8080/']).status === 0) return { server, log: () => log };
    await new Promise((r) => setTimeout(r, 50));
  }
  server.kill();
  throw new Error(`the HTTP server did not start: ${log}`);
}

/** Inside the namespace of the "host". */
async function inside(pcap) {
  const folder = mkdtempSync(join(tmpdir(), 'nuse-demo-'));
  const conf = join(folder, 'nuse.conf'), www = join(folder, 'www');
  let http;
  try {
    writeFileSync(conf, CONF);
    mkdirSync(www);
    writeFileSync(join(www, 'index.html'), PAGE);
    quiet('ip link set lo up');
    quiet('ip tuntap add dev nuse-eth0 mode tap vnet_hdr && ip link set nuse-eth0 up');
    quiet('ip addr add 192.0.2.1/24 dev nuse-eth0 && ip addr add 2001:db8::1/64 dev nuse-eth0 nodad');
    http = await httpServer(www);
    console.log('\nThe host side: a network namespace with the kernel at 192.0.2.1 and 2001:db8::1 on the TAP nuse-eth0, and python3 -m http.server.');
    console.log('The nuse side, a stack in WebAssembly on the other end of the TAP:\n');
    console.log(CONF.replace(/^/gm, '  ').trimEnd());
    const script = [
      'ping -c 3 -i 0.2 192.0.2.1', 'ping -c 3 -i 0.2 2001:db8::1', 'curl -s http://192.0.2.1:8080/', 'curl -s "http://[2001:db8::1]:8080/"',
    ].map((c) => `echo "+ ${c.replaceAll('"', '')}"; ${c} || exit 1`).join('; ');
    show(`nuse -c nuse.conf --pcap ${pcap} -- sh -c '...'`, [...NUSE, '-c', conf, '--pcap', pcap, '--', 'sh', '-c', script],
      (out) => (out.match(/3 received/g) ?? []).length === 2 && out.split(PAGE).length === 3);
    const requests = http.log().split('\n').filter((l) => l.includes('GET / ') && !l.startsWith('::1 '));
    console.log(`\nWhat the HTTP server saw:\n${requests.join('\n').replace(/^/gm, '  ')}`);
    if (requests.length !== 2) throw new Error('the HTTP server did not see two requests');
    console.log(`\nEvery frame of it: ${pcap} (${statSync(pcap).size} bytes)\nOpen it with: wireshark ${pcap}`);
  } finally {
    http?.server.kill();
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
