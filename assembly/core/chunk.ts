// Chunks: the storage of stream sockets. A send or receive queue is a list of chunks; an idle connection
// holds none. A chunk may be freed by its queue while a transmit descriptor still points into it, so each
// has a reference count: one for the queue, one per descriptor.
//
//   ptr            ptr+off            ptr+end                 ptr+cap
//    | consumed      | valid bytes      | room for more          |
import { Usage } from "../abi";
import { Pool } from "../lib/pool";

export const CHUNK_SMALL: u32 = 2048;
export const CHUNK_LARGE: u32 = 32768;

@unmanaged @final export class Chunk {
  next: Chunk | null;
  prev: Chunk | null;
  ptr: usize;
  cap: u32;
  off: u32;
  end: u32;
  refs: u32;
  /** Sequence number of the byte at ptr+off, for queues that keep one. */
  seq: u32;
  /** Free for the owning queue. */
  aux: u32;

  @inline get len(): u32 { return this.end - this.off; }
  @inline get room(): u32 { return this.cap - this.end; }
  @inline get data(): usize { return this.ptr + this.off; }
  @inline get tail(): usize { return this.ptr + this.end; }
}

const RECORDS = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const SMALL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const LARGE = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function chunkInit(small: u32, large: u32): void {
  RECORDS.init(Usage.CHUNKS, offsetof<Chunk>(), small + large);
  SMALL.init(Usage.CHUNKS_SMALL, CHUNK_SMALL, small, 64);
  LARGE.init(Usage.CHUNKS_LARGE, CHUNK_LARGE, large, 64);
}

/** A chunk for about `want` bytes: small when they fit, large otherwise; the other class when one is exhausted; null when both are. */
export function chunkAlloc(want: u32): Chunk | null {
  let small = want <= CHUNK_SMALL;
  let ptr = small ? SMALL.allocRaw() : LARGE.allocRaw();
  if (!ptr) {
    small = !small;
    ptr = small ? SMALL.allocRaw() : LARGE.allocRaw();
    if (!ptr) return null;
  }
  const c = changetype<Chunk>(RECORDS.alloc()); // as many records as chunks: cannot fail
  c.ptr = ptr;
  c.cap = small ? CHUNK_SMALL : CHUNK_LARGE;
  c.refs = 1;
  return c;
}

@inline export function chunkHold(c: Chunk): void { c.refs++; }

export function chunkRelease(c: Chunk): void {
  if (--c.refs) return;
  if (c.cap == CHUNK_SMALL) SMALL.release(c.ptr);
  else LARGE.release(c.ptr);
  RECORDS.release(changetype<usize>(c));
}

/** Bytes of chunk storage in use, of chunkMemory(). */
export function chunkMemoryUsed(): u32 { return SMALL.used * CHUNK_SMALL + LARGE.used * CHUNK_LARGE; }
export function chunkMemory(): u32 { return SMALL.capacity * CHUNK_SMALL + LARGE.capacity * CHUNK_LARGE; }
