// Messages of a task's sendmsg, sendmmsg, recvmsg and recvmmsg: each is in linear memory, a list says where (native/message.c).
import { CONTROL, CONTROL_SIZE, DATA, DATA_SIZE, MSG_CONTROLLEN, MSG_FLAGS, MSG_NAMELEN } from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import type { CoreMemory } from '../memory.js';
import { ADDRESS_MAX, type Call } from './call.js';
import { MSG_DONTWAIT } from './linux.js';
import type { Datagram, Messages } from './message.js';
import type { PosixNative } from './native.js';

/** Messages of one list. */
export const MANY = 64;
// A message in the list, u32 each.
const DATA_AT = 0, LENGTH = 1, NAME_AT = 2, NAME_LENGTH = 3, CONTROL_AT = 4, CONTROL_LENGTH = 5, FLAGS = 6, RESULT = 7, FIELDS = 8;
/** Names of several messages and of next(), behind their data. */
const NAMES = DATA + DATA_SIZE - (MANY + 1) * ADDRESS_MAX;
/** Room that the next message must have: the largest there is, and all ancillary data that options can ask for, bytes. */
const LARGEST = 65536, CONTROL_LARGEST = 4096;

export class TaskMessages {
  private readonly list = new Uint32Array(MANY * FIELDS);
  /** Behind the data and the ancillary data of the list. */
  private dataEnd = DATA;
  private controlEnd = CONTROL;

  constructor(private readonly native: PosixNative, private readonly mem: CoreMemory, private readonly messages: Messages) {}

  /** Read the headers at `address` of the task, `size` bytes each (more than one: MMSGHDR_BYTES): how many are good, or -errno of the first. */
  readHeaders(call: Call, address: number, count: number, size: number): number {
    return this.native.posixReadHeaders(call.tid, address, Math.min(count, MANY), size);
  }
  /** The list is what the task sends by the first `count` headers: how many before one that cannot be read, or had no room; -errno of the first. */
  load(count: number): number {
    return this.native.posixLoadMessages(count, this.mem.u8, this.list, DATA, NAMES, CONTROL, CONTROL + CONTROL_SIZE, NAMES);
  }
  /** A record for sending message i. */
  record(i: number): number {
    const { list } = this, f = i * FIELDS, named = list[f + NAME_LENGTH], controls = list[f + CONTROL_LENGTH];
    return this.messages.recordAt(named ? list[f + NAME_AT] : 0, named, list[f + DATA_AT], list[f + LENGTH], controls ? list[f + CONTROL_AT] : 0, controls);
  }
  /** Message i was sent, `n` bytes of it. */
  sent(i: number, n: number): void { this.list[i * FIELDS + RESULT] = n; }
  /** Store the bytes sent of the first `count` messages into their headers; 0 or -errno. */
  storeCounts(count: number): number { return this.native.posixStoreCounts(count, this.list); }
  /** The list is this one message, which is at DATA. */
  put(d: Datagram): void {
    this.mem.u8.set(d.address, this.messages.name);
    this.mem.u8.set(d.control, CONTROL);
    this.note(0, DATA, d.length, this.messages.name, d.address.length, CONTROL, d.control.length, d.flags);
  }
  /**
   * The list, of which there are `held` (put), goes on with what the core has for a socket, up to `wanted`: how many; -errno when there is none. `failed` is
   * told an error behind the first, `size` tells the length of the next.
   */
  gather(core: CoreExports, handle: number, held: number, wanted: number, failed: (errno: number) => void, size: () => number): number {
    const { u32 } = this.mem;
    let n = held;
    if (!held) {
      this.dataEnd = DATA;
      this.controlEnd = CONTROL;
    }
    while (n < wanted && n < MANY && CONTROL + CONTROL_SIZE - this.controlEnd >= CONTROL_LARGEST) {
      if (NAMES - this.dataEnd < LARGEST && NAMES - this.dataEnd < size()) break;
      const { dataEnd: data, controlEnd: control } = this;
      const name = NAMES + n * ADDRESS_MAX, record = this.messages.recordAt(name, ADDRESS_MAX, data, NAMES - data, control, CONTROL + CONTROL_SIZE - control);
      const length = core.sys_recvmsg(handle, record, MSG_DONTWAIT), r = record >>> 2;
      if (length < 0) {
        if (n === 0) return length;
        failed(-length);
        break;
      }
      this.note(n++, data, length, name, u32[r + (MSG_NAMELEN >>> 2)], control, u32[r + (MSG_CONTROLLEN >>> 2)], u32[r + (MSG_FLAGS >>> 2)]);
    }
    return n;
  }
  /** One message more, behind the list and not of it; undefined when there is none that has room. `place`: where its bytes are. */
  next(core: CoreExports, handle: number, size: number): { datagram: Datagram; place: number } | undefined {
    const { dataEnd: place, controlEnd, mem: { u8, u32 } } = this, name = NAMES + MANY * ADDRESS_MAX;
    if (NAMES - place < size || CONTROL + CONTROL_SIZE - controlEnd < CONTROL_LARGEST) return undefined;
    const record = this.messages.recordAt(name, ADDRESS_MAX, place, NAMES - place, controlEnd, CONTROL + CONTROL_SIZE - controlEnd);
    const length = core.sys_recvmsg(handle, record, MSG_DONTWAIT), r = record >>> 2;
    if (length < 0) return undefined;
    const address = u8.slice(name, name + u32[r + (MSG_NAMELEN >>> 2)]), control = u8.slice(controlEnd, controlEnd + u32[r + (MSG_CONTROLLEN >>> 2)]);
    return { datagram: { length, address, control, flags: u32[r + (MSG_FLAGS >>> 2)] }, place };
  }
  /** Store the first `count` of the list into the headers read last, as a call with these flags does: how many before one that could not be, or -errno. */
  store(count: number, flags: number): number {
    return this.native.posixStoreMessages(count, this.mem.u8, this.list, flags);
  }
  /** What recvmsg returns of message i, once it is stored. */
  result(i: number): number { return this.list[i * FIELDS + RESULT]; }
  /** Where message i is. */
  place(i: number): number { return this.list[i * FIELDS + DATA_AT]; }
  /** Message i as it would be kept: its bytes are at place(i). */
  datagram(i: number): Datagram {
    const { list, mem: { u8 } } = this, f = i * FIELDS;
    return {
      length: list[f + LENGTH],
      address: u8.slice(list[f + NAME_AT], list[f + NAME_AT] + list[f + NAME_LENGTH]),
      control: u8.slice(list[f + CONTROL_AT], list[f + CONTROL_AT] + list[f + CONTROL_LENGTH]),
      flags: list[f + FLAGS],
    };
  }
  private note(i: number, data: number, length: number, name: number, nameLength: number, control: number, controlLength: number, flags: number): void {
    const { list } = this, f = i * FIELDS;
    list[f + DATA_AT] = data;
    list[f + LENGTH] = length;
    list[f + NAME_AT] = name;
    list[f + NAME_LENGTH] = nameLength;
    list[f + CONTROL_AT] = control;
    list[f + CONTROL_LENGTH] = controlLength;
    list[f + FLAGS] = flags;
    this.dataEnd = data + length;
    this.controlEnd = control + ((controlLength + 7) & ~7);
  }
}
