// Undoing a reduction that proved unfounded: timestamps (Eifel, RFC 3522, RFC 4015), DSACK (RFC 3708), F-RTO.
import { seqLt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { MS, now } from "../../core/time";
import { ACK } from "./ackctx";
import { caSetState, caUndoCwnd } from "./congestion/congestion";
import { anyRetransDone, clearLost, reorderingSeen, tryKeepOpen } from "./recovery";
import { Ca, Ecn, Tcb } from "./tcp";

// The ACK echoes a timestamp from before the first retransmission: the original arrived.
function packetDelayed(tp: Tcb): bool {
  return tp.retransStamp != 0 && tp.sawTs && tp.rcvTsecr != 0 && seqLt(tp.rcvTsecr, tp.retransStamp);
}
@inline function mayUndo(tp: Tcb): bool { return tp.undoMarker != 0 && (tp.undoRetrans == 0 || packetDelayed(tp)); }

function undoCwnd(tp: Tcb, unmarkLost: bool): void {
  if (unmarkLost) clearLost(tp);
  if (tp.priorSsthresh) {
    tp.cwnd = caUndoCwnd(tp);
    if (tp.priorSsthresh > tp.ssthresh) {
      tp.ssthresh = tp.priorSsthresh;
      tp.ecn &= ~Ecn.QUEUE_CWR;
    }
  }
  tp.cwndStamp = <u32>(now() / MS);
  tp.undoMarker = 0;
  tp.rackAdvanced = true; // look again at what is lost
}

// Without SACK, ACKs at high_seq exactly cannot be told from duplicates: hold the state (RFC 6582 6).
function renoHolds(tp: Tcb): bool {
  if (tp.sndUna != tp.highSeq || tp.sackOk) return false;
  if (!anyRetransDone(tp)) tp.retransStamp = 0;
  return true;
}

/** Recovery is complete. True when the state must be held. */
export function tryUndoRecovery(tp: Tcb): bool {
  if (mayUndo(tp)) undoCwnd(tp, false);
  else if (tp.rackReoPersist) tp.rackReoPersist--;
  if (renoHolds(tp)) return true;
  caSetState(tp, Ca.OPEN);
  tp.sackReneg = false;
  return false;
}

/** Every retransmission was reported as a duplicate. */
export function tryUndoDsack(tp: Tcb): bool {
  if (!tp.undoMarker || tp.undoRetrans) return false;
  tp.rackReoPersist = <u8>min<u32>(16, <u32>tp.rackReoPersist + 1);
  undoCwnd(tp, false);
  return true;
}

/** The timeout was spurious. */
export function tryUndoLoss(tp: Tcb, frto: bool): bool {
  if (!frto && !mayUndo(tp)) return false;
  undoCwnd(tp, true);
  if (frto) mibInc(Mib.TcpExtTCPSpuriousRTOs);
  tp.retransmits = 0;
  if (renoHolds(tp)) return true;
  if (frto || tp.sackOk) {
    caSetState(tp, Ca.OPEN);
    tp.sackReneg = false;
  }
  return true;
}

/** A partial ACK in recovery that was caused by the original: true when nothing is to be retransmitted now. */
export function tryUndoPartial(tp: Tcb): bool {
  if (!tp.undoMarker || !packetDelayed(tp)) return false;
  reorderingSeen(tp, ACK.priorUna);
  if (tp.retransOut) return true;
  if (!anyRetransDone(tp)) tp.retransStamp = 0;
  undoCwnd(tp, true);
  tryKeepOpen(tp);
  return true;
}
