// A wire between nuse and the kernel for the interop tests: nuse's namespace, the kernel peer's, addresses, a nuse.conf.
import type { Lab } from './lab.js';

export const NUSE4 = '192.0.2.10', PEER4 = '192.0.2.1', NUSE6 = '2001:db8::10', PEER6 = '2001:db8::1';
export type WireType = 'TAP' | 'RAW' | 'XDP';

export interface Wire {
  /** Namespace that nuse is started in. */
  ns: string;
  /** Namespace of the kernel peer. */
  peer: string;
  /** The peer's interface. */
  dev: string;
  conf: string;
}

/**
 * TAP: nuse attaches to a persistent TAP whose other side is the peer's own interface. RAW and XDP: a veth pair, nuse on the end in a
 * namespace where the kernel has no address. Without a kernel at that end a veth leaves checksums to nobody, so for XDP the peer computes them.
 */
export function wire(lab: Lab, type: WireType, extra = ''): Wire {
  const peer = lab.netns(`${type}p`);
  let ns = peer, dev = 'tap0';
  if (type === 'TAP') lab.tap(peer, dev);
  else {
    ns = lab.netns(`${type}n`);
    dev = 'veth0';
    lab.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
    lab.veth(ns, 'eth0', peer, dev);
    if (type === 'XDP') lab.sh(peer, `ethtool -K ${dev} tx off`);
  }
  lab.addr(peer, dev, `${PEER4}/24`, `${PEER6}/64`);
  const conf = lab.file(`${type}.conf`, `interface eth0
 viftype ${type}
 dev ${type === 'TAP' ? dev : 'eth0'}
 address ${NUSE4}
 netmask 255.255.255.0
 address6 ${NUSE6}/64
 macaddr 00:01:01:01:01:01

route
 network 0.0.0.0
 netmask 0.0.0.0
 gateway ${PEER4}

dns ${PEER4}
${extra}`);
  return { ns, peer, dev, conf };
}
