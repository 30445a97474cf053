// Record and replay: what a core was given, fed to a fresh one, gives the same; and every difference is found and named.
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { CALLS, CALL_NAMES } from '../../host/debug/calls.js';
import { LaneSum } from '../../host/debug/lanesum.js';
import { Murmur3 } from '../../host/debug/murmur3.js';
import { BLOCK_HEADER, RecordError, headerLength } from '../../host/debug/record_format.js';
import { Replayer, type ReplayResult } from '../../host/debug/replay.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import type { TestHost } from '../harness/host.js';
import { suite } from '../harness/suite.js';
import { blocks, reseal } from './blocks.js';
import { exchange, recorded, replayCore, type Recorded } from './exchange.js';

const test = suite('record and replay');

async function replayed(bytes: Uint8Array, until?: number): Promise<{ result: ReplayResult; mem: Uint8Array }> {
  const r = await Replayer.open(bytesSource('test.rec', bytes), replayCore);
  return { result: r.run(until), mem: r.core.mem.u8 };
}

/** First byte of linear memory above the host's scratch area that differs, or -1. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const from = A.STATIC_BASE;
  if (Buffer.compare(a.subarray(from), b.subarray(from)) === 0) return -1;
  for (let i = from; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

/** A generator with a fixed seed: a number below n. */
function randomFrom(seed: number): (n: number) => number {
  return (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 4294967296) * n);
  };
}

let whole: Recorded, file: Uint8Array, hash: string, memory: Uint8Array;
test.before(async () => {
  whole = await exchange();
  whole.recorder.close();
  memory = whole.host.core.mem.u8.slice();
  file = whole.record.file();
  hash = (await replayed(file)).result.hash;
});

test('a replay gives the recorded results and frames, and ends with the same memory', async () => {
  const { result, mem } = await replayed(file);
  assert.is(result.divergence, undefined);
  assert.is(result.truncated, undefined);
  assert.is(result.calls, whole.recorder.written.calls);
  assert.ok(result.framesIn > 500 && result.framesOut > 500 && result.timers > 20 && result.events > 100, JSON.stringify(result));
  assert.is(firstDifference(mem, memory), -1);
  assert.is(result.hash, hash);
});

test('segments begin with the memory and are replayed alone; the last one ends as the whole run does', async () => {
  const r = await exchange(300, 500000);
  r.recorder.close();
  assert.ok(r.record.segments.length > 3, `${r.record.segments.length}`);
  let calls = 0, last: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < r.record.segments.length; i++) {
    const { result, mem } = await replayed(r.record.file(i));
    assert.is(result.divergence, undefined);
    assert.is(result.truncated, undefined);
    calls += result.calls;
    last = mem;
  }
  assert.is(calls, r.recorder.written.calls);
  assert.is(firstDifference(last, r.host.core.mem.u8), -1);
  assert.is(firstDifference(last, memory), -1);
});

test('one bit of a received frame, a datagram, a committed byte or the clock: the replay differs, and says where', async () => {
  const random = randomFrom(1), all = blocks(file);
  let changed = 0, named = 0;
  for (let i = 0; i < 40; i++) {
    const copy = file.slice(), b = all[random(all.length)];
    const at = b.bulk ? b.at + BLOCK_HEADER + b.records + random(b.bulk) : b.at + BLOCK_HEADER + random(b.records);
    copy[at] ^= 1 << random(8);
    reseal(copy, b);
    try {
      const { result } = await replayed(copy);
      if (result.hash !== hash) changed++;
      if (result.divergence) named++;
      if (result.divergence) assert.ok(result.divergence.offset > b.at && result.divergence.call > 0 && result.divergence.what.length > 5);
    } catch (e) {
      // The bit stood in a length or a kind.
      assert.instance(e, RecordError);
      changed++;
      named++;
    }
  }
  // Bits that the core never looks at (padding, the rest of a name) change nothing.
  assert.ok(changed >= 30, `${changed} changed`);
  assert.ok(named >= 25, `${named} named`);
});

