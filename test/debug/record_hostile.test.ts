// Record files that mean no good: small ones that want much, rings and rooms that lie, text for a terminal. What comes of them is an error
// that names the byte, in little time and memory.
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import * as A from '../../host/abi/constants.js';
import { createCore } from '../../host/core.js';
import { CALLS } from '../../host/debug/calls.js';
import { receivedFrame, sentFrame } from '../../host/debug/pcapng.js';
import { BLOCK_HEADER, BLOCK_LAST, Kind, RecordError, encodeHeader, openBlock, sealBlock, type RecordHeader } from '../../host/debug/record_format.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer, type ReplayResult } from '../../host/debug/replay.js';
import { Room } from '../../host/debug/room.js';
import { replayCore } from './exchange.js';

const test = suite('hostile records');
const MIB = 2 ** 20;
const HEADER: RecordHeader = {
  abi: A.ABI_VERSION, build: 'other', coreHash: replayCore.hash, date: 0, segment: 0, segmentId: 1, snapshot: false, memoryBytes: 16 * MIB, maxSockets: 64, now: 1e9, seed: new Uint8Array(32), text: '',
};
/** A file of this header and one block of these records. */
function file(header: Partial<RecordHeader>, records: readonly number[] = []): Uint8Array {
  const head = encodeHeader({ ...HEADER, ...header }), block = new Uint8Array(BLOCK_HEADER + records.length), out = new Uint8Array(head.length + block.length);
  block.set(records, BLOCK_HEADER);
  openBlock(new DataView(block.buffer), 1, 0, block.length, 0, BLOCK_LAST);
  sealBlock(block, block.length, 0);
  out.set(head);
  out.set(block, head.length);
  return out;
}
const replayed = async (bytes: Uint8Array): Promise<ReplayResult> => (await Replayer.open(bytesSource('x.rec', bytes), replayCore)).run();
function varint(n: number): number[] {
  const out: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
}

test('a block that is made here is read: the empty record', async () => {
  assert.equal((await replayed(file({}))).calls, 0);
  assert.equal((await replayed(file({}, [CALLS.poll.id, 0, Kind.ZERO]))).calls, 1);
});

const WANTS: [string, Partial<RecordHeader>, RegExp][] = [
  ['2^31 sockets', { maxSockets: 2 ** 31, memoryBytes: 2 ** 32 - 65536 }, /^x\.rec: at byte 80: 2147483648 sockets$/],
  ['2^32 - 1 sockets', { maxSockets: 2 ** 32 - 1 }, /at byte 80: 4294967295 sockets/],
  ['all of 4 GiB', { memoryBytes: 2 ** 32 }, /at byte 76: a memory of 65536 pages/],
  ['a page of memory', { memoryBytes: 65536 }, /at byte 76: a core with these parameters does not start: /],
  ['tables that do not fit', { memoryBytes: MIB, maxSockets: 65536 }, /at byte 76: a core with these parameters does not start: /],
  ['a snapshot of 4 GiB that is not there', { memoryBytes: 2 ** 32 - 65536, snapshot: true }, /the snapshot is missing/],
];
for (const [what, header, message] of WANTS) {
  test(`a file of 200 bytes that wants ${what}`, async () => {
    const before = process.memoryUsage.rss(), e = await replayed(file(header)).catch((x: Error) => x);
    assert.instance(e, RecordError);
    assert.match((e as Error).message, message);
    assert.ok(process.memoryUsage.rss() - before < 512 * MIB, 'it takes little memory');
  });
}

test('a snapshot of 512 MiB of zeros, in 30 bytes, is refused without that memory', async () => {
  const before = process.memoryUsage.rss(), e = await replayed(file({ memoryBytes: 512 * MIB, snapshot: true }, [Kind.SNAPSHOT, 0])).catch((x: Error) => x);
  assert.instance(e, RecordError);
  assert.match((e as Error).message, /at byte 72: the memory with which it begins is of no core/);
  assert.ok(process.memoryUsage.rss() - before < 128 * MIB, `${((process.memoryUsage.rss() - before) / MIB).toFixed(0)} MiB`);
});

test('a transmit ring that claims 2^32 frames is no ring', async () => {
  // sys_bind reads its address from wherever the record says: here it overwrites the ring's head.
  const head = A.VIF + A.VIF_TX_HEAD, name = 0x3000, mac = 0x3100, bytes = (b: number[]): number[] => [...varint(2 * b.length), ...b];
  const register = [CALLS.dev_register.id, ...varint(0), ...varint(name), ...varint(mac), ...varint(1500), 0, ...bytes([101, 116, 104, 48, ...new Array<number>(12).fill(0)]), ...bytes([2, 0, 0, 0, 0, 1])];
  const result = [Kind.RESULT, ...varint(2 * 2)], bind = [CALLS.sys_bind.id, 0, ...varint(head), 4, ...bytes([255, 255, 255, 255])];
  const e = await replayed(file({}, [...register, ...result, ...bind, Kind.ZERO])).catch((x: Error) => x);
  assert.instance(e, RecordError, (e as Error).message ?? JSON.stringify(e));
  assert.match((e as Error).message, /vif 0 has 4294967295 frames in a ring of 256/);
});

test('descriptors that lie about their length give no frame longer than one can be', async () => {
  const { mem } = await createCore(replayCore.module, { seed: new Uint8Array(32), now: 1e9, memoryBytes: 16 * MIB }), d = A.ARG;
  mem.u32.fill(0xffffffff, d >>> 2, (d + 128) >>> 2);
  assert.ok(sentFrame(mem, d).length <= 1 << 17);
  mem.u32[(d + A.RXD_BUF) >>> 2] = A.STATIC_BASE;
  assert.ok(receivedFrame(mem, d).length <= 1 << 17);
});

test('room beyond memory takes nothing', () => {
  const memory = new Uint8Array(64), room = new Room(memory, Uint32Array.of(60, 4, 0xfffffff0, 32));
  assert.is(room.put(new Uint8Array(10).fill(7)), 4);
  assert.equal([...memory.subarray(58)], [0, 0, 7, 7, 7, 7]);
});

test('text of a file does nothing to the terminal that shows it', async () => {
  const text = new TextEncoder().encode('\x1b[2Jgone\u009b'), { trap } = await replayed(file({}, [Kind.TRAP, ...varint(text.length), ...text]));
  assert.is(trap!.recorded, '\ufffd[2Jgone\ufffd');
});

test.run();
