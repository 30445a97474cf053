// SNMP counters under Linux's names (/proc/net/snmp, /proc/net/netstat, nstat). Append only.

export const enum Mib {
  IpInReceives, IpInHdrErrors, IpInAddrErrors, IpForwDatagrams, IpInUnknownProtos, IpInDiscards, IpInDelivers,
  IpOutRequests, IpOutDiscards, IpOutNoRoutes, IpReasmTimeout, IpReasmReqds, IpReasmOKs, IpReasmFails,
  IpFragOKs, IpFragFails, IpFragCreates,
  Ip6InReceives, Ip6InHdrErrors, Ip6InTooBigErrors, Ip6InNoRoutes, Ip6InAddrErrors, Ip6InUnknownProtos,
  Ip6InTruncatedPkts, Ip6InDiscards, Ip6InDelivers, Ip6OutForwDatagrams, Ip6OutRequests, Ip6OutDiscards,
  Ip6OutNoRoutes, Ip6ReasmTimeout, Ip6ReasmReqds, Ip6ReasmOKs, Ip6ReasmFails, Ip6FragOKs, Ip6FragFails, Ip6FragCreates,
  IcmpInMsgs, IcmpInErrors, IcmpInCsumErrors, IcmpInDestUnreachs, IcmpInTimeExcds, IcmpInParmProbs, IcmpInRedirects,
  IcmpInEchos, IcmpInEchoReps, IcmpOutMsgs, IcmpOutErrors, IcmpOutDestUnreachs, IcmpOutTimeExcds, IcmpOutParmProbs,
  IcmpOutEchos, IcmpOutEchoReps, IcmpOutRateLimitHost,
  Icmp6InMsgs, Icmp6InErrors, Icmp6InCsumErrors, Icmp6OutMsgs, Icmp6OutErrors,
  TcpActiveOpens, TcpPassiveOpens, TcpAttemptFails, TcpEstabResets, TcpCurrEstab, TcpInSegs, TcpOutSegs,
  TcpRetransSegs, TcpInErrs, TcpOutRsts, TcpInCsumErrors,
  UdpInDatagrams, UdpNoPorts, UdpInErrors, UdpOutDatagrams, UdpRcvbufErrors, UdpSndbufErrors, UdpInCsumErrors,
  Udp6InDatagrams, Udp6NoPorts, Udp6InErrors, Udp6OutDatagrams, Udp6RcvbufErrors, Udp6SndbufErrors, Udp6InCsumErrors,
  TcpExtSyncookiesSent, TcpExtSyncookiesRecv, TcpExtSyncookiesFailed, TcpExtListenOverflows, TcpExtListenDrops,
  TcpExtTW, TcpExtTWRecycled, TcpExtPAWSActive, TcpExtPAWSEstab, TcpExtDelayedACKs, TcpExtTCPTimeouts, TcpExtTCPLossProbes,
  TcpExtTCPLossProbeRecovery, TcpExtTCPSackRecovery, TcpExtTCPFastRetrans, TcpExtTCPSlowStartRetrans,
  TcpExtTCPSpuriousRTOs, TcpExtTCPLostRetransmit, TcpExtTCPDSACKOldSent, TcpExtTCPDSACKOfoSent, TcpExtTCPDSACKRecv,
  TcpExtTCPOFOQueue, TcpExtTCPOFODrop, TcpExtTCPOFOMerge, TcpExtTCPChallengeACK, TcpExtTCPSYNChallenge,
  TcpExtTCPAbortOnData, TcpExtTCPAbortOnClose, TcpExtTCPAbortOnMemory, TcpExtTCPAbortOnTimeout, TcpExtTCPAbortOnLinger,
  TcpExtTCPRcvCoalesce, TcpExtTCPRcvPruned, TcpExtTCPMemoryPressures, TcpExtTCPKeepAlive, TcpExtTCPRcvQDrop,
  TcpExtTCPSynRetrans, TcpExtTCPOrigDataSent, TcpExtTCPHPHits, TcpExtTCPWantZeroWindowAdv, TcpExtTCPFromZeroWindowAdv,
  TcpExtTCPToZeroWindowAdv, TcpExtTCPReqQFullDrop, TcpExtTCPReqQFullDoCookies, TcpExtTCPMTUPFail, TcpExtTCPMTUPSuccess,
  TcpExtTCPTimeWaitOverflow, TcpExtTCPACKSkippedChallenge, TcpExtTCPRenoRecovery,
  TcpExtTCPFastOpenActive, TcpExtTCPFastOpenActiveFail, TcpExtTCPFastOpenPassive, TcpExtTCPFastOpenPassiveFail,
  TcpExtTCPFastOpenListenOverflow, TcpExtTCPFastOpenCookieReqd, TcpExtTCPFastOpenBlackhole, TcpExtTCPFastOpenPassiveAltKey,
  // in the order of UDP's
  UdpLiteInDatagrams, UdpLiteNoPorts, UdpLiteInErrors, UdpLiteOutDatagrams, UdpLiteRcvbufErrors, UdpLiteSndbufErrors, UdpLiteInCsumErrors,
  UdpLite6InDatagrams, UdpLite6NoPorts, UdpLite6InErrors, UdpLite6OutDatagrams, UdpLite6RcvbufErrors, UdpLite6SndbufErrors, UdpLite6InCsumErrors,
  TcpExtTCPMD5NotFound, TcpExtTCPMD5Unexpected, TcpExtTCPMD5Failure,
  TcpExtTCPAORequired, TcpExtTCPAOBad, TcpExtTCPAOKeyNotFound, TcpExtTCPAOGood, TcpExtTCPAODroppedIcmps,
  TcpExtTCPHystartDelayDetect, TcpExtTCPHystartDelayCwnd, TcpExtTCPSACKReneging,
  COUNT,
}

const COUNTERS: usize = memory.data(2048, 8); // u64 per counter, room for 256

@inline export function mibInc(c: Mib): void { mibAdd(c, 1); }
@inline export function mibAdd(c: Mib, n: u64): void {
  const p = COUNTERS + (<usize>c << 3);
  store<u64>(p, load<u64>(p) + n);
}
@inline export function mibDec(c: Mib): void {
  const p = COUNTERS + (<usize>c << 3);
  store<u64>(p, load<u64>(p) - 1);
}
export function mibGet(c: u32): u64 { return c < <u32>Mib.COUNT ? load<u64>(COUNTERS + (<usize>c << 3)) : 0; }
/** Address of the u64 counters, indexed by Mib. */
export function mibTable(): usize { return COUNTERS; }