test('a damaged file is refused with the place; a cut one is replayed up to its end', async () => {
  const random = randomFrom(2), header = headerLength('', file);
  for (let i = 0; i < 60; i++) {
    const copy = file.slice();
    copy[random(copy.length)] ^= 1 << random(8);
    try {
      const { result } = await replayed(copy);
      assert.ok(result.truncated, 'a damaged block header ends the record');
    } catch (e) {
      assert.instance(e, RecordError);
      assert.match((e as RecordError).message, /^test\.rec: at byte \d+: /);
      assert.ok((e as RecordError).remedy.length > 10);
    }
  }
  for (let i = 0; i < 25; i++) {
    const n = random(file.length);
    if (n < header) {
      await replayed(file.slice(0, n)).then(() => assert.unreachable(), (e: unknown) => assert.instance(e, RecordError));
      continue;
    }
    const { result } = await replayed(file.slice(0, n));
    assert.match(result.truncated!, /^at byte \d+: /);
    assert.is(result.divergence, undefined);
  }
});

test('no file whatever makes the reader fail otherwise', async () => {
  const random = randomFrom(3), start = file.slice(0, Math.min(file.length, 400000)), all = blocks(file).filter((b) => b.at + BLOCK_HEADER + b.records + b.bulk <= start.length);
  for (let i = 0; i < 150; i++) {
    const copy = start.slice(), b = all[random(all.length)];
    for (let k = random(12) + 1; k > 0; k--) copy[b.at + BLOCK_HEADER + random(b.records)] = random(2) ? random(256) : random(70);
    reseal(copy, b);
    try {
      await replayed(copy);
    } catch (e) {
      if (!(e instanceof RecordError)) throw e;
    }
  }
});

test('another core, another ABI and another format are refused', async () => {
  const other = { ...replayCore, hash: new Uint8Array(32) };
  await Replayer.open(bytesSource('x', file), other).then(() => assert.unreachable(), (e: Error) => assert.match(e.message, /recorded with the other build [0-9a-f]{64}, this is 0{64}/));
  for (const [at, why] of [[16, /check of the header/], [8, /format \d+, this version reads/], [0, /no record file/]] as const) {
    const copy = file.slice();
    copy[at] ^= 4;
    await Replayer.open(bytesSource('x', copy), replayCore).then(() => assert.unreachable(), (e: Error) => assert.match(e.message, why));
  }
});

test('until: so many calls and no more', async () => {
  const { result } = await replayed(file, 100);
  assert.is(result.calls, 100);
});

/** Calls with arbitrary arguments over scratch memory full of garbage. */
function garbage(h: TestHost, rounds: number): void {
  const random = randomFrom(4), { mem, x } = h.core, handles: number[] = [];
  const fill = (p: number, n: number): void => { for (let i = 0; i < n; i++) mem.u8[p + i] = random(3) ? random(8) : random(256); };
  const calls = x as unknown as Record<string, (...args: number[]) => number>;
  const names = CALL_NAMES.filter((n) => n.startsWith('sys_') && n !== 'sys_tx_commit' && n !== 'sys_rx_consume');
  for (let i = 0; i < rounds; i++) {
    h.core.now += random(50e6);
    h.core.stamp();
    if (handles.length < 12) {
      const s = x.sys_socket([2, 2, 10, 10, 16, 17][random(6)], 1 + random(3), [0, 0, 0, 1, 58, 6, 17, 4][random(8)]);
      if (s >= 0) handles.push(s);
    }
    fill(A.ARG, 512);
    fill(A.DATA, 256);
    fill(A.CONTROL, 128);
    mem.u16[A.ARG >>> 1] = [2, 10, 16, 17][random(4)];
    if (random(2)) mem.u8.set([10, 0, 0, random(3)], A.ARG + 4);
    const name = names[random(names.length)], handle = random(handles.length);
    const message = A.ARG + 0x800, u32 = mem.u32;
    [random(2) ? A.ARG : 0, random(130), A.DATA, random(3000), random(2) ? A.CONTROL : 0, random(128), random(9), 0].forEach((v, k) => { u32[(message >>> 2) + k] = v; });
    const h0 = handles[handle];
    switch (name) {
      case 'sys_socket': continue;
      case 'sys_close': if (random(4) === 0) { calls[name](h0); handles.splice(handle, 1); } break;
      case 'sys_bind': case 'sys_connect': calls[name](h0, A.ARG, [16, 28, 12, random(130)][random(4)]); break;
      case 'sys_setsockopt': case 'sys_getsockopt':
        calls[name](h0, [1, 0, 6, 17, 41, 58, 255, 263, 270][random(9)], random(80), A.ARG, [4, 8, 16, random(300)][random(4)]);
        break;
      case 'sys_ioctl': calls[name](h0, [0x541b, 0x5411, 0x8905, 0x8906, 0x8912, 0x8910 + random(0x60)][random(6)], A.ARG); break;
      case 'sys_sendmsg': case 'sys_recvmsg': calls[name](h0, message, [0, 1, 2, 0x20, 0x40, 0x2000][random(6)]); break;
      default: calls[name](h0, A.ARG, random(5000));
    }
    if (random(3) === 0) h.core.poll();
    if (random(5) === 0) h.core.tx();
  }
  for (const s of handles) x.sys_close(s);
}

