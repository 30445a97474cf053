// `nuse doctor`: what this machine allows, and the exact command that fixes what is missing.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { ADDON, CORE_WASM, NUSE_EXEC, PACKAGE_ROOT, findProgram } from './install.js';

/** What a finding is needed for. */
export type Need = 'everything' | 'TAP' | 'RAW' | 'XDP' | 'ordinary users' | 'ping of other hosts over USER' | 'building';

export interface Finding {
  name: string;
  ok: boolean;
  need: Need;
  detail: string;
  /** The command, or the step, that makes it ok. */
  fix?: string;
}

const CAP_NET_ADMIN = 12, CAP_NET_RAW = 13, CAP_SYS_ADMIN = 21, CAP_BPF = 39;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (e) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes((e as NodeJS.ErrnoException).code ?? '')) return null;
    throw e;
  }
}

function capability(bit: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n;
}

function found(name: string, need: Need, ok: boolean, detail: string, fix: string): Finding {
  return ok ? { name, ok, need, detail } : { name, ok, need, detail, fix };
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [a, b] = version.split('.').map((x) => parseInt(x, 10));
  return a > major || (a === major && b >= minor);
}

function kernel(): Finding {
  return found('kernel', 'everything', process.platform === 'linux' && atLeast(release(), 5, 14), `${process.platform} ${release()} ${process.arch}`,
    'use Linux 5.14 or newer (SECCOMP_IOCTL_NOTIF_ADDFD with SEND)');
}

function node(): Finding {
  return found('node', 'everything', atLeast(process.versions.node, 20, 11), process.versions.node, 'install Node 20.11 or newer');
}

function built(): Finding {
  const missing = [CORE_WASM, ADDON, NUSE_EXEC].filter((f) => !existsSync(f));
  return found('build', 'everything', !missing.length, missing.length ? `missing: ${missing.join(', ')}` : PACKAGE_ROOT, `cd ${PACKAGE_ROOT} && npm run build`);
}

function seccomp(): Finding {
  const actions = read('/proc/sys/kernel/seccomp/actions_avail') ?? '';
  return found('seccomp notification', 'everything', actions.split(/\s+/).includes('user_notif'), actions || 'no seccomp in this kernel',
    'boot a kernel with CONFIG_SECCOMP_FILTER=y');
}

