// Ops that make frames: bytes of the test case, answers to what the core sent, ICMP errors about it, datagrams.
import { be16, putBe16, putBe32 } from "../../../assembly/lib/bytes";
import { flowForeign, putMacs } from "./flow";
import { left, rest, skip, u16In, u32In, u8In } from "./input";
import { ETH, FRAME, Fix, META, fixFrame, receive, sentFrame, sentLen, sentVif } from "./wire";

const RAW_MAX: u32 = 16000;
const FLOOD_MAX: u32 = 2000;

/** How: 1 hold, 2 second vif, 4 IP checksum, 8 upper checksum, 16 lengths (each made right), 32 virtio-net header follows. */
function finish(how: u32, vif: u32, len: u32): void {
  if (!(how & 8)) flowForeign(); // it may be forwarded as it is
  fixFrame(len, (how >> 2) & (Fix.IP | Fix.UPPER | Fix.LENGTH));
  receive(vif, len, (how & 1) != 0);
}
function meta(): void {
  META.flags = <u8>u8In();
  META.gsoType = <u8>u8In();
  META.gsoSize = <u16>u16In();
  META.csumStart = <u16>u16In();
  META.csumOffset = <u16>u16In();
}

/**
 * The frame itself: how, bytes from the destination address on; of 12 zero bytes the right addresses are made. How 64: a flood; before
 * the frame come how many (16 bits, at most FLOOD_MAX) and where in it a 16-bit number counts.
 */
export function opRaw(): void {
  const how = u8In();
  if (how & 32) meta();
  const flood = how & 64 ? min(u16In(), FLOOD_MAX) : 1, counter = how & 64 ? u16In() : 0;
  const n = min(left(), RAW_MAX);
  memory.copy(FRAME, rest(), n);
  skip(n);
  const vif = (how >> 1) & 1;
  if (n >= ETH && !load<u64>(FRAME) && !load<u32>(FRAME + 8)) putMacs(vif);
  for (let i: u32 = 0; i < flood; i++) {
    if (how & 64 && counter + 2 <= n) putBe16(FRAME + counter, i);
    finish(how, vif, n);
  }
}

// Pairs (offset u16, value u8) from the operands change the frame.
function mutate(len: u32): void {
  while (left() >= 3) {
    const at = u16In(), v = u8In();
    if (at < len) store<u8>(FRAME + at, <u8>v);
  }
}

function swap(a: usize, b: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const t = load<u8>(a + i);
    store<u8>(a + i, load<u8>(b + i));
    store<u8>(b + i, t);
  }
}

/** What a peer would answer to one of the last frames: which, how, then changes. */
export function opAnswer(): void {
  const which = u8In(), how = u8In();
  const len = sentLen(which);
  if (len < ETH) return;
  memory.copy(FRAME, sentFrame(which), len);
  const vif = sentVif(which);
  putMacs(vif);
  const ip = FRAME + ETH;
  const type = be16(FRAME + 12);
  let n = len;
  if (type == 0x0806 && len >= 42) {
    swap(ip + 8, ip + 18, 10);
    memory.copy(ip + 8, FRAME + 6, 6);
    store<u8>(ip + 7, 2);
  } else if (type == 0x0800 && len >= 38) {
    swap(ip + 12, ip + 16, 4);
    n = upper(ip + ((<u32>load<u8>(ip) & 15) << 2), load<u8>(ip + 9), len);
  } else if (type == 0x86dd && len >= 58) {
    swap(ip + 8, ip + 24, 16);
    n = upper(ip + 40, load<u8>(ip + 6), len);
  }
  mutate(n);
  finish(how, vif, n);
}

