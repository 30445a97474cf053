// A channel: shared memory between a stack and one thread of applications. Bulk bytes go through two rings for each socket, calls
// through one mailbox for each, and who has something to look at through two bitmaps of sockets, which cannot overflow. No message
// is sent while the other side is awake. Whatever the other side writes is taken as hostile. Browser-safe.
//
//   0      header words, and the two bitmaps                        HEADER_BYTES
//   ...    one record for each slot (a socket, or none)             SLOT_BYTES each
//   ...    for each slot: ring of bytes to send, ring of received   2 * ringBytes each

export const HEADER_BYTES = 4096;
export const SLOT_BYTES = 1024;
/** One bit each in a bitmap of 32 words. */
export const SLOTS_MAX = 1024;
const SLOTS_DEFAULT = 256;
/** Room for the largest datagram with its name and ancillary data. */
export const RING_MIN = 131072;
const RING_DEFAULT = 262144, RING_MAX = 1 << 24;

// ---- header words ----
/** Counts the stack's calls for attention: the word that a thread sleeps on. */
export const APP_BELL = 0;
/** See Parked. */
export const APP_PARKED = 1;
export const STACK_PARKED = 2;
/** errno when the stack is gone. */
export const ENDED = 3;
/** First words of the bitmaps: sockets the stack, or the application, has to look at. */
export const TO_STACK = 32, TO_APP = 64;
export const BITMAP_WORDS = SLOTS_MAX / 32;

export const enum Parked {
  AWAKE,
  /** Sleeps in Atomics.wait on its bell. */
  WAITING,
  /** Its event loop goes on when a message comes (of the stack: when its wake function was called). */
  LISTENING,
}

// ---- words of a slot ----
/** Sequence number of the last call made, and of the last one answered: different while one is under way. */
export const CALL = 0, DONE = 1;
export const OP = 2, ARG0 = 3, ARG1 = 4, ARG2 = 5;
/** Bytes of the call's argument, or of its result, at SLOT_DATA. */
export const LENGTH = 6;
/** >= 0 or -errno. */
export const RESULT = 7;
/** SlotState bits, by the stack. */
export const STATE = 8;
/** With SlotState.FAILED. */
export const ERROR = 9;
/** Free-running byte counts: written into and taken out of the ring to send, and the ring of received bytes. */
export const TX_HEAD = 10, TX_TAIL = 11, RX_HEAD = 12, RX_TAIL = 13;
/** 1 when the application wants to be told of room in the ring to send. */
export const APP_WANTS = 14;
/** 1 when nothing is written after TX_HEAD: shut down behind it. */
export const TX_END = 15;
/** 1 when the stack stopped for want of room in the ring of received bytes: mark the slot after taking some. */
export const STACK_WANTS = 18;
/** Sockaddr of own end and peer, with their lengths before them. */
export const LOCAL_LENGTH = 16, REMOTE_LENGTH = 17;
/** Bytes in the slot. */
export const LOCAL_NAME = 80, REMOTE_NAME = 112, SLOT_DATA = 256, SLOT_DATA_BYTES = SLOT_BYTES - SLOT_DATA;

export const enum SlotState {
  OPEN = 1,
  /** Everything the peer sent is in the ring. */
  ENDED = 2,
  FAILED = 4,
}

export const enum Op {
  NONE,
  /** ARG0: family 4 or 6. */
  STREAM,
  LISTENER,
  /** ARG0: family, ARG1: type, ARG2: protocol. */
  DATAGRAM,
  /** Data: endpoint text. */
  BIND,
  CONNECT,
  /** ARG0: backlog. */
  LISTEN,
  /** ARG0: slot of the listener. Answered when a connection is there: this slot is it. */
  ACCEPT,
  /** ARG0: level, ARG1: name. */
  SETSOCKOPT,
  /** ARG2: room. */
  GETSOCKOPT,
  /** Close when everything in the ring has been sent. */
  CLOSE,
  RESET,
  /** Data: name of an interface. */
  IFINDEX,
  /** Datagram socket: no peer any more. */
  DISCONNECT,
}

// ---- records in the rings of a datagram socket ----
/**
 * u32 data length, u16 name length, u16 ancillary length, i32 errno; then name, ancillary data, data, padded to 4. errno > 0 in the ring of
 * received ones: no datagram, an error. In the ring to send the stack stores it there, when sending failed, before it takes the record out.
 */
export const RECORD_BYTES = 12, RECORD_ERRNO = 8;
export const DATAGRAM_MAX = 65535, CONTROL_MAX = 4096;

