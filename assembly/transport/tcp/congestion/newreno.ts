// RFC 5681 slow start (with HyStart++: hystart.ts) and congestion avoidance (recovery itself is shared by all algorithms).
import { Tcb } from "../tcp";
import { congAvoidAi, isCwndLimited, slowStart } from "./congestion";
import { hystartGrowth } from "./hystart";

export function renoSsthresh(tp: Tcb): u32 { return max(tp.cwnd >> 1, 2); }

export function renoCongAvoid(tp: Tcb, acked: u32): void {
  if (!isCwndLimited(tp)) return;
  if (tp.inSlowStart) {
    acked = slowStart(tp, hystartGrowth(tp, acked));
    if (!acked) return;
  }
  congAvoidAi(tp, tp.cwnd, acked);
}
