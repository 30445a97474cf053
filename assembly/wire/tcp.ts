// TCP header and options (RFC 9293 3.1; window scale and timestamps RFC 7323; SACK RFC 2018; Fast Open RFC 7413; AccECN RFC 9768;
// MD5 signature RFC 2385; authentication option RFC 5925 2.2).
//
//   0 source port(2)  2 destination port(2)  4 sequence(4)  8 acknowledgment(4)
//   12 data offset(4 bits) reserved(3) AE(1)  13 flags  14 window(2)  16 checksum(2)  18 urgent(2)  20 options
import { be16, be32, putBe16, putBe24, putBe32 } from "../lib/bytes";

export const IPPROTO_TCP: u32 = 6;
export const TCP_HLEN: u32 = 20;
export const TCP_MAX_HLEN: u32 = 60;
/** Bytes of NOP NOP Timestamps. */
export const TCPOLEN_TSTAMP_ALIGNED: u32 = 12;
export const TCP_CSUM_OFFSET: u32 = 16;
/** RFC 7323 2.3: larger shifts are taken as 14. */
export const TCP_MAX_WSCALE: u32 = 14;
/** SACK blocks a header can hold. */
export const TCP_NUM_SACKS: u32 = 4;
/** Lengths of a Fast Open cookie, bytes (RFC 7413 4.1.1); always even. */
export const TFO_COOKIE_MIN: u32 = 4;
export const TFO_COOKIE_MAX: u32 = 16;
/** Bytes of NOP NOP MD5 signature. */
export const TCPOLEN_MD5_ALIGNED: u32 = 20;
/** Bytes of an authentication option in front of its MAC: kind, length, KeyID, RNextKeyID. */
export const TCPOLEN_AO_BASE: u32 = 4;
/** Most bytes of options a header can hold. */
export const TCP_MAX_OPTIONS: u32 = TCP_MAX_HLEN - TCP_HLEN;

/** The IP-ECN field (RFC 3168 5). */
export const ECN_ECT1: u32 = 1;
export const ECN_ECT0: u32 = 2;
export const ECN_CE: u32 = 3;
/** Most bytes of an AccECN option with its padding. */
export const TCPOLEN_ACCECN_MAX: u32 = 12;

export const enum TcpFlag { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128, AE = 256 }
const enum Opt { EOL, NOP, MSS, WSCALE, SACK_PERM, SACK, TIMESTAMP = 8, MD5 = 19, AO = 29, FASTOPEN = 34, ACCECN0 = 172, ACCECN1 = 174 }
/** What authenticates a segment. */
export const enum AuthOption { NONE, MD5, AO, INVALID }

@unmanaged @final export class TcpHeader {
  @inline static at(p: usize): TcpHeader { return changetype<TcpHeader>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get sport(): u32 { return be16(this.ptr); }
  @inline set sport(v: u32) { putBe16(this.ptr, v); }
  @inline get dport(): u32 { return be16(this.ptr + 2); }
  @inline set dport(v: u32) { putBe16(this.ptr + 2, v); }
  @inline get seq(): u32 { return be32(this.ptr + 4); }
  @inline set seq(v: u32) { putBe32(this.ptr + 4, v); }
  @inline get ack(): u32 { return be32(this.ptr + 8); }
  @inline set ack(v: u32) { putBe32(this.ptr + 8, v); }
  /** Header length in bytes, options included. */
  @inline get headerLen(): u32 { return (<u32>load<u8>(this.ptr, 12) >> 4) << 2; }
  /** Also clears the reserved bits. */
  @inline set headerLen(v: u32) { store<u8>(this.ptr, <u8>(v << 2), 12); }
  @inline get flags(): u32 { return be16(this.ptr + 12) & 0x1ff; }
  /** After headerLen. */
  @inline set flags(v: u32) {
    store<u8>(this.ptr, load<u8>(this.ptr, 12) | <u8>(v >> 8), 12);
    store<u8>(this.ptr, <u8>v, 13);
  }
  /** As on the wire, not scaled. */
  @inline get window(): u32 { return be16(this.ptr + 14); }
  @inline set window(v: u32) { putBe16(this.ptr + 14, v); }
  /** In the byte order of memory, as the checksum routines want it. */
  @inline set checksum(v: u32) { store<u16>(this.ptr, <u16>v, 16); }
  @inline get urgent(): u32 { return be16(this.ptr + 18); }
  @inline set urgent(v: u32) { putBe16(this.ptr + 18, v); }
  @inline get options(): usize { return this.ptr + TCP_HLEN; }
}

/** The options of one segment, decoded. */
@unmanaged @final export class TcpOptions {
  /** 0 = absent. */
  mss: u16;
  /** Shift count 0..14, valid with hasWscale. */
  wscale: u8;
  hasWscale: bool;
  sackOk: bool;
  hasTs: bool;
  tsval: u32;
  tsecr: u32;
  nsack: u32;
  /** Fast Open option of a SYN: its cookie is `foLen` bytes at `fo`, in the packet; none asks for one. */
  hasFo: bool;
  foLen: u8;
  fo: usize;
  /** AuthOption, and where in the packet its bytes behind kind and length are. */
  auth: u32;
  authAt: usize;
  /** AccECN option: 0 absent, 1 order 0, 2 order 1; `accFields` counters of three bytes at `acc`, in the packet. */
  accOrder: u8;
  accFields: u8;
  acc: usize;
  // TCP_NUM_SACKS pairs (left, right)
  s0: u32; s1: u32; s2: u32; s3: u32; s4: u32; s5: u32; s6: u32; s7: u32;

