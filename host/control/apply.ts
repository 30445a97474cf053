// A configuration put into a core, as netlink requests and sysctls: what `ip` and `sysctl` would do by hand.
// Browser-safe: no node:* here.
import { ARG, DeviceConf, WORKER_KEY_SIZE } from '../abi/constants.js';
import type { Core } from '../core.js';
import { parseIp, parseMac } from '../config/address.js';
import type { RouteConfig, StackConfig } from '../config/config.js';
import type { SteerSpec } from '../vif.js';
import { SYSCTLS, sysctlValues } from '../config/sysctl.js';
import { NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NetlinkClient, RequestBuilder, attributes } from './netlink.js';

const RTM_NEWLINK = 16, RTM_GETLINK = 18, RTM_NEWADDR = 20, RTM_DELADDR = 21, RTM_NEWROUTE = 24, RTM_DELROUTE = 25, RTM_NEWNEIGH = 28;
const IFLA_IFNAME = 3, IFA_ADDRESS = 1, IFA_LOCAL = 2, IFA_FLAGS = 8, IFA_F_TENTATIVE = 0x40, RTA_DST = 1, RTA_OIF = 4, RTA_GATEWAY = 5, RTA_PRIORITY = 6, NDA_DST = 1, NDA_LLADDR = 2;
const AF_INET = 2, AF_INET6 = 10, IFF_UP = 1, RT_TABLE_MAIN = 254, RTPROT_STATIC = 4, RTN_UNICAST = 1, RTN_LOCAL = 2, RT_SCOPE_HOST = 254, NUD_PERMANENT = 0x80, RT_SCOPE_LINK = 253;

const le32 = (v: number): number[] => [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, v >>> 24];
const le16 = (v: number): number[] => [v & 255, v >> 8];

function ip(text: string): Uint8Array {
  const a = parseIp(text);
  if (!a) throw new TypeError(`not an address: ${text}`);
  return a;
}
const family = (a: Uint8Array): number => (a.length === 4 ? AF_INET : AF_INET6);

/** name -> ifindex of the core's devices. */
export function interfaces(netlink: NetlinkClient): Map<string, number> {
  const out = new Map<string, number>();
  for (const m of netlink.request(RTM_GETLINK, NLM_F_DUMP, new RequestBuilder().header(new Array<number>(16).fill(0)).bytes, 'links')) {
    const name = attributes(m.body, 16).get(IFLA_IFNAME);
    if (name) out.set(new TextDecoder().decode(name.subarray(0, name.indexOf(0))), new DataView(m.body.buffer, m.body.byteOffset).getUint32(4, true));
  }
  return out;
}

/**
 * Apply sysctls, addresses, link state, neighbours and routes. The interfaces' devices are registered, HDR_NOW is set.
 * Throws with the setting's name when the core refuses one.
 */
export function applyConfig(core: Core, config: StackConfig): void {
  const x = core.exports;
  if (config.worker) beWorker(core, config.worker);
  for (const [name, value] of Object.entries(config.sysctl)) {
    const values = sysctlValues(name, value);
    if (typeof values === 'string') throw new TypeError(`sysctl ${name}: ${values}`);
    SYSCTLS[name].keys.forEach((key, i) => x.ctl_sysctl_set(key, values[i]));
  }
  const netlink = new NetlinkClient(core);
  try {
    const index = interfaces(netlink);
    const device = (name: string): number => {
      const i = index.get(name);
      if (!i) throw new RangeError(`no interface ${name}`);
      return i;
    };
    for (const i of config.interfaces) {
      const dev = device(i.name);
      for (const key of [DeviceConf.ACCEPT_RA, DeviceConf.AUTOCONF]) x.ctl_device_conf_set(dev, key, i.slaac ? 1 : 0);
      for (const a of i.addresses) addressRequest(netlink, 'add', dev, a.address, a.prefix, i.dad ?? false);
      const up = new RequestBuilder().header([0, 0, 0, 0, ...le32(dev), ...le32(IFF_UP), ...le32(IFF_UP)]);
      netlink.request(RTM_NEWLINK, 0, up.bytes, `interface ${i.name} up`);
    }
    for (const n of config.neighbours) {
      const a = ip(n.address), mac = parseMac(n.mac);
      if (!mac) throw new TypeError(`not a MAC: ${n.mac}`);
      const body = new RequestBuilder().header([family(a), 0, 0, 0, ...le32(device(n.dev)), ...le16(NUD_PERMANENT), 0, RTN_UNICAST]).attr(NDA_DST, a).attr(NDA_LLADDR, mac);
      netlink.request(RTM_NEWNEIGH, NLM_F_CREATE, body.bytes, `neighbour ${n.address}`);
    }
    for (const r of config.routes) routeRequest(netlink, 'add', r, r.dev ? device(r.dev) : 0);
  } finally {
    netlink.close();
  }
}

function beWorker(core: Core, { worker, workers, key }: SteerSpec): void {
  for (let i = 0; i < WORKER_KEY_SIZE; i++) core.mem.u8[ARG + i] = parseInt(key.slice(2 * i, 2 * i + 2), 16);
  if (core.exports.ctl_worker(worker, workers, ARG) < 0) throw new RangeError(`worker ${worker} of ${workers}`);
}

const NEW = NLM_F_CREATE | NLM_F_EXCL;

/** Add or remove a route; `dev`: its interface's index, 0 = as `via` says. Throws what the core answers. */
export function routeRequest(netlink: NetlinkClient, change: 'add' | 'del', r: RouteConfig, dev: number): void {
  const dst = ip(r.network), scope = r.local ? RT_SCOPE_HOST : r.via ? 0 : RT_SCOPE_LINK;
  const body = new RequestBuilder().header([family(dst), r.prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, dst.length === 4 ? scope : 0, r.local ? RTN_LOCAL : RTN_UNICAST, 0, 0, 0, 0]);
  if (r.prefix) body.attr(RTA_DST, dst);
  if (r.via) body.attr(RTA_GATEWAY, ip(r.via));
  if (dev) body.u32(RTA_OIF, dev);
  if (r.metric !== undefined) body.u32(RTA_PRIORITY, r.metric);
  netlink.request(change === 'add' ? RTM_NEWROUTE : RTM_DELROUTE, change === 'add' ? NEW : 0, body.bytes, `route ${r.network}/${r.prefix}`);
}

/** Add or remove an address. `dad`: use it only when nobody answers for it. Throws what the core answers. */
export function addressRequest(netlink: NetlinkClient, change: 'add' | 'del', dev: number, text: string, prefix: number, dad = false): void {
  const a = ip(text);
  const body = new RequestBuilder().header([family(a), prefix, 0, 0, ...le32(dev)]).attr(IFA_LOCAL, a).attr(IFA_ADDRESS, a);
  if (dad && a.length === 4) body.u32(IFA_FLAGS, IFA_F_TENTATIVE);
  netlink.request(change === 'add' ? RTM_NEWADDR : RTM_DELADDR, change === 'add' ? NEW : 0, body.bytes, `address ${text}/${prefix}`);
}
