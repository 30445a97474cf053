// TCP as the peers see it: connections learnt from the core's own segments, so that a test case can speak of "the next byte"
// instead of sequence numbers, and segments built from that.
import { be16, be32, putBe16, putBe32 } from "../../../assembly/lib/bytes";
import { csumAdd, csumFold, csumPseudo } from "../../../assembly/lib/checksum";
import { Broken } from "./broken";
import { fail } from "./core";
import { left, rest, skip, u16In, u32In, u8In } from "./input";
import { ETH, FRAME, Fix, META, fixFrame, receive } from "./wire";

const FIN: u32 = 1;
const SYN: u32 = 2;
const ACK: u32 = 16;
const FLOWS: u32 = 8;
const MTU: u32 = 1500;
/** RXD_FLAGS: NEEDS_CSUM. */
const NEEDS_CSUM: u8 = 1;

@unmanaged @final export class Flow {
  used: u32;
  v6: u32;
  vif: u32;
  /** The core's and the peer's port. */
  port: u32;
  peerPort: u32;
  // addresses, 16 bytes each (the first 4 used for IPv4)
  us0: u64; us1: u64;
  peer0: u64; peer1: u64;
  /** What the core acknowledges, and one past the last byte it sent. */
  nxt: u32;
  una: u32;
  /** Its window, as on the wire. */
  window: u32;
  tsval: u32;
  /** The peer's own clock. */
  ts: u32;
  sawTs: u32;

  @inline get us(): usize { return changetype<usize>(this) + offsetof<Flow>("us0"); }
  @inline get peer(): usize { return changetype<usize>(this) + offsetof<Flow>("peer0"); }
}

const TABLE: usize = memory.data(8 * 128, 8);
let next: u32 = 0;
let foreign: bool = false;

export function flowStart(): void {
  memory.fill(TABLE, 0, FLOWS * 128);
  next = 0;
  foreign = false;
}
/** From now on the core may send what programs made up: emitted checksums prove nothing. */
export function flowForeign(): void { foreign = true; }

@inline export function flowAt(i: u32): Flow { return changetype<Flow>(TABLE + (i & (FLOWS - 1)) * 128); }

function find(v6: u32, port: u32, peerPort: u32): Flow {
  for (let i: u32 = 0; i < FLOWS; i++) {
    const f = flowAt(i);
    if (f.used && f.v6 == v6 && f.port == port && f.peerPort == peerPort) return f;
  }
  const f = flowAt(next++);
  memory.fill(changetype<usize>(f), 0, 128);
  f.used = 1;
  f.v6 = v6;
  f.port = port;
  f.peerPort = peerPort;
  f.nxt = 7000;
  f.ts = 1000;
  return f;
}

/** Read a frame of the core: `n` of its `total` bytes are at `p`. */
export function flowLearn(vif: u32, p: usize, n: u32, total: u32, flags: u32): void {
  const type = be16(p + 12);
  const v6: u32 = type == 0x86dd ? 1 : 0;
  if ((!v6 && type != 0x0800) || n < ETH + (v6 ? 60 : 40)) return;
  const ip = p + ETH;
  const hlen = v6 ? <u32>40 : (<u32>load<u8>(ip) & 15) << 2;
  if (<u32>load<u8>(ip + (v6 ? 6 : 9)) != 6 || (!v6 && be16(ip + 6) & 0x3fff) || n < ETH + hlen + 20) return;
  const t = ip + hlen;
  if (!foreign && n == total && !(flags & 1)) check(ip, v6, t, n - ETH - hlen);
  const f = find(v6, be16(t), be16(t + 2));
  f.vif = vif;
  memory.copy(f.us, ip + (v6 ? 8 : 12), v6 ? 16 : 4);
  memory.copy(f.peer, ip + (v6 ? 24 : 16), v6 ? 16 : 4);
  const bits = <u32>load<u8>(t + 13);
  const thlen = (<u32>load<u8>(t + 12) >> 4) << 2;
  const len = total - ETH - hlen - min(thlen, total - ETH - hlen);
  const end = be32(t + 4) + len + (bits & SYN ? 1 : 0) + (bits & FIN ? 1 : 0);
  if (bits & SYN || <i32>(end - f.una) > 0) f.una = end;
  if (bits & ACK) f.nxt = be32(t + 8);
  f.window = be16(t + 14);
  learnTs(f, t, min(thlen, n - ETH - hlen));
}

