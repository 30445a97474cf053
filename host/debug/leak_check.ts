// The end of a core: everything is closed, deleted and left to run out, and then nothing may be left in any pool. On the sanitizer build all
// red zones, free slots and armed timers are looked at as well.
import * as A from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import { interfaces } from '../control/apply.js';
import { NLM_F_DUMP, NetlinkClient, RequestBuilder, attributes } from '../control/netlink.js';
import type { Core } from '../core.js';

const RTM_NEWLINK = 16, RTM_DELADDR = 21, RTM_GETADDR = 22, IFA_ADDRESS = 1;
/** Orphans of TCP end by themselves within this, ns: their last retransmission, then TIME_WAIT. */
const ORPHAN = 4000e9, STRIDE = 50e9;
const NOW = A.HDR + A.HDR_NOW, DEADLINE = A.HDR + A.HDR_DEADLINE;

type UsageKey = Exclude<keyof typeof A.Usage, 'COUNT'>;
const POOLS = (Object.keys(A.Usage) as (keyof typeof A.Usage)[]).filter((k): k is UsageKey => k !== 'COUNT');

export class LeakCheck {
  /** The core to use from now on: it notes which sockets are open, and which devices there are. */
  readonly core: Core;
  /** Open sockets. */
  readonly handles = new Set<number>();
  /** By Usage: what was in use before anything happened. */
  private readonly fresh: number[];

  /** `core` has been initialised and not called since. */
  constructor(private readonly bare: Core) {
    const x = bare.exports;
    this.fresh = Object.values(A.Usage).map((what) => x.usage(what));
    this.core = { mem: bare.mem, exports: this.noting(x) };
  }
  private noting(x: CoreExports): CoreExports {
    const opened = (h: number): number => {
      if (h >= 0) this.handles.add(h);
      return h;
    };
    return {
      ...x,
      sys_socket: (family, type, protocol) => opened(x.sys_socket(family, type, protocol)),
      sys_accept: (h) => opened(x.sys_accept(h)),
      sys_close: (h) => {
        this.handles.delete(h);
        return x.sys_close(h);
      },
      dev_register: (vif, name, mac, mtu, features) => {
        const r = x.dev_register(vif, name, mac, mtu, features);
        if (r >= 0) this.fresh[A.Usage.DEVICES]++;
        return r;
      },
    };
  }

  /** What may be left: receive buffers that wait for frames, the devices, and what the loopback device has by itself. */
  private allowed(what: UsageKey): number {
    switch (what) {
      case 'PACKETS': case 'PACKETS_LARGE': return this.bare.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2];
      case 'IN6': return this.fresh[A.Usage.DEVICES]; // made on first use, kept with the device
      case 'BYTES': return Infinity;
      default: return this.fresh[A.Usage[what]];
    }
  }
  /** Pools that are not empty, as `name: used, n allowed`. */
  private leaks(): string[] {
    return POOLS.map((what) => ({ what, used: this.bare.exports.usage(A.Usage[what]), allowed: this.allowed(what) }))
      .filter(({ used, allowed }) => used > allowed).map(({ what, used, allowed }) => `${what}: ${used}, ${allowed} allowed`);
  }

  /** Close, take down and delete everything, at the time in HDR_NOW and after it; what is left. Throws what the sanitizer finds. */
  retire(): string[] {
    const { exports: x } = this.core;
    for (const handle of [...this.handles]) x.sys_close(handle);
    this.takeDown();
    this.drain();
    (x as CoreExports & { sanitize_check?(): void }).sanitize_check?.();
    return this.leaks();
  }
  private takeDown(): void {
    const netlink = new NetlinkClient(this.core);
    for (const index of interfaces(netlink).values()) netlink.request(RTM_NEWLINK, 0, new RequestBuilder().header([0, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).bytes, 'link down');
    for (const m of netlink.request(RTM_GETADDR, NLM_F_DUMP, new RequestBuilder().header([0, 0, 0, 0, 0, 0, 0, 0]).bytes, 'addresses')) {
      const address = attributes(m.body, 8).get(IFA_ADDRESS);
      if (address) netlink.request(RTM_DELADDR, 0, new RequestBuilder().header([...m.body.subarray(0, 8)]).attr(IFA_ADDRESS, address).bytes, 'address');
    }
    netlink.close();
  }
  private drain(): void {
    const { mem } = this.bare, start = mem.getNs(NOW);
    this.poll();
    for (let now = start; now < start + ORPHAN; now += STRIDE) {
      while (mem.getNs(DEADLINE) <= now + STRIDE) {
        mem.putNs(NOW, Math.max(mem.getNs(NOW), mem.getNs(DEADLINE)));
        this.poll();
      }
      mem.putNs(NOW, now + STRIDE);
      this.poll();
      if (!this.leaks().length) break;
    }
  }
  /** Frames go nowhere. */
  private poll(): void {
    const { mem } = this.bare;
    this.core.exports.poll(0);
    for (let vif = 0; vif < A.VIF_MAX; vif++) {
      const h = (A.VIF + vif * A.VIF_STRIDE) >>> 2;
      mem.u32[h + (A.VIF_TX_TAIL >>> 2)] = mem.u32[h + (A.VIF_TX_HEAD >>> 2)];
    }
  }
}