test('every call over memory full of garbage: the record holds all that the core has read', async () => {
  const { host, record, recorder } = await recorded();
  garbage(host, 6000);
  recorder.close();
  const { result, mem } = await replayed(record.file());
  assert.is(result.divergence, undefined);
  assert.is(result.calls, recorder.written.calls);
  assert.is(firstDifference(mem, host.core.mem.u8), -1);
});

test('the record of a core that trapped ends with the call and the reason, and traps again', async () => {
  const { host, record, recorder } = await recorded();
  const handle = host.socket(2, 2);
  let said = '';
  try {
    host.core.x.sys_bind(handle, 0xfffffff0, 28);
  } catch (e) {
    said = (e as Error).message;
  }
  recorder.close(said);
  const { result } = await replayed(record.file());
  assert.is(result.divergence, undefined);
  assert.match(result.trap!.recorded, /out of bounds/);
  assert.is(result.trap!.replayed, result.trap!.recorded);
});

test('a trap that does not come again is a difference', async () => {
  const { host, record, recorder } = await recorded();
  host.core.poll();
  recorder.close('panic: planted');
  const bytes = record.file(), all = blocks(bytes), last = all[all.length - 1], records = last.at + BLOCK_HEADER;
  // Take away the result of the last call: it is what stands before the reason.
  const at = bytes.lastIndexOf(0x56);
  bytes.copyWithin(at - 1, at);
  new DataView(bytes.buffer).setUint32(last.at + 12, last.records - 1, true);
  reseal(bytes, { ...last, records: last.records - 1 });
  assert.ok(at > records);
  const { result } = await replayed(bytes);
  assert.match(result.divergence!.what, /returned 0; the recorded core trapped: panic: planted/);
});

test('descriptions: one for each export that changes or tells something, numbers unique and within a record\'s first byte', () => {
  const ids = CALL_NAMES.map((n) => CALLS[n].id);
  assert.is(new Set(ids).size, ids.length);
  assert.ok(ids.every((i) => i > 0 && i < 64));
  const exports = WebAssembly.Module.exports(replayCore.module).filter((e) => e.kind === 'function').map((e) => e.name).filter((n) => !['sanitize_check', 'frame_take'].includes(n));
  assert.equal([...CALL_NAMES].sort(), exports.sort());
  const instance = whole.host.core.x as unknown as Record<string, unknown>;
  for (const n of CALL_NAMES) assert.type(instance[n], 'function');
});

test('MurmurHash3_x86_128 is the published function, however its input is cut', () => {
  const bytes = (hex: string): number[] => hex.match(/.{8}/g)!.flatMap((w) => w.match(/../g)!.reverse().map((x) => parseInt(x, 16)));
  const all: number[] = [];
  for (let i = 0; i < 256; i++) {
    const h = new Murmur3(256 - i);
    const key = Uint8Array.from({ length: i }, (_, k) => k);
    for (let at = 0; at < i; at += 7) h.add(key.subarray(at, at + 7));
    all.push(...bytes(h.hex));
  }
  const h = new Murmur3();
  h.add(Uint8Array.from(all));
  // SMHasher's verification value of this function.
  assert.equal(bytes(h.hex).slice(0, 4), [0x2a, 0xe6, 0xec, 0xb3]);
});

test('the check of a block finds every single bit, and does not depend on how the bytes were cut', () => {
  const random = randomFrom(5), b = Uint8Array.from({ length: 1000 }, () => random(256));
  const want = new LaneSum().add(b).value;
  for (let i = 0; i < 50; i++) {
    const cut = random(1000), sum = new LaneSum();
    sum.add(b, 0, cut).add(b.slice(cut));
    assert.is(sum.value, want);
  }
  for (let bit = 0; bit < 8000; bit += 7) {
    b[bit >> 3] ^= 1 << (bit & 7);
    assert.is.not(new LaneSum().add(b).value, want);
    b[bit >> 3] ^= 1 << (bit & 7);
  }
  const swapped = b.slice();
  swapped.copyWithin(0, 32, 64);
  swapped.set(b.subarray(0, 32), 32);
  assert.is.not(new LaneSum().add(swapped).value, want);
});

test.run();
