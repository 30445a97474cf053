// What a fresh clone needs before anything runs: Debian packages, npm packages, a build. Only builtins of node here.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDir } from './node_headers.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Package -> a file or program that shows it is there. */
const BUILD = { 'build-essential': 'g++', 'python3': 'python3' };
const DEMO = { 'iproute2': 'ip', 'iputils-ping': 'ping', 'curl': 'curl', 'util-linux': 'unshare' };
const TEST = {
  ...DEMO,
  'tshark': 'tshark', 'tcpdump': 'tcpdump', 'iperf': 'iperf', 'iperf3': 'iperf3', 'nginx-light': 'nginx', 'netcat-openbsd': 'nc.openbsd',
  'netcat-traditional': 'nc.traditional', 'bind9-dnsutils': 'dig', 'bind9-host': 'host', 'dnsmasq-base': 'dnsmasq', 'ethtool': 'ethtool',
  'python3-scapy': '/usr/lib/python3/dist-packages/scapy', 'procps': 'ps', 'wget': 'wget', 'wrk': 'wrk', 'chromium': 'chromium',
  'slirp4netns': 'slirp4netns', 'passt': 'pasta', 'nmap': 'nmap', 'arping': 'arping', 'iputils-tracepath': 'tracepath',
  'clang': 'clang', 'lld': 'wasm-ld', 'wasi-libc': '/usr/include/wasm32-wasi', 'libclang-rt-14-dev-wasm32': '/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a',
};
const PATH = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

function present(what) {
  return what.startsWith('/') ? existsSync(what) : PATH.some((d) => d && existsSync(join(d, what)));
}

function fail(message) {
  console.error(`nuse: ${message}`);
  process.exit(1);
}

/** Run a command to its end, or end with its failure. */
export function run(command, args, options = {}) {
  const r = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (r.error) fail(`${command}: ${r.error.message}`);
  if (r.status !== 0) fail(`\`${[command, ...args].join(' ')}\` failed (${r.signal ?? `exit code ${r.status}`})`);
}

/** Install the Debian packages that are missing: as root; otherwise say which command does. */
function installDebian(wanted) {
  const missing = Object.entries(wanted).filter(([, what]) => !present(what)).map(([name]) => name);
  if (!nodeDir()) missing.push('libnode-dev');
  if (!missing.length) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid() !== 0) fail(`these programs are missing; run: sudo ${command}`);
  if (!present('apt-get')) fail(`these Debian packages are missing: ${missing.join(' ')}`);
  console.log(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Everything up to a finished build. `what`: 'demo' or 'test'. */
export function setup(what) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 11)) fail(`node ${process.versions.node} is too old: 20.11 or newer is needed`);
  if (process.platform !== 'linux') fail('unmodified programs run on Linux only');
  installDebian({ ...BUILD, ...(what === 'test' ? TEST : DEMO) });
  if (!existsSync(join(root, 'node_modules'))) run('npm', ['ci', '--no-audit', '--no-fund']);
  console.log('building');
  run('npm', ['run', '--silent', 'build']);
}
