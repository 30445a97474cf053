// The message record of the core (abi: MSGHDR_SIZE bytes), and messages of calls without a msghdr.
import type { CoreMemory } from '../memory.js';
import {
  ARG, CONTROL, CONTROL_SIZE, DATA, DATA_SIZE, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_FLAGS, MSG_NAME, MSG_NAMELEN,
} from '../abi/constants.js';
import { ADDRESS_MAX, type Call } from './call.js';
import { EINVAL, EMSGSIZE, MSG_TRUNC } from './linux.js';

/** The record and the name beside it, inside ARG. */
const RECORD = ARG + 0x800;
const NAME = ARG + 0x900;
/** A datagram on its way to the program. */
export interface Datagram {
  /** Bytes at DATA. */
  length: number;
  address: Uint8Array;
  control: Uint8Array;
  flags: number;
}

const NOTHING = new Uint8Array(0);

export class Messages {
  constructor(private readonly mem: CoreMemory) {}

  /** A record for sending `length` bytes at DATA to the name (nameLength bytes already at `this.name`, 0 = none). */
  record(nameLength: number, length: number, controlLength = 0): number {
    return this.recordAt(nameLength ? NAME : 0, nameLength, DATA, length, controlLength ? CONTROL : 0, controlLength);
  }
  /** A record of the places and lengths of a name, data and ancillary data. */
  recordAt(name: number, nameLength: number, data: number, length: number, control: number, controlLength: number): number {
    const u32 = this.mem.u32;
    u32[(RECORD + MSG_NAME) >>> 2] = name;
    u32[(RECORD + MSG_NAMELEN) >>> 2] = nameLength;
    u32[(RECORD + MSG_DATA) >>> 2] = data;
    u32[(RECORD + MSG_DATALEN) >>> 2] = length;
    u32[(RECORD + MSG_CONTROL) >>> 2] = control;
    u32[(RECORD + MSG_CONTROLLEN) >>> 2] = controlLength;
    u32[(RECORD + MSG_FLAGS) >>> 2] = 0;
    return RECORD;
  }
  readonly name = NAME;

  /** A record for receiving, with room for everything. */
  receiveRecord(): number {
    return this.record(ADDRESS_MAX, DATA_SIZE, CONTROL_SIZE);
  }
  /** What the core stored in the record, `length` bytes at DATA. */
  received(length: number): Datagram {
    const { u8, u32 } = this.mem;
    const nameLength = Math.min(u32[(RECORD + MSG_NAMELEN) >>> 2], ADDRESS_MAX);
    const controlLength = Math.min(u32[(RECORD + MSG_CONTROLLEN) >>> 2], CONTROL_SIZE);
    return {
      length,
      address: u8.slice(NAME, NAME + nameLength),
      control: controlLength ? u8.slice(CONTROL, CONTROL + controlLength) : NOTHING,
      flags: u32[(RECORD + MSG_FLAGS) >>> 2],
    };
  }

  /** sendto(2): arguments to a record, or -errno. */
  fromSendto(call: Call): number {
    const nameLength = call.long(4) ? call.int(5) : 0, length = call.long(2);
    if (nameLength < 0 || nameLength > ADDRESS_MAX) return -EINVAL;
    if (length > DATA_SIZE) return -EMSGSIZE;
    const r = call.collect(this.mem.u8, DATA, length, NAME, nameLength);
    return r < 0 ? r : this.record(nameLength, length);
  }
  /** Bytes that a recorded message carries. */
  get length(): number { return this.mem.u32[(RECORD + MSG_DATALEN) >>> 2]; }

  /** recvfrom(2): the datagram at DATA into the task; the call's result. */
  toRecvfrom(call: Call, d: Datagram, flags: number): number {
    const n = Math.min(d.length, call.long(2));
    this.mem.u8.set(d.address, NAME);
    const r = call.deliver(this.mem.u8, DATA, n, NAME, d.address.length);
    if (r < 0) return r;
    return flags & MSG_TRUNC ? d.length : n;
  }
}
