// TCP: the control block and its pool. RFC 9293; timers RFC 6298; timestamps and scaling RFC 7323; SACK
// RFC 2018, 2883; loss detection RFC 8985; cwnd RFC 5681, 9438, 6937; blind attacks RFC 5961. Where an RFC
// leaves a choice, the choice is Linux's.
import { Usage } from "../../abi";
import { ListNode } from "../../lib/list";
import { Pool } from "../../lib/pool";
import { Sock, SockFlag } from "../../core/sock";
import { MS } from "../../core/time";
import { Timer } from "../../core/timer";
import { Flow } from "../../network/flow";
import { authFree } from "./auth/keys";

/** Linux's numbers (include/net/tcp_states.h). */
export const enum TcpState {
  NONE, ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING,
}
/** Congestion state machine (Linux's icsk_ca_state). */
export const enum Ca { OPEN, DISORDER, CWR, RECOVERY, LOSS }
/** Bits of Tcb.nonagle. */
export const enum Nagle { OFF = 1, CORK = 2, PUSH = 4 }
/** What the retransmission timer stands for. */
export const enum Pending { NONE, RETRANS, REO, PROBE0, LOSS_PROBE }
/** Bits of Tcb.ackFlags. */
export const enum AckSched {
  /** A segment arrived that wants an acknowledgment. */
  SCHED = 1,
  TIMER = 2,
  PUSHED = 4,
  PUSHED2 = 8,
  /** Acknowledge at once. */
  NOW = 16,
}
/** Bits of Tcb.tfo (RFC 7413). */
export const enum Tfo {
  /** connect() has returned, the SYN waits for the first write. */
  DEFERRED = 1,
  /** The application wants Fast Open for the SYN about to be sent. */
  WANTED = 2,
  /** The SYN carried the option; it carried data. */
  OPTION = 4,
  DATA = 8,
  /** Data in the SYN was accepted: ours by the peer, or the peer's by us. */
  ACKED = 16,
  /** Child made by its SYN: the SYN-ACK is not acknowledged yet. */
  PENDING = 32,
  /** The first attempt after a pause for a black hole. */
  CHECK = 64,
}
/** Why Fast Open did not work (tcpi_fastopen_client_fail). */
export const enum TfoFail { NONE, COOKIE_UNAVAILABLE, DATA_NOT_ACKED, SYN_RETRANSMITTED }
/** Bits of Tcb.ecn. */
export const enum Ecn {
  /** Negotiated, and not only asked for. */
  OK = 1,
  QUEUE_CWR = 2,
  DEMAND_CWR = 4,
  /** Asked for by our SYN; later: the peer sends segments that are ECN-capable. */
  SEEN = 8,
  // AccECN (RFC 9768)
  ACC = 16,
  /** Asked for by our SYN. */
  ACC_ASKED = 32,
  /** The path mangles: nothing that we send is ECN-capable; feedback is ignored. */
  NO_ECT = 64,
  DEAF = 128,
  /** Feedback has come. */
  FEEDBACK = 256,
  /** Options: seen; zeroed on the way; ours do not get through. */
  OPT_SEEN = 512,
  OPT_ZEROED = 1024,
  OPT_BLOCKED = 2048,
}

export const RTO_MIN: u64 = 200 * MS;
export const RTO_MAX: u64 = 120_000 * MS;
/** Before the first sample (RFC 6298 2.1). */
export const RTO_INIT: u64 = 1000 * MS;
export const ATO_MIN: u64 = 40 * MS;
export const DELACK_MIN: u64 = 40 * MS;
export const DELACK_MAX: u64 = 200 * MS;
/** Linux's granularity of short timers (2 jiffies at 1000 Hz). */
export const TIMEOUT_MIN: u64 = 2 * MS;
export const TIMEWAIT_LEN: u64 = 60_000 * MS;
/** How long ts_recent is trusted on an idle connection (RFC 7323 5.5: 24 days), s. */
export const PAWS_24DAYS: u64 = 60 * 60 * 24 * 24;
/** Window of tolerance of PAWS, in timestamp ticks. */
export const PAWS_WINDOW: i32 = 1;
export const MAX_QUICKACKS: u32 = 16;
export const INIT_CWND: u32 = 10;
export const INFINITE_SSTHRESH: u32 = 0x7fffffff;
export const MSS_DEFAULT: u32 = 536;
export const MIN_SND_MSS: u32 = 48;
export const MIN_MSS: u32 = 88;
export const MAX_REORDERING: u32 = 300;
export const DEFAULT_REORDERING: u32 = 3;
/** Payload of the largest super-segment built (64 KiB of IP packet less its headers). */
export const GSO_MAX: u32 = 65535 - 120;