// The upper layer's part of an answer; the frame's new length.
function upper(q: usize, proto: u32, len: u32): u32 {
  if (q + 4 > FRAME + len) return len;
  if (proto == 6 || proto == 17) swap(q, q + 2, 2);
  else if (proto == 1 && load<u8>(q) == 8) store<u8>(q, 0);
  else if (proto == 58 && load<u8>(q) == 128) store<u8>(q, 129);
  else if (proto == 58 && load<u8>(q) == 135 && q + 24 <= FRAME + len) { // neighbour solicitation -> advertisement
    const src = FRAME + ETH + 8;
    memory.copy(src, q + 8, 16);
    if (!load<u64>(src + 16)) store<u64>(src + 16, 0x02ff), store<u64>(src + 24, 0x0100000000000000); // asked from ::, told to all nodes
    store<u8>(q, 136);
    putBe32(q + 4, 0x60000000);
    putBe16(q + 24, 0x0201);
    memory.copy(q + 26, FRAME + 6, 6);
    store<u8>(FRAME + ETH + 7, 255);
    putBe16(FRAME + ETH + 4, 32);
    return <u32>(q + 32 - FRAME);
  }
  return len;
}

/** An ICMP error about one of the last frames: which, how, type, code, second word, bytes quoted, then changes. */
export function opIcmpError(): void {
  const which = u8In(), how = u8In(), type = u8In(), code = u8In(), word = u32In();
  const quoted = min(u16In(), 1400);
  const len = sentLen(which);
  if (len < ETH + 20) return;
  const p = sentFrame(which), v6 = be16(p + 12) == 0x86dd, vif = sentVif(which);
  if (!v6 && be16(p + 12) != 0x0800) return;
  const hlen: u32 = v6 ? 40 : 20;
  const n = min(quoted, len - ETH), ip = FRAME + ETH, q = ip + hlen;
  memory.fill(FRAME, 0, ETH + hlen + 8);
  putMacs(vif);
  memory.copy(FRAME + 12, p + 12, 2);
  if (v6) {
    putBe32(ip, 0x60000000);
    store<u8>(ip + 6, 58);
    store<u8>(ip + 7, 64);
    memory.copy(ip + 8, p + ETH + 24, 16);
    memory.copy(ip + 24, p + ETH + 8, 16);
  } else {
    putBe16(ip, 0x4500);
    putBe16(ip + 8, 0x4001);
    memory.copy(ip + 12, p + ETH + 16, 4);
    memory.copy(ip + 16, p + ETH + 12, 4);
  }
  store<u8>(q, <u8>type);
  store<u8>(q + 1, <u8>code);
  putBe32(q + 4, word);
  memory.copy(q + 8, p + ETH, n);
  const total = ETH + hlen + 8 + n;
  mutate(total);
  finish(how | 16, vif, total);
}

/** A datagram: how (64: the length field of UDP is a byte that follows, not the truth), family, peer and own port, payload length, then as much payload as there is. */
export function opDatagram(): void {
  const how = u8In(), kind = u8In(), sport = u16In(), dport = u16In(), len = min(u16In() & 0x7ff, 1400);
  const v6 = (kind & 1) != 0, vif = (kind >> 1) & 1, hlen: u32 = v6 ? 40 : 20;
  const ip = FRAME + ETH, u = ip + hlen;
  memory.fill(FRAME, 0, ETH + hlen + 8 + len);
  putMacs(vif);
  if (v6) {
    putBe16(FRAME + 12, 0x86dd);
    putBe32(ip, 0x60000000);
    putBe16(ip + 6, 0x1140);
    putBe16(ip + 8, vif ? 0xfd01 : 0xfd00);
    store<u8>(ip + 23, 2);
    if (kind & 4) putBe16(ip + 24, 0xff02), store<u8>(ip + 39, 0xfb);
    else putBe16(ip + 24, vif ? 0xfd01 : 0xfd00), store<u8>(ip + 39, 1);
  } else {
    putBe16(FRAME + 12, 0x0800);
    putBe16(ip, 0x4500);
    putBe16(ip + 8, 0x4011);
    putBe32(ip + 12, vif ? 0x0a010002 : 0x0a000002);
    putBe32(ip + 16, kind & 4 ? 0xefffffff : kind & 8 ? 0xffffffff : vif ? 0x0a010001 : 0x0a000001);
  }
  putBe16(u, sport);
  putBe16(u + 2, dport);
  putBe16(u + 4, how & 64 ? u8In() : 8 + len);
  const n = min(left(), len);
  memory.copy(u + 8, rest(), n);
  skip(n);
  finish(how | 16, vif, ETH + hlen + 8 + len);
}
