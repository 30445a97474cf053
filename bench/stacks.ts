// The stacks of others that peers are measured with: each over a TAP, with the services of meter.c. Those that are not installed are named.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../host/cli/install.js';
import { ROOT, type Lab } from '../test/interop/lab.js';
import { US, build, embedded, meter, type Scenario } from './scenarios.js';

/** Debian's headers of lwIP. */
const LWIP = '/usr/include/lwip';
/** Debian's Go packages. */
const GO_PATH = '/usr/share/gocode';

interface Peer {
  name: string;
  /** The Debian package that brings it. */
  package: string;
  installed(): boolean;
  scenario(lab: Lab): Scenario;
}

const PEERS: readonly Peer[] = [
  { name: 'lwip', package: 'liblwip-dev', installed: () => existsSync(`${LWIP}/lwip/tcp.h`), scenario: lwip },
  { name: 'gvisor', package: 'golang-go golang-gvisor-gvisor-dev', installed: () => existsSync(`${GO_PATH}/src/gvisor.dev/gvisor`) && findProgram('go') !== null, scenario: gvisor },
  { name: 'uml', package: 'user-mode-linux', installed: () => findProgram('linux.uml') !== null, scenario: userModeLinux },
];

function lwip(lab: Lab): Scenario {
  const program = build(lab, 'lwip.c', `-I${LWIP}`, '-llwip');
  return embedded(lab, 'lwip', (ns) => lab.run(ns, [program, ns, 'tap0', US]));
}

function gvisor(lab: Lab): Scenario {
  const program = join(lab.dir, 'gvisor'), env = { ...process.env, GO111MODULE: 'off', GOPATH: GO_PATH };
  execFileSync('go', ['build', '-o', program, join(ROOT, 'bench/gvisor.go')], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return embedded(lab, 'gvisor', (ns) => lab.run(ns, [program, 'tap0', US]));
}

/** Linux as a program. Its root is this machine's, which it only reads; its first process makes the interface and is the services. */
function userModeLinux(lab: Lab): Scenario {
  const init = lab.file('uml_init', `#!/bin/sh
mount -t proc proc /proc
ip link set lo up
ip addr add ${US}/24 dev vec0
ip link set vec0 up
exec ${meter(lab)} serve
`);
  chmodSync(init, 0o755);
  const machine = ['mem=256M', 'rootfstype=hostfs', 'hostfs=/', 'rootflags=/', 'ro', 'quiet', 'con=null', 'con0=fd:0,fd:1', `init=${init}`, 'vec0:transport=tap,ifname=tap0,depth=128,gro=1'];
  // It is many processes, which end together with its group.
  return embedded(lab, 'uml', (ns) => lab.run(ns, ['linux.uml', ...machine], { detached: true }));
}

/** Programs whose network is another stack (user.ts), with the packages that bring them. */
export const USER_PEERS = { slirp4netns: { program: 'slirp4netns', package: 'slirp4netns' }, pasta: { program: 'pasta', package: 'passt' } } as const;

export interface Missing {
  peer: string;
  package: string;
}

/** What is installed, and what is not. */
export function installedPeers(): { peers: Peer[]; user: (keyof typeof USER_PEERS)[]; missing: Missing[] } {
  const user = (Object.keys(USER_PEERS) as (keyof typeof USER_PEERS)[]).filter((name) => findProgram(USER_PEERS[name].program));
  const missing: Missing[] = PEERS.filter((p) => !p.installed()).map((p) => ({ peer: p.name, package: p.package }));
  for (const [name, p] of Object.entries(USER_PEERS)) if (!findProgram(p.program)) missing.push({ peer: name, package: p.package });
  return { peers: PEERS.filter((p) => p.installed()), user, missing };
}
