// The settings of a stack as they are now, whoever made them: read out of a core by dumps, and put into another, as
// `ip route save` and `restore` do. Bounded by the core's own tables. Browser-safe: no node:* here.
import { DeviceConf, Sysctl } from '../abi/constants.js';
import type { Core } from '../core.js';
import { NLM_F_CREATE, NLM_F_DUMP, NetlinkClient, NetlinkError, RequestBuilder, attributes, type NetlinkMessage } from './netlink.js';

const RTM_NEWLINK = 16, RTM_GETLINK = 18, RTM_NEWADDR = 20, RTM_GETADDR = 22, RTM_NEWROUTE = 24, RTM_GETROUTE = 26, RTM_NEWNEIGH = 28, RTM_GETNEIGH = 30;
const IFLA_MTU = 4, IFF_UP = 1, IFA_F_PERMANENT = 0x80, RT_TABLE_MAIN = 254, RTPROT_KERNEL = 2, RTPROT_REDIRECT = 1, RTPROT_RA = 9, RTA_GATEWAY = 5, NUD_PERMANENT = 0x80;
/** Sizes of the family headers. */
const IFINFO = 16, IFADDR = 8, RTMSG = 12, NDMSG = 12;
const EEXIST = 17;

export interface Settings {
  sysctls: number[];
  links: { ifindex: number; up: boolean; mtu: number; conf: number[] }[];
  /** Bodies of messages, in the order in which they can be given again. */
  addresses: Uint8Array[];
  neighbours: Uint8Array[];
  routes: Uint8Array[];
}

const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);
const CONF = Object.values(DeviceConf);

/** What the core is set to; HDR_NOW is set. What it has learned by itself (router advertisements, redirects, ARP) is left out. */
export function saveSettings(core: Core): Settings {
  const x = core.exports, netlink = new NetlinkClient(core);
  const dump = (type: number, header: number): NetlinkMessage[] => netlink.request(type, NLM_F_DUMP, new RequestBuilder().header(new Array<number>(header).fill(0)).bytes, 'settings');
  try {
    const routes = dump(RTM_GETROUTE, RTMSG).map((m) => m.body).filter((b) => b[4] === RT_TABLE_MAIN && ![RTPROT_KERNEL, RTPROT_REDIRECT, RTPROT_RA].includes(b[5]));
    const behindGateway = (b: Uint8Array): number => Number(attributes(b, RTMSG).has(RTA_GATEWAY));
    return {
      sysctls: Array.from({ length: Sysctl.COUNT }, (_, key) => x.ctl_sysctl_get(key)),
      links: dump(RTM_GETLINK, IFINFO).map(({ body }) => {
        const ifindex = view(body).getUint32(4, true), mtu = attributes(body, IFINFO).get(IFLA_MTU);
        return { ifindex, up: (view(body).getUint32(8, true) & IFF_UP) !== 0, mtu: mtu ? view(mtu).getUint32(0, true) : 0, conf: CONF.map((key) => x.ctl_device_conf_get(ifindex, key)) };
      }),
      addresses: dump(RTM_GETADDR, IFADDR).map((m) => m.body).filter((b) => b[2] & IFA_F_PERMANENT),
      neighbours: dump(RTM_GETNEIGH, NDMSG).map((m) => m.body).filter((b) => view(b).getUint16(8, true) & NUD_PERMANENT),
      routes: routes.sort((a, b) => behindGateway(a) - behindGateway(b)),
    };
  } finally {
    netlink.close();
  }
}

/** Set a core whose devices are registered to all of this; what it refused, one line each. */
export function restoreSettings(core: Core, s: Settings): string[] {
  const x = core.exports, refused: string[] = [];
  s.sysctls.forEach((value, key) => { if (x.ctl_sysctl_get(key) !== value) x.ctl_sysctl_set(key, value); });
  const netlink = new NetlinkClient(core);
  const give = (type: number, body: Uint8Array, what: string): void => {
    try {
      netlink.request(type, NLM_F_CREATE, body, what);
    } catch (e) {
      if (!(e instanceof NetlinkError)) throw e;
      // Loopback's and link-local addresses come by themselves.
      if (e.errno !== EEXIST) refused.push(e.message);
    }
  };
  try {
    for (const l of s.links) {
      l.conf.forEach((value, i) => { if (value >= 0 && x.ctl_device_conf_get(l.ifindex, CONF[i]) !== value) x.ctl_device_conf_set(l.ifindex, CONF[i], value); });
      give(RTM_NEWLINK, link(l.ifindex, l.up, l.mtu), `interface ${l.ifindex}`);
    }
    for (const b of s.addresses) give(RTM_NEWADDR, b, 'address');
    for (const b of s.neighbours) give(RTM_NEWNEIGH, b, 'neighbour');
    for (const b of s.routes) give(RTM_NEWROUTE, b, 'route');
    return refused;
  } finally {
    netlink.close();
  }
}

function link(ifindex: number, up: boolean, mtu: number): Uint8Array {
  const header = new Uint8Array(IFINFO), v = view(header);
  v.setUint32(4, ifindex, true);
  v.setUint32(8, up ? IFF_UP : 0, true);
  v.setUint32(12, IFF_UP, true);
  const body = new RequestBuilder().header([...header]);
  return (mtu ? body.u32(IFLA_MTU, mtu) : body).bytes;
}
