// Pacing: segments with data leave no faster than a rate (SO_MAX_PACING_RATE, or what a congestion control asks for), spaced
// by a timer of the connection as by Linux's internal pacing. Each super-segment moves the earliest departure of the next one
// on by the time it takes at that rate; super-segments themselves are about a millisecond long (tsoSegs in output.ts).
import { MS, SEC, US, now } from "../../core/time";
import { writeSpace } from "./ack";
import { caOwn } from "./congestion/congestion";
import { push, xmitRetransmitQueue } from "./output";
import { Tcb, TcpState } from "./tcp";

/** The timer wheel's tick, ns: a segment may leave this much before its time, so that the rate does not suffer from the wheel's rounding. */
const SLACK: u64 = 65_536;
/** Packets with data that leave unpaced at the start of a connection: an initial window (RFC 6928). */
const UNPACED_START: u32 = 10;

/** The longest interval that a congestion control's rate may lead to on a short round trip, ns: half of the least RTO. */
const LONGEST: u64 = 100 * MS;

/** Until a connection without any memory looks for some again. */
const MEMORY_WAIT: u64 = 50 * MS;

/** bytes/s; u64.MAX_VALUE: as fast as can be. */
@inline function paceRate(tp: Tcb): u64 { return tp.pacingRate ? tp.pacingRate : tp.sk.pacing; }

/** At the start of the transfer: pace if the socket's option says so. */
export function paceInit(tp: Tcb): void {
  if (tp.sk.pacing != u64.MAX_VALUE) tp.paced = true;
}

/** SO_MAX_PACING_RATE was set. As in Linux a connection once paced remains so, at its congestion control's rate. */
export function paceLimit(tp: Tcb): void {
  if (tp.sk.pacing != u64.MAX_VALUE) tp.paced = true;
  tp.pacingRate = min(tp.pacingRate, tp.sk.pacing);
}

// BBR's rate may come from an outage: a segment or two in all the time that the sender waited for its RTO, with no better sample left of
// the last ten rounds. Its draft and Linux pace by that, though segments then leave more than an RTO apart and the path has shown to carry
// one in a round trip. Other controls' rates, 1.2 cwnd/srtt, are never that low.
function paceInterval(tp: Tcb, len: u32, rate: u64): u64 {
  const interval = <u64>len * SEC / rate, longest = max(<u64>(tp.srtt >> 3) * US, LONGEST);
  return caOwn(tp) && interval > longest ? max(longest, <u64>len * SEC / tp.sk.pacing) : interval;
}

/** `len` bytes of payload have just left: when may the next ones? A delay suffered is made good, up to half of the interval. */
export function paceSent(tp: Tcb, len: u32): void {
  const t = now(), late = t > tp.departure ? t - tp.departure : 0;
  tp.departure += late;
  const rate = paceRate(tp);
  if (!rate || rate == u64.MAX_VALUE || tp.dataSegsOut < UNPACED_START) return;
  const interval = paceInterval(tp, len, rate);
  tp.departure += interval - min(interval >> 1, late);
}

/** Must the next segment wait? The timer then sends it. */
export function paceHolds(tp: Tcb): bool {
  if (tp.departure <= now() + SLACK) return false;
  if (!tp.paceTimer.armed) tp.paceTimer.arm(tp.departure - SLACK);
  return true;
}

/** How long pacing will hold sending back, ns: timers that watch over what is sent start after that. */
export function paceDelay(tp: Tcb): u64 {
  const t = now();
  return tp.departure > t ? tp.departure - t : 0;
}

/** Nothing is queued, for want of memory, so that no acknowledgment will tell of room: look again in a while (Linux's sk_stream_wait_memory). */
export function awaitMemory(tp: Tcb): void {
  if (!tp.paceTimer.armed) tp.paceTimer.armIn(MEMORY_WAIT);
}

export function paceFire(p: usize): void {
  const tp = changetype<Tcb>(p);
  const state = tp.sk.state;
  if (state == <u8>TcpState.CLOSE || state == <u8>TcpState.LISTEN) return;
  if (tp.lostOut > tp.retransOut && tp.cwnd > tp.inFlight) xmitRetransmitQueue(tp);
  push(tp, tp.nonagle);
  if (!tp.txQueued) writeSpace(tp);
}
