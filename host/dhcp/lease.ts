// A lease put into a core, and taken out again: the address and its routes. Browser-safe.
import type { Core } from '../core.js';
import { addressRequest, routeRequest } from '../control/apply.js';
import { NetlinkClient } from '../control/netlink.js';
import type { Lease } from './client.js';

/** Replace the address and routes of `before` by those of `after` on interface `ifindex`. HDR_NOW is set. */
export function changeLease(core: Core, ifindex: number, before: Lease | undefined, after: Lease | undefined): void {
  if (before && after && before.address === after.address && before.prefix === after.prefix && JSON.stringify(before.routes) === JSON.stringify(after.routes)) return;
  const netlink = new NetlinkClient(core);
  const routes = (lease: Lease, change: 'add' | 'del'): void => {
    for (const r of lease.routes) routeRequest(netlink, change, { network: r.network, prefix: r.prefix, ...(r.via === '0.0.0.0' ? {} : { via: r.via }) }, ifindex);
  };
  try {
    if (before) {
      routes(before, 'del');
      addressRequest(netlink, 'del', ifindex, before.address, before.prefix);
    }
    if (after) {
      addressRequest(netlink, 'add', ifindex, after.address, after.prefix);
      routes(after, 'add');
    }
  } finally {
    netlink.close();
  }
}
