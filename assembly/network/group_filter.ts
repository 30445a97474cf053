// Source filters of an interface's groups (RFC 3376 3.2, RFC 3810 4.2), and the records that tell routers of them: current state in
// answer to a query, and changes (RFC 3376 5.1, 5.2). Lists are held only for groups that name sources. IGMPv3 and MLDv2 share all
// of this but the length of an address.
//
//   record: 0 type  1 auxiliary words  2 number of sources(2)  4 group  then the sources, all addresses of one length
import { Usage } from "../abi";
import { ADDR_LEN, addrCopy, addrEqual, addrIsV4 } from "../lib/addr";
import { putBe16 } from "../lib/bytes";
import { Pool } from "../lib/pool";
import { Group } from "./group";

const enum Record { IS_INCLUDE = 1, IS_EXCLUDE, TO_INCLUDE, TO_EXCLUDE, ALLOW_NEW, BLOCK_OLD }
/** Values of Group.ask. */
export const enum Ask { NONE, GROUP, SOURCES }
/** RFC 3376 8.1. */
export const ROBUSTNESS: u8 = 2;
/** Sources of one group that an interface can tell of: with more it asks for all. */
export const FILTER_SOURCES: u32 = 32;
/** Groups with sources of one stack: further ones ask for all sources. */
const MAX: u32 = 64;
const LIST: usize = <usize>FILTER_SOURCES << 4;

/** One list of addresses, 16 bytes each. */
@unmanaged @final class Sources {
  n: u32;
  // padding to the alignment of the addresses
  _pad: u32;
  @inline at(i: u32): usize { return changetype<usize>(this) + 8 + (<usize>i << 4); }
  has(a: usize): bool {
    for (let i: u32 = 0; i < this.n; i++) if (addrEqual(this.at(i), a)) return true;
    return false;
  }
  add(a: usize): bool {
    if (this.n >= FILTER_SOURCES) return false;
    addrCopy(this.at(this.n++), a);
    return true;
  }
  copy(from: Sources): void { memory.copy(changetype<usize>(this), changetype<usize>(from), 8 + (<usize>from.n << 4)); }
}
const SIZE: usize = 8 + LIST;

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const NONE = changetype<Sources>(memory.data(8, 8));
/** Result of minus() and common(), and of the caller's own making. */
const SET = changetype<Sources>(memory.data(8 + (32 << 4), 8));
/** Records being written: two of them at most. */
const OUT: usize = memory.data(2 * (20 + (32 << 4)), 8);
const STATE: usize = memory.data(8, 4);

export function groupFilterInit(): void { POOL.init(Usage.GROUP_FILTERS, 3 * SIZE, MAX); }

/** What is wanted now, what was before the last change, and what a router asked about. */
@inline function current(g: Group): Sources { return g.filter ? changetype<Sources>(g.filter) : NONE; }
@inline function previous(g: Group): Sources { return g.filter ? changetype<Sources>(g.filter + SIZE) : NONE; }
@inline function asked(g: Group): Sources { return g.filter ? changetype<Sources>(g.filter + 2 * SIZE) : NONE; }

function hold(g: Group): bool {
  if (!g.filter) g.filter = POOL.alloc();
  return g.filter != 0;
}
/** The group is being freed. */
export function filterFree(g: Group): void {
  if (g.filter) POOL.release(g.filter);
  g.filter = 0;
}

/**
 * The interface wants of `g` only the `n` sources (16 bytes each), or with `include` 0 all but them. True when that is news: the group's
 * `changes` and `modeChanges` say how often it is to be told.
 */