function learnTs(f: Flow, t: usize, thlen: u32): void {
  let o: u32 = 20;
  while (o + 10 <= thlen) {
    const kind = load<u8>(t + o);
    if (!kind) return;
    if (kind == 8) {
      f.tsval = be32(t + o + 2);
      f.sawTs = 1;
      return;
    }
    o += kind == 1 ? 1 : max<u32>(2, load<u8>(t + o + 1));
  }
}

// Of forwarded packets the checksum is their sender's; these come from our own addresses 10.0.x.1 and fd00::1, fd01::1.
function check(ip: usize, v6: u32, t: usize, n: u32): void {
  if (v6 ? load<u8>(ip + 8) != 0xfd || load<u8>(ip + 23) != 1 : load<u8>(ip + 12) != 10 || load<u8>(ip + 15) != 1) return;
  const sum = csumAdd(t, n, csumPseudo(ip + (v6 ? 8 : 12), ip + (v6 ? 24 : 16), v6 ? 16 : 4, 6, n));
  if (csumFold(sum) != 0xffff) fail(Broken.CHECKSUM, csumFold(sum), n);
}

/** Ethernet and IP header in FRAME for `payload` bytes from `peer` to `us` of `f`; where the payload goes. */
function headers(f: Flow, payload: u32): usize {
  putMacs(f.vif);
  const ip = FRAME + ETH;
  if (f.v6) {
    putBe16(FRAME + 12, 0x86dd);
    putBe32(ip, 0x60000000);
    putBe16(ip + 4, payload);
    store<u8>(ip + 6, 6);
    store<u8>(ip + 7, 64);
    memory.copy(ip + 8, f.peer, 16);
    memory.copy(ip + 24, f.us, 16);
    return ip + 40;
  }
  putBe16(FRAME + 12, 0x0800);
  putBe16(ip, 0x4500);
  putBe16(ip + 2, payload + 20);
  putBe32(ip + 4, 0x00014000);
  putBe16(ip + 8, 0x4006);
  memory.copy(ip + 12, f.peer, 4);
  memory.copy(ip + 16, f.us, 4);
  return ip + 20;
}

/** From the peer on `vif` (02:00:00:00:00:02 + vif * 0x10) to the core (..:01 + vif * 0x10). */
export function putMacs(vif: u32): void {
  store<u64>(FRAME, 0x0002010000000002 + (<u64>vif << 44));
  store<u32>(FRAME + 8, 0x02000000 + (vif << 28));
}

const SEQ_STEPS: usize = memory.data<u32>([0, 0, 0, 1, 0xffffffff, 536, 0xfffffc00, 1460, 65535, 0x10000, 0x7fffffff, 0x80000000, 2920, 4380, 0xffff0000, 100]);
@inline function step(i: u32): u32 { return load<u32>(SEQ_STEPS + ((i & 15) << 2)); }

/** New connection: operands family, port choice, peer port, then as segment(). */
export function opSyn(): void {
  const kind = u8In(), port = u16In(), peerPort = u16In();
  const f = find(kind & 1, port, peerPort);
  f.vif = (kind >> 1) & 1;
  if (f.v6) {
    store<u64>(f.us, f.vif ? 0x01fd : 0x00fd);
    store<u64>(f.us + 8, 0x0100000000000000);
    store<u64>(f.peer, f.vif ? 0x01fd : 0x00fd);
    store<u64>(f.peer + 8, 0x0200000000000000);
  } else {
    store<u32>(f.us, f.vif ? 0x0100010a : 0x0100000a);
    store<u32>(f.peer, f.vif ? 0x0200010a : 0x0200000a);
  }
  segment(f);
}
/** A segment of a known connection: operand which, then as segment(). */
export function opSegment(): void {
  const f = flowAt(u8In());
  if (f.used) segment(f);
}

const enum Opt { MSS = 1, SACK_OK = 2, WSCALE = 4, TS = 8, SACK = 16, RAW = 32, ZERO_TS = 64, DSACK = 128 }

