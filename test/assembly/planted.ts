// Faults of memory to plant in a test-only build of the core: test/scripts/sanitizer proves that each fails a suite.
import { chunkAlloc, chunkRelease } from "../../assembly/core/chunk";
import { skbAlloc, skbFree } from "../../assembly/core/skb";
import { Timer } from "../../assembly/core/timer";
import { NetDevice, netDeviceFirst } from "../../assembly/link/net_device";

export const enum Fault { NONE, USE_AFTER_FREE, LEAK, DOUBLE_FREE, OUT_OF_SLOT, ARMED_TIMER }

function noop(_arg: usize): void {}

/** Commit one fault. */
export function plant(fault: Fault): void {
  switch (fault) {
    case Fault.USE_AFTER_FREE: {
      const s = skbAlloc(100)!;
      const late = s.buf + 1000;
      skbFree(s);
      store<u8>(late, 1);
      break;
    }
    case Fault.LEAK: skbAlloc(100); break;
    case Fault.DOUBLE_FREE: {
      const c = chunkAlloc(100)!;
      const p = c.ptr, cap = c.cap;
      chunkRelease(c);
      c.ptr = p;
      c.cap = cap;
      c.refs = 1;
      chunkRelease(c);
      break;
    }
    case Fault.OUT_OF_SLOT: store<u8>(changetype<usize>(netDeviceFirst()!) + offsetof<NetDevice>(), 1); break; // lives to the end
    case Fault.ARMED_TIMER: {
      const s = skbAlloc(100)!;
      const t = changetype<Timer>(s.data);
      t.init(noop.index, 0);
      t.armIn(1_000_000_000_000_000);
      skbFree(s);
      break;
    }
  }
}