  @inline private block(i: u32): usize { return changetype<usize>(this) + offsetof<TcpOptions>("s0") + (i << 3); }
  @inline left(i: u32): u32 { return load<u32>(this.block(i)); }
  @inline right(i: u32): u32 { return load<u32>(this.block(i), 4); }

  /**
   * Decode `n` bytes of options at `p`. `syn`: MSS, window scale, SACK-permitted and Fast Open count only on a SYN.
   * A malformed length ends the list, as RFC 9293 3.1 lets us and Linux does; what came before it stays.
   */
  parse(p: usize, n: u32, syn: bool): void {
    memory.fill(changetype<usize>(this), 0, offsetof<TcpOptions>());
    // The usual data segment: NOP NOP Timestamps and nothing else.
    if (n == TCPOLEN_TSTAMP_ALIGNED && load<u32>(p) == 0x0a080101) {
      this.timestamps(p + 4);
      return;
    }
    const end = p + n;
    while (p < end) {
      const kind = <u32>load<u8>(p);
      if (kind == Opt.EOL) return;
      if (kind == Opt.NOP) {
        p++;
        continue;
      }
      if (end - p < 2) return;
      const len = <u32>load<u8>(p, 1);
      if (len < 2 || len > <u32>(end - p)) return;
      this.option(kind, p, len, syn);
      p += len;
    }
  }

  private timestamps(p: usize): void {
    this.hasTs = true;
    this.tsval = be32(p);
    this.tsecr = be32(p + 4);
  }

  // One at most, and of a length that can be.
  private authOption(what: AuthOption, p: usize, good: bool): void {
    this.auth = good && this.auth == <u32>AuthOption.NONE ? what : AuthOption.INVALID;
    this.authAt = p + 2;
  }

