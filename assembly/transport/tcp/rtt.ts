// Round-trip time and the retransmission timeout (RFC 6298), with samples in microseconds. As in Linux the
// variance term decays at most once per round trip and is at least 200 ms, so RTO >= SRTT + 200 ms.
import { seqGt } from "../../lib/seq";
import { MS, SEC, US, now } from "../../core/time";
import { Sysctl, sysctl } from "../../core/sysctl";
import { RTO_INIT, RTO_MAX, RTO_MIN, Tcb } from "./tcp";

const RTO_MIN_US: u32 = <u32>(RTO_MIN / US);

/** Take one sample, us. */
export function rttSample(tp: Tcb, us: u32): void {
  let m = <i32>max(us, 1);
  let srtt = tp.srtt;
  if (srtt) {
    m -= <i32>(srtt >> 3);
    srtt += m; // srtt = 7/8 srtt + 1/8 new
    if (m < 0) {
      m = -m;
      m -= <i32>(tp.mdev >> 2);
      // A falling RTT must not raise the deviation quickly.
      if (m > 0) m >>= 3;
    } else m -= <i32>(tp.mdev >> 2);
    tp.mdev += m;
    if (tp.mdev > tp.mdevMax) {
      tp.mdevMax = tp.mdev;
      if (tp.mdevMax > tp.rttvar) tp.rttvar = tp.mdevMax;
    }
    if (seqGt(tp.sndUna, tp.rttSeq)) {
      if (tp.mdevMax < tp.rttvar) tp.rttvar -= (tp.rttvar - tp.mdevMax) >> 2;
      tp.rttSeq = tp.sndNxt;
      tp.mdevMax = RTO_MIN_US;
    }
  } else {
    srtt = us << 3;
    tp.mdev = us << 1;
    tp.rttvar = max(tp.mdev, RTO_MIN_US);
    tp.mdevMax = tp.rttvar;
    tp.rttSeq = tp.sndNxt;
  }
  tp.srtt = max(srtt, 1);
}

/** Recompute the timeout from the estimators. */
export function rtoSet(tp: Tcb): void {
  tp.rto = min<u64>((<u64>(tp.srtt >> 3) + tp.rttvar) * US, RTO_MAX);
}

/** Estimators of a fresh connection. */
export function rttInit(tp: Tcb): void {
  tp.srtt = 0;
  tp.mdev = <u32>(RTO_INIT / US);
  tp.rttvar = tp.mdev;
  tp.mdevMax = 0;
  tp.rto = RTO_INIT;
  tp.minRtt = u32.MAX_VALUE;
}

/** Windowed minimum of the RTT (tcp_min_rtt_wlen), us. */
export function minRttUpdate(tp: Tcb, us: u32): void {
  const window = <u64>sysctl(Sysctl.TCP_MIN_RTT_WLEN) * SEC;
  if (us <= tp.minRtt || now() - tp.minRttTime > window) {
    tp.minRtt = max(us, 1);
    tp.minRttTime = now();
  }
}

/** TSval of this connection now: milliseconds and a private offset. */
@inline export function tsNow(tp: Tcb): u32 { return <u32>(now() / MS) + tp.tsOffset; }
