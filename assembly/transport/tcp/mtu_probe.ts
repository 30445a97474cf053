// Packetization-layer path MTU discovery (RFC 4821): off, after a black hole is suspected, or always
// (net.ipv4.tcp_mtu_probing 0, 1, 2).
import { Mib, mibInc } from "../../core/mib";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MIN_SND_MSS, Ca, Tcb } from "./tcp";
import { mssToMtu, mtuToMss, syncMss } from "./mss";
import { seqIn } from "../../lib/seq";
import { sendMtuProbe, unsentData } from "./output";

/** Stop searching when the range is this small, bytes. */
const SEARCH_DONE: u32 = 8;

export function mtupInit(tp: Tcb): void {
  tp.mtupEnabled = sysctl(Sysctl.TCP_MTU_PROBING) > 1;
  tp.mtupHigh = tp.flow.mtu;
  tp.mtupLow = mssToMtu(tp, sysctl(Sysctl.TCP_BASE_MSS));
  tp.mtuProbeSize = 0;
}

/** Repeated timeouts: full-sized segments may be vanishing. Start at the base MSS, then halve. */
export function mtuBlackHole(tp: Tcb): void {
  if (!sysctl(Sysctl.TCP_MTU_PROBING)) return;
  if (!tp.mtupEnabled) {
    tp.mtupEnabled = true;
    tp.mtupHigh = tp.pmtu;
  } else {
    let mss = mtuToMss(tp, tp.mtupLow) >> 1;
    mss = min(sysctl(Sysctl.TCP_BASE_MSS), mss);
    mss = max(mss, MIN_SND_MSS);
    tp.mtupLow = mssToMtu(tp, mss);
  }
  syncMss(tp, tp.pmtu);
}

/** Send a probe if one is due and conditions are good. True when one was sent (nothing else goes out now). */
export function mtuProbe(tp: Tcb): bool {
  if (tp.mtuProbeSize || tp.caState != <u32>Ca.OPEN || tp.cwnd < 11 || tp.nsacks || tp.urgentMode) return false;
  const mtu = (tp.mtupHigh + tp.mtupLow) >> 1;
  if (tp.mtupHigh < tp.mtupLow + SEARCH_DONE) return false;
  const size = mtuToMss(tp, mtu);
  if (size <= tp.mssCache) return false;
  const need = size + (tp.reordering + 1) * tp.mssCache;
  if (unsentData(tp) < need || tp.sndWnd < need || <i32>(tp.wndEnd - tp.sndNxt) < <i32>need) return false;
  if (tp.inFlight + 2 > tp.cwnd) return false;
  if (!sendMtuProbe(tp, size)) return false;
  tp.mtuProbeSize = mtu;
  return true;
}

/** The probe was acknowledged: its size is good. */
export function mtuProbeAcked(tp: Tcb): void {
  // cwnd is counted in segments of the new, larger size from here on.
  const old = mssToMtu(tp, tp.mssCache);
  tp.cwnd = max<u32>(1, <u32>(<u64>tp.cwnd * old / tp.mtuProbeSize));
  tp.cwndCnt = 0;
  tp.mtupLow = tp.mtuProbeSize;
  tp.mtuProbeSize = 0;
  mibInc(Mib.TcpExtTCPMTUPSuccess);
  syncMss(tp, tp.pmtu);
}

/** Was the segment at `seq` the probe? Its loss says that the size is too big, not that there is congestion. */
export function mtuProbeLost(tp: Tcb, seq: u32): bool {
  if (!tp.mtuProbeSize || !seqIn(seq, tp.mtuProbeSeqStart, tp.mtuProbeSeqEnd)) return false;
  tp.mtupHigh = tp.mtuProbeSize - 1;
  tp.mtuProbeSize = 0;
  mibInc(Mib.TcpExtTCPMTUPFail);
  return true;
}
