// Where the sender's time goes (tcp_info: busy, limited by the peer's window, limited by the send buffer).
import { now } from "../../core/time";
import { Tcb } from "./tcp";

/** In rising priority: a later one interrupts an earlier one. */
export const enum Chrono { NONE, BUSY, RWND_LIMITED, SNDBUF_LIMITED }

@inline function stat(tp: Tcb, type: u32): usize { return changetype<usize>(tp) + offsetof<Tcb>("busyTime") + ((type - 1) << 3); }

function set(tp: Tcb, type: u32): void {
  const t = now();
  if (tp.chronoType) {
    const p = stat(tp, tp.chronoType);
    store<u64>(p, load<u64>(p) + (t - tp.chronoStart));
  }
  tp.chronoStart = t;
  tp.chronoType = type;
}

export function chronoStart(tp: Tcb, type: Chrono): void { if (<u32>type > tp.chronoType) set(tp, type); }
export function chronoStop(tp: Tcb, type: Chrono): void {
  if (tp.writeSeq == tp.sndUna) {
    if (tp.chronoType) set(tp, Chrono.NONE);
  } else if (<u32>type == tp.chronoType) set(tp, Chrono.BUSY);
}
/** Time spent so far, ns. */
export function chronoTime(tp: Tcb, type: Chrono): u64 {
  return load<u64>(stat(tp, type)) + (tp.chronoType == <u32>type ? now() - tp.chronoStart : 0);
}