export function filterSet(g: Group, include: u8, n: u32, sources: usize): bool {
  if (n > FILTER_SOURCES || (n && !hold(g))) { // no room to name them
    include = 0;
    n = 0;
  }
  SET.n = 0;
  for (let i: u32 = 0; i < n; i++) SET.add(sources + (<usize>i << 4));
  const cur = current(g);
  if (include == g.include && cur.n == SET.n && !minus(cur, n, sources)) return false;
  SET.n = 0;
  for (let i: u32 = 0; i < n; i++) SET.add(sources + (<usize>i << 4));
  if (g.filter) {
    previous(g).copy(cur);
    cur.copy(SET);
  }
  if (g.include != include) g.modeChanges = ROBUSTNESS;
  g.include = include;
  g.changes = ROBUSTNESS;
  return true;
}
// Is some source of `a` not among the `n` at `sources`?
function minus(a: Sources, n: u32, sources: usize): bool {
  for (let i: u32 = 0; i < a.n; i++) {
    let found = false;
    for (let k: u32 = 0; k < n && !found; k++) found = addrEqual(a.at(i), sources + (<usize>k << 4));
    if (!found) return true;
  }
  return false;
}

/** A router asks about `g`, and if `n` is not 0 about these sources of it only; `step`: bytes of an address at `sources`. */
export function filterAsk(g: Group, n: u32, sources: usize, step: u32): void {
  if (g.ask == <u8>Ask.GROUP) return;
  if (!n || !hold(g) || asked(g).n + n > FILTER_SOURCES) {
    g.ask = <u8>Ask.GROUP;
    return;
  }
  const q = asked(g);
  if (g.ask == <u8>Ask.NONE) q.n = 0;
  g.ask = <u8>Ask.SOURCES;
  for (let i: u32 = 0; i < n; i++) {
    const p = q.at(q.n++);
    if (step == <u32>ADDR_LEN) addrCopy(p, sources + i * step);
    else {
      store<u64>(p, 0);
      store<u32>(p, 0xffff0000, 8);
      store<u32>(p, load<u32>(sources + i * step), 12);
    }
  }
}

// ---- records ----
@inline function begin(): void { store<u64>(STATE, 0); }
/** Address, length and number of the records written last. */
@inline export function recordsAt(): usize { return OUT; }
@inline export function recordsLen(): u32 { return load<u32>(STATE, 4); }
@inline export function recordsCount(): u32 { return load<u32>(STATE); }

function record(g: Group, type: Record, list: Sources): void {
  const v4 = addrIsV4(g.addr);
  const size: usize = v4 ? 4 : ADDR_LEN, skip: usize = ADDR_LEN - size;
  let p = OUT + recordsLen();
  store<u16>(p, <u16>type);
  putBe16(p + 2, list.n);
  memory.copy(p + 4, g.addr + skip, size);
  p += 4 + size;
  for (let i: u32 = 0; i < list.n; i++) {
    memory.copy(p, list.at(i) + skip, size);
    p += size;
  }
  store<u32>(STATE, load<u32>(STATE) + 1);
  store<u32>(STATE, <u32>(p - OUT), 4);
}
// The sources of `a` that are (not) in `b`, if there are any.
function some(g: Group, type: Record, a: Sources, b: Sources, inBoth: bool): void {
  SET.n = 0;
  for (let i: u32 = 0; i < a.n; i++) if (b.has(a.at(i)) == inBoth) SET.add(a.at(i));
  if (SET.n) record(g, type, SET);
}

/** Write the change of `g` (RFC 3376 5.1) as records; their number. A changed mode is repeated as such, whatever happened since. */
export function changeRecords(g: Group): u32 {
  begin();
  const now = current(g), before = previous(g);
  if (g.modeChanges) {
    g.modeChanges--;
    record(g, g.include ? Record.TO_INCLUDE : Record.TO_EXCLUDE, now);
  } else if (g.include) {
    some(g, Record.ALLOW_NEW, now, before, false);
    some(g, Record.BLOCK_OLD, before, now, false);
  } else {
    some(g, Record.ALLOW_NEW, before, now, false);
    some(g, Record.BLOCK_OLD, now, before, false);
  }
  return recordsCount();
}

/** Write the state of `g` that was asked for (RFC 3376 5.2); the number of records, 0 when there is nothing to say. */
export function stateRecords(g: Group): u32 {
  begin();
  const now = current(g);
  if (g.ask == <u8>Ask.SOURCES) some(g, Record.IS_INCLUDE, asked(g), now, g.include != 0);
  else if (!g.include || now.n) record(g, g.include ? Record.IS_INCLUDE : Record.IS_EXCLUDE, now);
  return recordsCount();
}
