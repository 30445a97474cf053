// What one acknowledgment has told so far: shared by the steps of its processing, valid during one of them only.

/** Linux's FLAG_*. */
export const enum Ack {
  DATA = 0x1,
  WIN_UPDATE = 0x2,
  DATA_ACKED = 0x4,
  RETRANS_DATA_ACKED = 0x8,
  SYN_ACKED = 0x10,
  DATA_SACKED = 0x20,
  ECE = 0x40,
  LOST_RETRANS = 0x80,
  SLOWPATH = 0x100,
  ORIG_SACK_ACKED = 0x200,
  SND_UNA_ADVANCED = 0x400,
  DSACKING_ACK = 0x800,
  SET_XMIT_TIMER = 0x1000,
  SACK_RENEGING = 0x2000,
  DSACK_TLP = 0x8000,
  MAYBE_DELAYED = 0x10000,
  // combinations
  ACKED = 0x14,
  NOT_DUP = 0x17,
  FORWARD_PROGRESS = 0x34,
  DUBIOUS = 0x860,
}
/** What to send after an ACK. */
export const enum Rexmit { NONE, LOST, NEW }

@unmanaged @final export class AckCtx {
  flag: u32;
  rexmit: u32;
  numDupack: u32;
  priorUna: u32;
  /** SND.UNA or highest sacked byte before this ACK. */
  priorFack: u32;
  priorDelivered: u32;
  priorLost: u32;
  priorInFlight: u32;
  /** Lowest sequence number that was delivered late, for the reordering estimate. */
  reord: u32;
  // ns of transmission of the first and last segment newly sacked
  firstSackt: u64;
  lastSackt: u64;
  // delivery rate sample
  rsPriorDelivered: u32;
  rsEnd: u32;
  rsPriorTime: u64;
  rsSent: u64;
  rsInterval: u64;
  rsAppLimited: bool;
  /** Packets delivered over rsIntervalUs; -1 each when there is no sample. */
  rsDelivered: i32;
  rsIntervalUs: i32;
  /** RTT for the congestion control, us; -1 none. */
  rttUs: i64;
  @inline has(f: Ack): bool { return (this.flag & f) != 0; }
}
export const ACK = changetype<AckCtx>(memory.data(offsetof<AckCtx>(), 8));