/** A range of sequence space. */
@unmanaged @final export class Sack {
  start: u32;
  end: u32;
}

@unmanaged @final export class Tcb {
  sk: Sock;
  // ---- send sequence space (RFC 9293 3.3.1) ----
  sndUna: u32;
  sndNxt: u32;
  /** Behind the last byte (or FIN) queued. */
  writeSeq: u32;
  /** Behind the last byte written without MSG_MORE: PSH goes where it is. */
  pushSeq: u32;
  sndWnd: u32;
  sndWl1: u32;
  /** Largest window the peer ever offered. */
  maxWindow: u32;
  sndUp: u32;
  /** End of the last segment sent that was not full (Minshall). */
  sndSml: u32;
  iss: u32;
  irs: u32;
  sndWscale: u8;
  rcvWscale: u8;
  // ---- receive sequence space ----
  wscaleOk: bool;
  sackOk: bool;
  rcvNxt: u32;
  /** Window last advertised, and RCV.NXT then: the right edge never moves left of their sum. */
  rcvWnd: u32;
  rcvWup: u32;
  /** Read by the application up to here. */
  copiedSeq: u32;
  rcvSsthresh: u32;
  windowClamp: u32;
  /** The share of the receive buffer that is window, in 256ths. */
  scalingRatio: u32;
  // ---- timestamps ----
  tsOk: bool;
  /** AckSched bits. */
  ackFlags: u32;
  nonagle: u32;
  caState: u32;
  tsRecent: u32;
  tsOffset: u32;
  /** s, when ts_recent was taken; 0 = never. */
  tsRecentStamp: u64;
  // options of the segment in hand
  rcvTsval: u32;
  rcvTsecr: u32;
  sawTs: bool;
  // ---- flags ----
  finQueued: bool;
  /** Peer's FIN has been taken into the stream. */
  finRcvd: bool;
  /** Waiting in an accept queue. */
  unaccepted: bool;
  ecn: u32;
  caId: u32;
  // ---- segment sizes ----
  mssCache: u32;
  advmss: u32;
  /** Peer's MSS option, or ours by TCP_MAXSEG if smaller. */
  mssClamp: u32;
  userMss: u32;
  rcvMss: u32;
  /** TCP and option bytes of a data segment. */
  tcpHeaderLen: u32;
  /** Of them the option that authenticates, 0 = segments are not signed. */
  authLen: u32;
  pmtu: u32;
  // ---- send queue: chunks, see sendq.ts ----
  txFirst: usize;
  txLast: usize;
  /** Payload bytes in the send queue. */
  txQueued: u32;
  // ---- scoreboard: segments in sequence order and in order of (re)transmission ----
  segHead: ListNode; segHeadPrev: usize;
  timeHead: usize; timeHeadPrev: usize;
  packetsOut: u32;
  sackedOut: u32;
  lostOut: u32;
  retransOut: u32;
  highestSack: u32;
  /** Total segments found lost. */
  lost: u32;
  totalRetrans: u32;
  /** Timeouts, runs of them, ms spent in them, and TSval units when the present run began (0 = none). */
  totalRto: u32;
  totalRtoRecoveries: u32;
  totalRtoTime: u32;
  rtoStamp: u32;
  bytesRetrans: u64;
  undoMarker: u32;
  undoRetrans: i32;
  /** When this episode's first retransmission was sent, TSval units; 0 = none. */
  retransStamp: u32;
  highSeq: u32;
  retransHint: usize;
  // ---- receive queue: chunks, see receive.ts ----
  rxFirst: usize;
  rxLast: usize;
  rxQueued: u32;
  ofoFirst: usize;
  ofoLast: usize;
  ofoBytes: u32;
  ofoMem: u32;
  ofoFin: bool;
  ofoFinSeq: u32;
  // most recent first (RFC 2018 4)
  nsacks: u32;
  sack0: u64; sack1: u64; sack2: u64; sack3: u64;
  dsack: bool;
  dsackStart: u32; dsackEnd: u32;
  // ---- urgent ----
  urgSeq: u32;
  /** 0 none, 1 mark known, 2 byte readable, 3 byte taken. */
  urgState: u32;
  urgByte: u8;
  // ---- RTT, us unless said otherwise ----
  /** Smoothed RTT << 3. */
  srtt: u32;
  mdev: u32;
  mdevMax: u32;
  rttvar: u32;
  rttSeq: u32;
  /** ns. */
  rto: u64;
  backoff: u32;
  retransmits: u32;
  minRtt: u32;
  /** ns, when minRtt was taken. */
  minRttTime: u64;
  rttUs: u32;
  // ---- RACK-TLP ----
  /** ns: send time of the most recently delivered segment. */
  rackTime: u64;
  rackEnd: u32;
  rackRtt: u32;
  rackAdvanced: bool;
  rackDsackSeen: bool;
  rackReoSteps: u8;
  rackReoPersist: u8;
  rackLastDelivered: u32;
  reordering: u32;
  reordSeen: u32;
  tlpHighSeq: u32;
  tlpRetrans: bool;
  frto: bool;
  /** The peer dropped data it had sacked, and the recovery from that goes on: what is delivered has been counted before. */
  sackReneg: bool;
  // ---- congestion control ----
  isCwndLimited: bool;
  cwnd: u32;
  cwndCnt: u32;
  ssthresh: u32;
  priorCwnd: u32;
  priorSsthresh: u32;
  prrDelivered: u32;
  prrOut: u32;
  maxPacketsOut: u32;
  cwndUsageSeq: u32;
  cwndUsed: u32;
  cwndClamp: u32;
  /** ms of cwnd validation. */
  cwndStamp: u32;
  delivered: u32;
  /** Of `delivered`, with ACKs that echoed congestion experienced. */
  deliveredCe: u32;
  // AccECN (accecn.ts): packets and payload bytes received by IP-ECN field, in the order of the codepoints, and those that the peer has told of
  receivedCe: u32;
  receivedE1: u32; receivedE0: u32; receivedCeBytes: u32;
  deliveredE1: u32; deliveredE0: u32; deliveredCeBytes: u32;
  /** CE marks not acknowledged yet. */
  cePending: u32;
  /** Header flags of the next empty ACK, 0 = the counter. */
  aceNext: u32;
  /** Segments delivered by an ACK in the mean, << 6. */
  ackedMean: u32;
  /** When the latest option left, ns; it is due on so many more segments; data has come since. */
  accSent: u64;
  accDemand: u8;
  accChanged: bool;
  /** Established with AccECN: the flags of ACE; else 0. */
  aceMask: u32;
  /** IP-ECN field of the segment before. */
  ecnBefore: u8;
  appLimited: u32;
  /** ns. */
  deliveredTime: u64;
  firstTxTime: u64;
  rateDelivered: u32;
  rateInterval: u32;
  rateAppLimited: bool;
  /** bytes/s; 0 = not known yet. */
  pacingRate: u64;
  /** Segments are spaced by the pacing timer (pacing.ts). */
  paced: bool;
  /** Earliest departure of the next segment with data, ns. */
  departure: u64;
  // private to the congestion control (congestion/*)
  ca0: u64; ca1: u64; ca2: u64; ca3: u64; ca4: u64; ca5: u64; ca6: u64; ca7: u64;
  ca8: u64; ca9: u64; ca10: u64; ca11: u64; ca12: u64; ca13: u64; ca14: u64; ca15: u64; ca16: u64;
  // ---- delayed acknowledgments ----
  quick: u32;
  pingpong: u32;
  /** ns. */
  ato: u64;
  // ---- times, ns ----
  lastDataSent: u64;
  lastDataRcvd: u64;
  lastAckRcvd: u64;
  lastOowAck: u64;
  probesOut: u32;
  /** First unanswered zero-window probe. */
  probesSince: u64;
  /** User timeout, ms; 0 = by retry counts. */
  userTimeout: u32;
  synRetries: u32;
  keepIdle: u32;
  keepIntvl: u32;
  keepCnt: u32;
  /** TCP_LINGER2, s; negative = no FIN_WAIT2 without an application. */
  linger2: i32;
  /** TCP_WINDOW_CLAMP; 0 = none. */
  bindWindowClamp: u32;
  deferAccept: u32;
  /** Listener: SYNs wait for the host's verdict (defer.ts). */
  deferSyn: bool;
  notsentLowat: u32;
  inq: bool;
  /** TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE. */
  tfoConnect: bool;
  tfoNoCookie: bool;
  /** TCP_FASTOPEN: most children with PENDING. */
  tfoMax: u32;
  /** TCP_FASTOPEN_KEY: number of keys (0 = those of the stack), the one in use and the one before it. */
  tfoKeys: u32;
  tfoKey0: u64; tfoKey1: u64; tfoKey2: u64; tfoKey3: u64;
  /** Keys that authenticate segments (auth/keys.ts), 0 = none. */
  auth: usize;
  /** connect() was called and has not yet told its success. */
  connecting: bool;
  // ---- receive autotuning ----
  rcvqSpace: u32;
  rcvqSeq: u32;
  rcvqTime: u64;
  /** us << 3. */
  rcvRtt: u32;
  rcvRttSeq: u32;
  rcvRttTime: u64;
  rcvRttLastTsecr: u32;
  sndbufLimited: bool;
  // ---- MTU probing (RFC 4821) ----
  mtupEnabled: bool;
  mtupHigh: u32;
  mtupLow: u32;
  mtuProbeSize: u32;
  mtuProbeSeqStart: u32;
  mtuProbeSeqEnd: u32;
  // ---- statistics (tcp_info) ----
  bytesAcked: u64;
  bytesReceived: u64;
  bytesSent: u64;
  segsIn: u32;
  segsOut: u32;
  dataSegsIn: u32;
  dataSegsOut: u32;
  dsackDups: u32;
  rcvOoopack: u32;
  // what held sending back, ns: busy, receive window, send buffer (Linux's tcp_chrono)
  chronoType: u32;
  chronoStart: u64;
  busyTime: u64;
  rwndTime: u64;
  sndbufTime: u64;
  // ---- passive open ----
  /** Listener: queue of established children. Child: next in it. */
  acceptFirst: usize;
  acceptLast: usize;
  acceptNext: usize;
  acceptQlen: u32;
  backlog: u32;
  /** Requests outstanding. */
  synQlen: u32;
  /** ns: last SYN cookie sent. */
  cookieStamp: u64;
  // list of requests
  reqHead: ListNode; reqHeadPrev: usize;
  /** Child: its listener while unaccepted. */
  listener: usize;
  // ---- Fast Open ----
  tfo: u32;
  tfoFail: u8;
  /** Listener: children with PENDING; those that were reset in this period (since tfoResetSince, ns) and in the one before it. */
  tfoPending: u32;
  tfoResets: u32;
  tfoResetsBefore: u32;
  tfoResetSince: u64;
  /** Child with PENDING: handle of its listener, and when the SYN-ACK was sent, ns; 0 = more than once. */
  tfoListener: u32;
  tfoSent: u64;
  // ---- timers ----
  pending: u32;
  t0: u64; t1: u64; t2: u64; t3: u64;
  d0: u64; d1: u64; d2: u64; d3: u64;
  k0: u64; k1: u64; k2: u64; k3: u64;
  p0: u64; p1: u64; p2: u64; p3: u64;
  // flow: sizeof(Flow) bytes follow the record
  flowWords: u64;