  private option(kind: u32, p: usize, len: u32, syn: bool): void {
    switch (kind) {
      case Opt.MSS:
        if (len == 4 && syn) this.mss = <u16>be16(p + 2);
        break;
      case Opt.WSCALE:
        if (len == 3 && syn) {
          this.hasWscale = true;
          this.wscale = <u8>min<u32>(load<u8>(p, 2), TCP_MAX_WSCALE);
        }
        break;
      case Opt.SACK_PERM:
        if (len == 2 && syn) this.sackOk = true;
        break;
      case Opt.SACK:
        if (len >= 10 && (len - 2) % 8 == 0 && !syn) {
          this.nsack = min((len - 2) >> 3, TCP_NUM_SACKS);
          for (let i: u32 = 0; i < this.nsack; i++) {
            store<u32>(this.block(i), be32(p + 2 + (i << 3)));
            store<u32>(this.block(i), be32(p + 6 + (i << 3)), 4);
          }
        }
        break;
      case Opt.TIMESTAMP:
        if (len == 10) this.timestamps(p + 2);
        break;
      case Opt.MD5:
        this.authOption(AuthOption.MD5, p, len == TCPOLEN_MD5_ALIGNED - 2);
        break;
      case Opt.AO:
        this.authOption(AuthOption.AO, p, len > TCPOLEN_AO_BASE);
        break;
      case Opt.FASTOPEN:
        if (syn && (len == 2 || (!(len & 1) && len - 2 >= TFO_COOKIE_MIN && len - 2 <= TFO_COOKIE_MAX))) {
          this.hasFo = true;
          this.foLen = <u8>(len - 2);
          this.fo = p + 2;
        }
        break;
      case Opt.ACCECN0:
      case Opt.ACCECN1:
        this.accOrder = kind == Opt.ACCECN0 ? 1 : 2;
        this.accFields = <u8>min<u32>((len - 2) / 3, 3); // what is more is padding
        this.acc = p + 2;
        break;
      default:
    }
  }
}

// ---- Emission: each writes at `p` and returns the address behind it. Orders as Linux's. ----
@inline export function putOptMss(p: usize, mss: u32): usize {
  store<u16>(p, 0x0402);
  putBe16(p + 2, mss);
  return p + 4;
}
/** NOP NOP Timestamps, or SACK-permitted Timestamps on a SYN. */
@inline export function putOptTimestamps(p: usize, tsval: u32, tsecr: u32, sackPermitted: bool): usize {
  store<u32>(p, sackPermitted ? 0x0a080204 : 0x0a080101);
  putBe32(p + 4, tsval);
  putBe32(p + 8, tsecr);
  return p + 12;
}
/** NOP NOP SACK-permitted. */
@inline export function putOptSackPermitted(p: usize): usize {
  store<u32>(p, 0x02040101);
  return p + 4;
}
/** NOP Window scale. */
@inline export function putOptWscale(p: usize, shift: u32): usize {
  store<u32>(p, 0x00030301 | (shift << 24));
  return p + 4;
}
/** NOP NOP SACK header for `n` blocks; the blocks follow with putSackBlock. */
@inline export function putOptSack(p: usize, n: u32): usize {
  store<u32>(p, 0x00050101 | ((n * 8 + 2) << 24));
  return p + 4;
}
@inline export function putSackBlock(p: usize, left: u32, right: u32): usize {
  putBe32(p, left);
  putBe32(p + 4, right);
  return p + 8;
}
/** NOP NOP MD5 signature, the 16 bytes of which stand before the address it returns. */
@inline export function putOptMd5(p: usize): usize {
  store<u32>(p, 0x12130101);
  return p + TCPOLEN_MD5_ALIGNED;
}
/** Authentication option with room for a MAC of `macLen` bytes, NOPs behind it. */
export function putOptAo(p: usize, keyId: u32, rnextKeyId: u32, macLen: u32): usize {
  const n = TCPOLEN_AO_BASE + macLen;
  store<u8>(p, <u8>Opt.AO);
  store<u8>(p, <u8>n, 1);
  store<u8>(p, <u8>keyId, 2);
  store<u8>(p, <u8>rnextKeyId, 3);
  let end = p + n;
  while ((end - p) & 3) store<u8>(end++, <u8>Opt.NOP);
  return end;
}
/** AccECN of order 0 or 1 with `n` (2 or 3) counters of 24 bits: that of ECT(0) (order 1: ECT(1)), of CE, and `last`; 8 or 12 bytes. */
export function putOptAccEcn(p: usize, order: u32, n: u32, first: u32, ce: u32, last: u32): usize {
  store<u8>(p, <u8>(order ? Opt.ACCECN1 : Opt.ACCECN0));
  store<u8>(p, <u8>(2 + 3 * n), 1);
  putBe24(p + 2, first);
  putBe24(p + 5, ce);
  if (n == 2) return p + 8;
  putBe24(p + 8, last);
  store<u8>(p, Opt.NOP, 11);
  return p + 12;
}
/** Fast Open with the `n` bytes at `cookie` (0: the request for one), padded with NOP. */
export function putOptFastopen(p: usize, cookie: usize, n: u32): usize {
  store<u8>(p, Opt.FASTOPEN);
  store<u8>(p, <u8>(n + 2), 1);
  memory.copy(p + 2, cookie, n);
  const end = p + 2 + n;
  if (!((n + 2) & 3)) return end;
  store<u16>(end, 0x0101);
  return end + 2;
}
