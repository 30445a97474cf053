// Classic BPF as SO_ATTACH_FILTER takes it (Linux Documentation/networking/filter.rst): checked once, then run
// on every packet of the socket. Negative offsets (ancillary data) other than the protocol are refused.
import { Errno, Usage } from "../abi";
import { be16, be32 } from "../lib/bytes";
import { Pool } from "../lib/pool";
import { Skb } from "../core/skb";
import { Sock } from "../core/sock";

/** Instructions of one program. */
const MAX_INSNS: u32 = 512;
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const MEM: usize = memory.data(64, 4);
/** For each instruction of the program being checked, the scratch words that every jump to it found written. */
const MASKS: usize = memory.data(512 * 2, 2);
const SKF_AD_PROTOCOL: u32 = 0xfffff000;

export function filterInit(): void { POOL.init(Usage.FILTERS, 8 + (<usize>MAX_INSNS << 3), 32); }

/** Attach the `count` struct sock_filter at `insns` (8 bytes each). 0, -EINVAL, -ENOBUFS. */
export function filterAttach(sk: Sock, insns: usize, count: u32): i32 {
  if (!count || count > MAX_INSNS || !check(insns, count)) return -Errno.EINVAL;
  const p = POOL.alloc();
  if (!p) return -Errno.ENOBUFS;
  filterDetach(sk);
  store<u32>(p, count);
  memory.copy(p + 8, insns, <usize>count << 3);
  sk.filter = p;
  return 0;
}

export function filterDetach(sk: Sock): void {
  if (sk.filter) POOL.release(sk.filter);
  sk.filter = 0;
}

@inline function code(p: usize): u32 { return load<u16>(p); }
@inline function k(p: usize): u32 { return load<u32>(p, 4); }

// Known instructions, jumps inside the program, no division by zero, scratch index in range, ends in RET.
function check(p: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const at = p + (<usize>i << 3);
    const c = code(at);
    switch (c & 7) {
      case 0: case 1: // LD, LDX
        if ((c & 0xe0) == 0x60 && k(at) >= 16) return false;
        break;
      case 2: case 3: // ST, STX
        if (k(at) >= 16) return false;
        break;
      case 4: // ALU
        if (((c & 0xf0) == 0x30 || (c & 0xf0) == 0x90) && !(c & 8) && !k(at)) return false;
        break;
      case 5: // JMP
        if ((c & 0xf0) == 0) {
          if (k(at) >= count - i - 1) return false;
        } else if (i + 1 + load<u8>(at, 2) >= count || i + 1 + load<u8>(at, 3) >= count) return false;
        break;
      case 6: case 7:
        break;
    }
  }
  return (code(p + (<usize>(count - 1) << 3)) & 7) == 6 && scratchWritten(p, count);
}

@inline function meet(i: u32, written: u32): void {
  const m = MASKS + (<usize>i << 1);
  store<u16>(m, load<u16>(m) & <u16>written);
}

// Scratch may be read only where every way to the instruction has written it (Linux's check_load_and_stores): what an earlier
// program left there is nobody's business.
function scratchWritten(p: usize, count: u32): bool {
  memory.fill(MASKS, 0xff, <usize>count << 1);
  let written: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const at = p + (<usize>i << 3);
    const c = code(at);
    written &= load<u16>(MASKS + (<usize>i << 1));
    switch (c & 7) {
      case 0: case 1:
        if ((c & 0xe0) == 0x60 && !(written & (1 << k(at)))) return false;
        break;
      case 2: case 3:
        written |= 1 << k(at);
        break;
      case 5:
        if ((c & 0xf0) == 0) meet(i + 1 + k(at), written);
        else {
          meet(i + 1 + load<u8>(at, 2), written);
          meet(i + 1 + load<u8>(at, 3), written);
        }
        written = 0xffff;
        break;
      default:
    }
  }
  return true;
}

/** Run the filter on the linear bytes from skb.data: true = keep. */
export function sockFilter(sk: Sock, skb: Skb): bool {
  const base = sk.filter;
  return run(base + 8, load<u32>(base), skb) != 0;
}

function alu(op: u32, a: u32, v: u32): u32 {
  switch (op) {
    case 0x00: return a + v;
    case 0x10: return a - v;
    case 0x20: return a * v;
    case 0x30: return v ? a / v : 0;
    case 0x40: return a | v;
    case 0x50: return a & v;
    case 0x60: return v < 32 ? a << v : 0;
    case 0x70: return v < 32 ? a >> v : 0;
    case 0x80: return -a;
    case 0x90: return v ? a % v : 0;
    default: return a ^ v;
  }
}

// Bytes accepted; a load outside the packet ends the program with 0.
function run(p: usize, count: u32, skb: Skb): u32 {
  let a: u32 = 0, x: u32 = 0, pc: u32 = 0;
  const data = skb.data, len = skb.len;
  while (pc < count) {
    const at = p + (<usize>pc << 3);
    const c = code(at);
    const kk = k(at);
    pc++;
    switch (c & 7) {
      case 0: { // LD
        const mode = c & 0xe0;
        if (mode == 0x00) a = kk;
        else if (mode == 0x60) a = load<u32>(MEM + (kk << 2));
        else if (mode == 0x80) a = len;
        else {
          const off = mode == 0x40 ? x + kk : kk;
          const n: u32 = (c & 0x18) == 0 ? 4 : (c & 0x18) == 8 ? 2 : 1;
          if (off == SKF_AD_PROTOCOL && mode == 0x20) a = skb.protocol;
          else if (off > len || n > len - off) return 0;
          else a = n == 4 ? be32(data + off) : n == 2 ? be16(data + off) : load<u8>(data + off);
        }
        break;
      }
      case 1: { // LDX
        const mode = c & 0xe0;
        if (mode == 0x00) x = kk;
        else if (mode == 0x60) x = load<u32>(MEM + (kk << 2));
        else if (mode == 0x80) x = len;
        else {
          if (kk >= len) return 0;
          x = (<u32>load<u8>(data + kk) & 15) << 2;
        }
        break;
      }
      case 2: store<u32>(MEM + (kk << 2), a); break;
      case 3: store<u32>(MEM + (kk << 2), x); break;
      case 4: {
        const v = c & 8 ? x : kk;
        if (((c & 0xf0) == 0x30 || (c & 0xf0) == 0x90) && !v) return 0;
        a = alu(c & 0xf0, a, v);
        break;
      }
      case 5: {
        const v = c & 8 ? x : kk;
        const op = c & 0xf0;
        if (op == 0) pc += kk;
        else {
          const yes = op == 0x10 ? a == v : op == 0x20 ? a > v : op == 0x30 ? a >= v : (a & v) != 0;
          pc += yes ? load<u8>(at, 2) : load<u8>(at, 3);
        }
        break;
      }
      case 6: return (c & 0x18) == 0x10 ? a : kk;
      default: // MISC
        if (c & 0x80) a = x;
        else x = a;
    }
  }
  return 0;
}