function userNamespaces(): Finding {
  const probe = spawnSync(findProgram('unshare') ?? 'unshare', ['--user', '--map-current-user', '--net', 'true'], { encoding: 'utf8' });
  const fixes: [string, string, string][] = [
    ['/proc/sys/kernel/unprivileged_userns_clone', '0', 'sudo sysctl -w kernel.unprivileged_userns_clone=1'],
    ['/proc/sys/user/max_user_namespaces', '0', 'sudo sysctl -w user.max_user_namespaces=15000'],
    ['/proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1', 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'],
  ];
  const off = fixes.find(([file, value]) => read(file) === value);
  return found('user namespaces', 'ordinary users', probe.status === 0, probe.status === 0 ? 'an ordinary user can make them, and run programs on a USER interface' : (probe.error?.message ?? probe.stderr.trim()),
    off?.[2] ?? (probe.error ? 'sudo apt-get install util-linux' : 'allow user namespaces in this container (for example `docker run --security-opt seccomp=unconfined`), or run as root'));
}

function tun(): Finding {
  const device = '/dev/net/tun';
  if (!existsSync(device)) return found('TAP device', 'TAP', false, `${device} does not exist`, 'sudo modprobe tun && sudo mkdir -p /dev/net && sudo mknod -m 666 /dev/net/tun c 10 200');
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch {
    return found('TAP device', 'TAP', false, `${device} is not writable for you`, `sudo chmod 666 ${device}`);
  }
  return found('TAP device', 'TAP', capability(CAP_NET_ADMIN), capability(CAP_NET_ADMIN) ? 'may be made here' : 'no CAP_NET_ADMIN in this network namespace',
    `sudo ip tuntap add dev nuse-eth0 mode tap vnet_hdr user ${process.getuid?.() ?? 'USER'}   (or work in a namespace of your own: unshare --user --map-root-user --net)`);
}

function raw(): Finding {
  return found('raw packets', 'RAW', capability(CAP_NET_RAW), capability(CAP_NET_RAW) ? 'AF_PACKET may be used here' : 'no CAP_NET_RAW in this network namespace',
    'run nuse with sudo, or in a namespace of your own: unshare --user --map-root-user --net');
}

function xdp(): Finding {
  if (!atLeast(release(), 5, 9) || !/^XDP /m.test(read('/proc/net/protocols') ?? ''))
    return found('XDP sockets', 'XDP', false, `no AF_XDP in ${release()}`, 'boot Linux 5.9 or newer with CONFIG_XDP_SOCKETS=y, or write `viftype RAW`');
  // BPF programs are for capabilities of the machine: those of a user namespace do not count.
  const whole = /^\s*0\s+0\s+4294967295$/.test(read('/proc/self/uid_map') ?? '');
  const may = whole && capability(CAP_NET_RAW) && capability(CAP_NET_ADMIN) && (capability(CAP_BPF) || capability(CAP_SYS_ADMIN));
  return found('XDP sockets', 'XDP', may, may ? 'AF_XDP may be used here' : 'no CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF of the machine', 'run nuse with sudo, or write `viftype RAW`');
}

function headers(nodeHeaders: string | undefined): Finding {
  return found('node headers', 'building', nodeHeaders !== undefined, nodeHeaders ?? 'node_api.h not found', 'sudo apt-get install libnode-dev');
}

function compiler(): Finding {
  const missing = ['g++', 'make', 'python3'].filter((p) => !findProgram(p));
  return found('compiler', 'building', !missing.length, missing.length ? `missing: ${missing.join(', ')}` : 'g++, make, python3', 'sudo apt-get install build-essential python3');
}

function descriptors(): Finding {
  const limit = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(read('/proc/self/limits') ?? '')?.[1] ?? 0);
  return found('open files', 'everything', limit >= 1024, `${limit} (each socket of a program takes one)`, 'ulimit -Hn 20000');
}

/** What of USER's traffic this machine passes on for you beyond TCP and UDP. */
function ping(): Finding {
  const groups = [...(process.getgroups?.() ?? []), process.getegid?.() ?? 0];
  const [low, high] = (read('/proc/sys/net/ipv4/ping_group_range') ?? '1 0').split(/\s+/).map(Number);
  return found('ping through USER', 'ping of other hosts over USER', groups.some((g) => g >= low && g <= high), `net.ipv4.ping_group_range ${low} ${high}`,
    'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"');
}

/** Everything looked at; `probe` runs a program on a stack and answers what went wrong, or null. */
export function diagnose(nodeHeaders: string | undefined, probe: () => string | null): Finding[] {
  const all = [kernel(), node(), built(), seccomp(), descriptors(), userNamespaces(), ping(), tun(), raw(), xdp(), headers(nodeHeaders), compiler()];
  if (all.every((f) => f.ok || f.need !== 'everything')) {
    const wrong = probe();
    all.push(found('a program on a stack', 'everything', wrong === null, wrong ?? 'runs', 'run `nuse -v -- true` and read what it says'));
  }
  return all;
}

/** Can programs be run at all? */
export const usable = (findings: readonly Finding[]): boolean => findings.every((f) => f.ok || f.need !== 'everything');

/** One line a finding, and below what is missing the command that fixes it. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map((f) => f.name.length));
  return findings.map((f) => `${f.ok ? 'ok     ' : 'missing'} ${f.name.padEnd(width)}  ${f.detail}${f.ok ? '' : ` (needed for ${f.need})\n        fix: ${f.fix}`}\n`).join('');
}
