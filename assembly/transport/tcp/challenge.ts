// Challenge ACKs (RFC 5961) and the limits that keep them, and answers to out-of-window segments, from being a weapon.
import { randBelow } from "../../lib/drbg";
import { Mib, mibInc } from "../../core/mib";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { TcpFlag } from "../../wire/tcp";
import { sendAck } from "./emit";
import { IN } from "./segin";
import { Tcb } from "./tcp";

@unmanaged @final class Budget {
  /** s. */
  second: u64;
  left: u32;
}
const B = changetype<Budget>(memory.data(offsetof<Budget>(), 8));

/** As oowAllowed for the segment in IN: data and FIN always get their answer, a peer that lost our ACK depends on it. */
export function answerAllowed(last: usize): bool { return (IN.end != IN.seq && !IN.has(TcpFlag.SYN)) || oowAllowed(last); }

/** May an answer to an invalid segment leave now? At most one per tcp_invalid_ratelimit; `last` (address of a u64, ns) is updated. */
export function oowAllowed(last: usize): bool {
  const t = now();
  const prev = load<u64>(last);
  if (prev && t - prev < <u64>sysctl(Sysctl.TCP_INVALID_RATELIMIT) * MS) {
    mibInc(Mib.TcpExtTCPACKSkippedChallenge);
    return false;
  }
  store<u64>(last, t);
  return true;
}

/** ACK that makes a legitimate peer prove itself: per connection and per stack rate limited. */
export function challengeAck(tp: Tcb): void {
  if (!oowAllowed(changetype<usize>(tp) + offsetof<Tcb>("lastOowAck"))) return;
  const second = now() / SEC;
  if (B.second != second) {
    const limit = sysctl(Sysctl.TCP_CHALLENGE_ACK_LIMIT);
    B.second = second;
    // Half of the budget is random, so that counting it tells nothing (CVE-2016-5696).
    B.left = (limit >> 1) + (limit ? randBelow(limit) : 0);
  }
  if (!B.left) return;
  B.left--;
  mibInc(Mib.TcpExtTCPChallengeACK);
  sendAck(tp);
}
