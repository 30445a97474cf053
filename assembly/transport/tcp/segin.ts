// The segment being received, decoded once. Input never nests (loopback delivers from its own bottom half), so one record serves.
import { seqGt, seqLt } from "../../lib/seq";
import { TcpFlag, TcpOptions } from "../../wire/tcp";

@unmanaged @final export class SegIn {
  // peer's and our address, 16 bytes each
  s0: u64; s1: u64;
  d0: u64; d1: u64;
  sport: u32;
  dport: u32;
  seq: u32;
  ack: u32;
  flags: u32;
  /** Not scaled. */
  window: u32;
  urgent: u32;
  /** Header with options, bytes. */
  headerLen: u32;
  /** Payload bytes. */
  len: u32;
  /** seq + payload + SYN + FIN. */
  end: u32;
  ifindex: u32;
  /** Segments of a super-segment, and the payload of each. */
  segs: u32;
  size: u32;
  /** Keyed hash of the connection. */
  hash: u32;
  tos: u8;
  /** The Auth whose keys sign the answer, 0 = none. */
  auth: usize;
  @inline get saddr(): usize { return changetype<usize>(this) + offsetof<SegIn>("s0"); }
  @inline get daddr(): usize { return changetype<usize>(this) + offsetof<SegIn>("d0"); }
  @inline has(f: TcpFlag): bool { return (this.flags & f) != 0; }
  /** Does it touch the window [from, to) (RFC 9293 3.10.7.4 first, in Linux's reading)? */
  inWindow(from: u32, to: u32): bool {
    if (this.seq == from) return true;
    if (seqGt(this.end, from) && seqLt(this.seq, to)) return true;
    return this.seq == to && this.seq == this.end;
  }
}
export const IN = changetype<SegIn>(memory.data(offsetof<SegIn>(), 8));
export const OPT = changetype<TcpOptions>(memory.data(offsetof<TcpOptions>(), 4));
