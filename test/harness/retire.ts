// The end of a core under test: everything is closed, deleted and left to run out, and then nothing may be left in any pool.
// On the sanitizer build all red zones, free slots and armed timers are looked at as well.
import * as A from '../../host/abi/constants.js';
import type { CoreExports } from '../../host/abi/exports.js';
import { interfaces } from '../../host/control/apply.js';
import { NLM_F_DUMP, NetlinkClient, RequestBuilder, attributes } from '../../host/control/netlink.js';
import type { TestCore } from './core.js';

const RTM_NEWLINK = 16, RTM_DELADDR = 21, RTM_GETADDR = 22, IFA_ADDRESS = 1;
/** Orphans of TCP end by themselves within this, s: their last retransmission, then TIME_WAIT. */
const ORPHAN_S = 4000;

/** What may be left: receive buffers that wait for frames, the devices, and what the loopback device has by itself. */
function allowed(core: TestCore, what: keyof typeof A.Usage): number {
  const posted = core.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2];
  switch (what) {
    case 'PACKETS': case 'PACKETS_LARGE': return posted;
    case 'IN6': return core.fresh[A.Usage.DEVICES]; // made on first use, kept with the device
    case 'BYTES': return Infinity;
    default: return core.fresh[A.Usage[what]];
  }
}

/** Pools that are not empty, as `name: used of allowed`. */
export function leaks(core: TestCore): string[] {
  const out: string[] = [];
  for (const what of Object.keys(A.Usage) as (keyof typeof A.Usage)[]) {
    if (what === 'COUNT') continue;
    const used = core.x.usage(A.Usage[what]);
    if (used > allowed(core, what)) out.push(`${what}: ${used}, ${allowed(core, what)} allowed`);
  }
  return out;
}

/** Close, take down and delete everything; throws what the sanitizer finds and when something leaks. */
export function retire(core: TestCore): void {
  for (const handle of [...core.handles]) {
    core.stamp();
    core.x.sys_close(handle);
  }
  core.stamp();
  const netlink = new NetlinkClient({ exports: core.x, mem: core.mem });
  const devices = [...interfaces(netlink).values()];
  for (const index of devices) netlink.request(RTM_NEWLINK, 0, new RequestBuilder().header([0, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).bytes, 'link down');
  for (const m of netlink.request(RTM_GETADDR, NLM_F_DUMP, new RequestBuilder().header([0, 0, 0, 0, 0, 0, 0, 0]).bytes, 'addresses')) {
    const address = attributes(m.body, 8).get(IFA_ADDRESS);
    if (address) netlink.request(RTM_DELADDR, 0, new RequestBuilder().header([...m.body.subarray(0, 8)]).attr(IFA_ADDRESS, address).bytes, 'address');
  }
  netlink.close();
  drain(core);
  (core.x as CoreExports & { sanitize_check?(): void }).sanitize_check?.();
  const left = leaks(core);
  if (left.length) throw new Error(`left at the end of the test: ${left.join('; ')}`);
}

function drain(core: TestCore): void {
  core.poll();
  for (let s = 0; s < ORPHAN_S; s += 50) {
    for (let vif = 0; vif < A.VIF_MAX; vif++) if (core.mem.u32[(A.VIF + vif * A.VIF_STRIDE + A.VIF_IFINDEX) >>> 2]) core.tx(vif);
    core.advance(50e9);
    if (!leaks(core).length) break;
  }
}