export interface ChannelOptions {
  /** Most sockets; default 256, at most 1024. */
  sockets?: number;
  /** Bytes on their way in one direction of one socket, a power of two from 128 KiB; default 256 KiB. */
  ringBytes?: number;
}

/** What of a channel is cloned into the other thread. */
export interface ChannelMemory {
  buffer: SharedArrayBuffer;
  slots: number;
  ringBytes: number;
}

/** The memory of a new channel. */
export function newChannel(options: ChannelOptions = {}): ChannelMemory {
  const { sockets: slots = SLOTS_DEFAULT, ringBytes = RING_DEFAULT } = options;
  if (!Number.isInteger(slots) || slots < 1 || slots > SLOTS_MAX) throw new RangeError(`sockets ${slots} is not from 1 to ${SLOTS_MAX}`);
  if (ringBytes < RING_MIN || ringBytes > RING_MAX || (ringBytes & (ringBytes - 1)) !== 0) throw new RangeError(`ringBytes ${ringBytes} is no power of two from ${RING_MIN} to ${RING_MAX}`);
  return { buffer: new SharedArrayBuffer(HEADER_BYTES + slots * (SLOT_BYTES + 2 * ringBytes)), slots, ringBytes };
}

/** Views on a channel, for either side. */
export class Channel {
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly slots: number;
  readonly ringBytes: number;
  constructor({ buffer, slots, ringBytes }: ChannelMemory) {
    this.i32 = new Int32Array(buffer);
    this.u8 = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.slots = slots;
    this.ringBytes = ringBytes;
  }
  /** Word `w` of a slot, as an index of i32. */
  word(slot: number, w: number): number { return ((HEADER_BYTES + slot * SLOT_BYTES) >>> 2) + w; }
  /** Byte `b` of a slot, as an index of u8. */
  byte(slot: number, b: number): number { return HEADER_BYTES + slot * SLOT_BYTES + b; }
  /** Where a slot's ring to send, or of received bytes, begins in u8. */
  ring(slot: number, received: boolean): number {
    return HEADER_BYTES + this.slots * SLOT_BYTES + (2 * slot + (received ? 1 : 0)) * this.ringBytes;
  }
  mark(bitmap: number, slot: number): void { Atomics.or(this.i32, bitmap + (slot >>> 5), 1 << (slot & 31)); }
  /** Take what is marked: fn for each slot; whether there was any. */
  take(bitmap: number, fn: (slot: number) => void): boolean {
    let any = false;
    for (let w = 0; w < BITMAP_WORDS && 32 * w < this.slots; w++) {
      let bits = Atomics.load(this.i32, bitmap + w) ? Atomics.exchange(this.i32, bitmap + w, 0) : 0;
      while (bits) {
        const slot = 32 * w + (31 - Math.clz32(bits & -bits));
        bits &= bits - 1;
        if (slot >= this.slots) continue;
        any = true;
        fn(slot);
      }
    }
    return any;
  }
  marked(bitmap: number): boolean {
    for (let w = 0; w < BITMAP_WORDS && 32 * w < this.slots; w++) if (Atomics.load(this.i32, bitmap + w)) return true;
    return false;
  }

  // ---- rings: positions are free-running counts ----
  /** Copy bytes into a ring at position `at`. */
  put(ring: number, at: number, bytes: Uint8Array): void {
    const from = at & (this.ringBytes - 1), first = Math.min(bytes.length, this.ringBytes - from);
    this.u8.set(first === bytes.length ? bytes : bytes.subarray(0, first), ring + from);
    if (first < bytes.length) this.u8.set(bytes.subarray(first), ring);
  }
  /** Copy bytes out of a ring, from position `at`, into all of `out`. */
  get(ring: number, at: number, out: Uint8Array): void {
    const from = at & (this.ringBytes - 1), first = Math.min(out.length, this.ringBytes - from);
    out.set(this.u8.subarray(ring + from, ring + from + first));
    if (first < out.length) out.set(this.u8.subarray(ring, ring + out.length - first), first);
  }
  /** The longest piece of a ring that begins at position `at`, at most n bytes: a view. */
  piece(ring: number, at: number, n: number): Uint8Array {
    const from = at & (this.ringBytes - 1);
    return this.u8.subarray(ring + from, ring + from + Math.min(n, this.ringBytes - from));
  }
}

/** Bytes of a datagram's record in a ring. */
export const recordBytes = (name: number, control: number, data: number): number => (RECORD_BYTES + name + control + data + 3) & ~3;