  @inline get flow(): Flow { return changetype<Flow>(changetype<usize>(this) + offsetof<Tcb>("flowWords")); }
  /** RETRANS, REO, PROBE0 or LOSS_PROBE, told by `pending`. */
  @inline get rtxTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Tcb>("t0")); }
  @inline get delackTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Tcb>("d0")); }
  /** Keepalive; FIN_WAIT2 of an orphan. */
  @inline get keepTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Tcb>("k0")); }
  @inline get paceTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Tcb>("p0")); }
  @inline get segs(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<Tcb>("segHead")); }
  @inline get byTime(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<Tcb>("timeHead")); }
  @inline sack(i: u32): Sack { return changetype<Sack>(changetype<usize>(this) + offsetof<Tcb>("sack0") + (i << 3)); }
  @inline get requests(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<Tcb>("reqHead")); }
  /** Address of the counter of payload bytes received, or told of by the peer, with IP-ECN field `mark`, not 0. */
  @inline receivedEcn(mark: u32): usize { return changetype<usize>(this) + offsetof<Tcb>("receivedE1") + ((mark - 1) << 2); }
  @inline deliveredEcn(mark: u32): usize { return changetype<usize>(this) + offsetof<Tcb>("deliveredE1") + ((mark - 1) << 2); }
  /** The congestion control's own words. */
  @inline get ca(): usize { return changetype<usize>(this) + offsetof<Tcb>("ca0"); }
  /** RFC 6675 pipe, in segments. */
  @inline get inFlight(): u32 { return this.packetsOut - (this.sackedOut + this.lostOut) + this.retransOut; }
  /** Right edge of the peer's window. */
  @inline get wndEnd(): u32 { return this.sndUna + this.sndWnd; }
  @inline get inSlowStart(): bool { return this.cwnd < this.ssthresh; }
  @inline get established(): bool { return this.sk.state == <u8>TcpState.ESTABLISHED; }
  /** The application has closed it (a child that waits for accept() has one to come). */
  @inline get orphan(): bool { return this.sk.has(SockFlag.ORPHAN) && !this.unaccepted; }
  @inline get urgentMode(): bool { return this.sndUna != this.sndUp; }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function tcbInit(max: u32): void {
  POOL.init(Usage.TCP, offsetof<Tcb>() + offsetof<Flow>(), max);
}