// Operands: flags, how (1 hold, 2 bad checksum, 4 partial checksum, 8 super-segment, 16 urgent, 32 absolute seq, 64 no option padding), steps of seq
// and ack (4 bits each), window, payload length, option bits, then what the options want.
function segment(f: Flow): void {
  const flags = u8In(), how = u8In(), steps = u8In();
  const window = u16In(), len = min(u16In() & 0x3fff, how & 8 ? 16000 : MTU), options = u8In();
  const hlen: u32 = f.v6 ? 40 : 20;
  const t = FRAME + ETH + hlen;
  memory.fill(t, 0, 60);
  const optLen = putOptions(f, t + 20, options, how);
  const thlen = 20 + optLen;
  const room = how & 8 ? len : min(len, MTU - hlen - thlen);
  headers(f, thlen + room);
  putBe16(t, f.peerPort);
  putBe16(t + 2, f.port);
  const seq = how & 32 ? u32In() : f.nxt + step(steps);
  putBe32(t + 4, seq);
  putBe32(t + 8, flags & ACK ? f.una - step(steps >> 4) : 0);
  store<u8>(t + 12, <u8>(thlen << 2));
  store<u8>(t + 13, <u8>flags);
  putBe16(t + 14, window);
  if (how & 16) putBe16(t + 18, u16In());
  for (let i: u32 = 0; i < room; i++) store<u8>(t + thlen + i, <u8>(seq + i));
  const total = ETH + hlen + thlen + room;
  if (how & 12) offload(f, t, hlen, thlen, how);
  else fixFrame(total, Fix.IP | Fix.UPPER);
  if (how & 2) {
    store<u8>(t + 16, load<u8>(t + 16) ^ 1);
    flowForeign(); // it may be forwarded as it is
  }
  receive(f.vif, total, (how & 1) != 0);
}

// virtio-net header: the checksum field holds the pseudo-header's sum.
function offload(f: Flow, t: usize, hlen: u32, thlen: u32, how: u32): void {
  fixFrame(ETH + hlen + thlen, Fix.IP);
  const n = f.v6 ? be16(FRAME + ETH + 4) : be16(FRAME + ETH + 2) - 20;
  const ip = FRAME + ETH;
  store<u16>(t + 16, <u16>csumFold(csumPseudo(ip + (f.v6 ? 8 : 12), ip + (f.v6 ? 24 : 16), f.v6 ? 16 : 4, 6, n)));
  META.flags = NEEDS_CSUM;
  META.csumStart = <u16>(ETH + hlen);
  META.csumOffset = 16;
  if (!(how & 8)) return;
  META.gsoType = f.v6 ? 4 : 1;
  META.gsoSize = <u16>(1 + (u16In() & 2047));
}

function putOptions(f: Flow, o: usize, bits: u32, how: u32): u32 {
  const start = o;
  if (bits & Opt.MSS) {
    putBe16(o, 0x0204);
    putBe16(o + 2, u16In());
    o += 4;
  }
  if (bits & Opt.SACK_OK) {
    putBe32(o, 0x01010402);
    o += 4;
  }
  if (bits & Opt.WSCALE) {
    putBe32(o, 0x01030300 | u8In());
    o += 4;
  }
  if (bits & Opt.TS) {
    putBe32(o, 0x0101080a);
    f.ts += u8In();
    putBe32(o + 4, f.ts);
    putBe32(o + 8, bits & Opt.ZERO_TS ? u32In() : f.tsval);
    o += 12;
  }
  if (bits & Opt.SACK) {
    const blocks: u32 = 1 + (u8In() & 3);
    putBe16(o, 0x0101);
    store<u8>(o + 2, 5);
    store<u8>(o + 3, <u8>(2 + blocks * 8));
    for (let i: u32 = 0; i < blocks && o + 12 + i * 8 <= start + 40; i++) {
      const left0 = f.una - u16In() * 8 + (bits & Opt.DSACK ? 0 : u8In());
      putBe32(o + 4 + i * 8, left0);
      putBe32(o + 8 + i * 8, left0 + u16In());
    }
    o = min(o + 4 + blocks * 8, start + 40);
  }
  if (bits & Opt.RAW) {
    const n = min<u32>(u8In(), min<u32>(left(), <u32>(start + 40 - o)));
    memory.copy(o, rest(), n);
    skip(n);
    o += n;
  }
  if (!(how & 64)) while ((o - start) & 3) store<u8>(o++, 0);
  return min<u32>(<u32>(o - start), 40) & ~3;
}
