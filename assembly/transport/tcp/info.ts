// TCP_INFO: struct tcp_info of Linux (include/uapi/linux/tcp.h), field by field from the control block.
import { MS, US, now } from "../../core/time";
import { accFailMode, accOptSeen } from "./accecn";
import { Chrono, chronoTime } from "./chrono";
import { Ecn, Tcb, TcpState, Tfo } from "./tcp";

export const TCP_INFO_SIZE: u32 = 280;
const BUF: usize = memory.data(280, 8);

@inline function put(offset: usize, v: u32): void { store<u32>(BUF + offset, v); }
@inline function put64(offset: usize, v: u64): void { store<u64>(BUF + offset, v); }
/** ms since `t`, 0 when it never was. */
@inline function since(t: u64): u32 { return t ? <u32>((now() - t) / MS) : 0; }
@inline function us(ns: u64): u32 { return <u32>(ns / US); }

/** The structure, valid until the next call. */
export function tcpInfo(tp: Tcb): usize {
  memory.fill(BUF, 0, TCP_INFO_SIZE);
  const sk = tp.sk;
  store<u8>(BUF, sk.state);
  put(80, tp.cwnd);
  put(88, tp.reordering);
  put64(104, tp.pacingRate ? tp.pacingRate : sk.pacing);
  put64(112, sk.pacing);
  if (sk.state == <u8>TcpState.LISTEN) {
    put(24, tp.acceptQlen);
    put(28, tp.backlog);
    return BUF;
  }
  store<u8>(BUF, tp.caState, 1);
  store<u8>(BUF, <u8>min<u32>(tp.retransmits, 255), 2);
  store<u8>(BUF, <u8>min<u32>(tp.probesOut, 255), 3);
  store<u8>(BUF, <u8>min<u32>(tp.backoff, 255), 4);
  store<u8>(BUF, (tp.tsOk ? 1 : 0) | (tp.sackOk ? 2 : 0) | (tp.wscaleOk ? 4 : 0) | (tp.ecn & Ecn.OK ? 8 : 0) | ((tp.ecn & (Ecn.ACC | Ecn.SEEN)) == (Ecn.ACC | Ecn.SEEN) ? 16 : 0) | (tp.tfo & Tfo.ACKED ? 32 : 0), 5);
  store<u8>(BUF, tp.sndWscale | (tp.rcvWscale << 4), 6);
  store<u8>(BUF, (tp.rateAppLimited ? 1 : 0) | (tp.tfoFail << 1), 7);
  put(8, us(tp.rto));
  put(12, us(tp.ato));
  put(16, tp.mssCache);
  put(20, tp.rcvMss);
  put(24, tp.packetsOut);
  put(28, tp.sackedOut);
  put(32, tp.lostOut);
  put(36, tp.retransOut);
  put(44, since(tp.lastDataSent));
  put(52, since(tp.lastDataRcvd));
  put(56, since(tp.lastAckRcvd));
  put(60, tp.pmtu);
  put(64, tp.rcvSsthresh);
  put(68, tp.srtt >> 3);
  put(72, tp.mdev >> 2);
  put(76, tp.ssthresh);
  put(84, tp.advmss);
  put(92, tp.rcvRtt >> 3);
  put(96, tp.rcvqSpace);
  put(100, tp.totalRetrans);
  put64(120, tp.bytesAcked);
  put64(128, tp.bytesReceived);
  put(136, tp.segsOut);
  put(140, tp.segsIn);
  put(144, tp.writeSeq - tp.sndNxt);
  put(148, tp.minRtt);
  put(152, tp.dataSegsIn);
  put(156, tp.dataSegsOut);
  if (tp.rateInterval) put64(160, <u64>tp.rateDelivered * tp.mssCache * 1_000_000 / tp.rateInterval);
  const rwnd = chronoTime(tp, Chrono.RWND_LIMITED), sndbuf = chronoTime(tp, Chrono.SNDBUF_LIMITED);
  put64(168, (chronoTime(tp, Chrono.BUSY) + rwnd + sndbuf) / US);
  put64(176, rwnd / US);
  put64(184, sndbuf / US);
  put(192, tp.delivered);
  put(196, tp.deliveredCe);
  put64(200, tp.bytesSent);
  put64(208, tp.bytesRetrans);
  put(216, tp.dsackDups);
  put(220, tp.reordSeen);
  put(224, tp.rcvOoopack);
  put(228, tp.sndWnd);
  put(232, tp.rcvWnd);
  put(240, min<u32>(tp.totalRto, 65535) | (min<u32>(tp.totalRtoRecoveries, 65535) << 16));
  put(244, tp.totalRtoTime);
  put(248, tp.receivedCe);
  put(252, tp.deliveredE1);
  put(256, tp.deliveredE0);
  put(260, tp.deliveredCeBytes);
  put(264, tp.receivedE1);
  put(268, tp.receivedE0);
  put(272, tp.receivedCeBytes);
  put(276, accFailMode(tp) | (accOptSeen(tp) << 16));
  return BUF;
}