@inline export function tcb(sk: Sock): Tcb { return changetype<Tcb>(sk.pcb); }

/** A control block bound to `sk`, zeroed; null when the pool is exhausted. */
export function tcbAlloc(sk: Sock): Tcb | null {
  const p = POOL.alloc();
  if (!p) return null;
  const tp = changetype<Tcb>(p);
  tp.sk = sk;
  tp.segs.init();
  tp.byTime.init();
  tp.requests.init();
  sk.pcb = p;
  return tp;
}
/** Back to zero, except what the application has set. */
export function tcbClear(tp: Tcb): void {
  const sk = tp.sk;
  const from = changetype<usize>(tp) + offsetof<Tcb>("userTimeout");
  const n = offsetof<Tcb>("connecting") - offsetof<Tcb>("userTimeout");
  memory.copy(SAVED, from, n);
  const nonagle = tp.nonagle, caId = tp.caId, userMss = tp.userMss;
  memory.fill(changetype<usize>(tp), 0, offsetof<Tcb>() + offsetof<Flow>());
  memory.copy(from, SAVED, n);
  tp.nonagle = nonagle;
  tp.caId = caId;
  tp.userMss = userMss;
  tp.sk = sk;
  tp.segs.init();
  tp.byTime.init();
  tp.requests.init();
}
const SAVED: usize = memory.data(168, 8);

export function tcbFree(tp: Tcb): void {
  tp.sk.pcb = 0;
  authFree(tp.auth);
  POOL.release(changetype<usize>(tp));
}
