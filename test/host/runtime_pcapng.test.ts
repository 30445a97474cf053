// Capture files: what the encoder writes, as tshark reads it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as A from '../../host/abi/constants.js';
import { DIRECTION_IN, DIRECTION_OUT, completeChecksum, enhancedPacket, interfaceDescription, receivedFrame, sectionHeader, sentFrame } from '../../host/debug/pcapng.js';
import { CoreMemory } from '../../host/memory.js';
import { FileCapture } from '../../host/threads/capture.js';
import type { Vif } from '../../host/vif.js';
import { frame, same } from '../backends/rig.js';
import { superFrame } from '../backends/segments.js';
import { faults } from '../interop/lab.js';

const test = suite('pcapng');
const dir = mkdtempSync(join(tmpdir(), 'nuse-pcapng-'));
test.after(() => rmSync(dir, { recursive: true }));

function tshark(file: string, fields: string[], filter = 'frame'): string[][] {
  const out = execFileSync('tshark', ['-n', '-r', file, '-Y', filter, '-T', 'fields', ...fields.flatMap((f) => ['-e', f])], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  // Some versions print numbers of this field in hexadecimal.
  return out.split('\n').filter(Boolean).map((l) => l.split('\t').map((v) => (/^0x[0-9a-f]{8}$/.test(v) ? String(Number(v)) : v)));
}

const TIME = 1_700_000_000_123_456_789n;
const FRAMES = (['tcp', 'udp'] as const).flatMap((p) => ([4, 6] as const).flatMap((v) => [superFrame(v, p, 333, 0), superFrame(v, p, 40000, 1448)]));

test('sections, interfaces, comments, times, directions', () => {
  const file = join(dir, 'a.pcapng');
  const arp = frame(60, 1, 0x0806);
  writeFileSync(file, Buffer.concat([
    sectionHeader(['a first comment', 'ein zweiter: äöü']), interfaceDescription('eth0', { mac: '02:00:00:00:00:01', description: 'nuse-eth0' }),
    interfaceDescription('tun0', { l3: true }),
    enhancedPacket(0, TIME, arp, DIRECTION_IN, 'a word about this one'),
    enhancedPacket(1, TIME + 1n, superFrame(4, 'udp', 5, 0).bytes.subarray(14), DIRECTION_OUT),
  ]));
  assert.equal(tshark(file, ['frame.time_epoch', 'frame.interface_name', 'frame.len', 'frame.packet_flags_direction', 'frame.comment', 'frame.interface_description']), [
    ['1700000000.123456789', 'eth0', '60', '1', 'a word about this one', 'nuse-eth0'],
    ['1700000000.123456790', 'tun0', '33', '2', '', ''],
  ]);
  assert.equal(tshark(file, ['udp.length'], 'udp'), [['13']]);
  const info = execFileSync('capinfos', ['-k', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  assert.match(info, /a first comment/);
});

test('completed checksums satisfy tshark, those left partial do not', () => {
  const write = (name: string, complete: boolean): string => {
    const file = join(dir, name);
    writeFileSync(file, Buffer.concat([sectionHeader(), interfaceDescription('eth0'), ...FRAMES.map((f) => {
      const bytes = f.bytes.slice();
      if (complete) completeChecksum(bytes, f.csumStart!, f.csumOffset!);
      return enhancedPacket(0, TIME, bytes, DIRECTION_OUT);
    })]));
    return file;
  };
  const good = write('good.pcapng', true);
  assert.equal(faults(good), []);
  assert.is(tshark(good, ['frame.len'], 'tcp || udp').length, FRAMES.length);
  assert.ok(faults(write('bad.pcapng', false)).length >= FRAMES.length);
});

test('a checksum outside the frame is left alone; a UDP sum of zero becomes all ones', () => {
  const f = frame(60);
  const copy = f.slice();
  completeChecksum(copy, 50, 9);
  completeChecksum(copy, 65535, 65535);
  same(copy, f);
  const zero = new Uint8Array(8).fill(0xff);
  completeChecksum(zero, 0, 6);
  assert.equal([...zero.subarray(6)], [0xff, 0xff]);
  const tcp = new Uint8Array(20).fill(0xff);
  completeChecksum(tcp, 0, 16);
  assert.equal([...tcp.subarray(16, 18)], [0, 0]);
});

test('frames are read out of descriptors and written as they pass', () => {
  const mem = new CoreMemory(new WebAssembly.Memory({ initial: 16, maximum: 16 })), { view, u8 } = mem;
  const f = superFrame(4, 'tcp', 100, 0), want = f.bytes.slice(), at = 0x80000, d = A.RX_DESC, t = 0x70000;
  completeChecksum(want, f.csumStart!, f.csumOffset!);
  u8.set(f.bytes, at);
  view.setUint32(d + A.RXD_BUF, at, true);
  view.setUint32(d + A.RXD_LEN, f.bytes.length, true);
  u8[d + A.RXD_FLAGS] = A.Vnet.F_NEEDS_CSUM;
  view.setUint16(d + A.RXD_CSUM_START, f.csumStart!, true);
  view.setUint16(d + A.RXD_CSUM_OFFSET, f.csumOffset!, true);
  same(receivedFrame(mem, d), want, 'received');
  view.setUint32(t + A.TXD_LEN, f.bytes.length, true);
  view.setUint16(t + A.TXD_NFRAGS, 2, true);
  u8[t + A.TXD_FLAGS] = A.Vnet.F_NEEDS_CSUM;
  view.setUint16(t + A.TXD_CSUM_START, f.csumStart!, true);
  view.setUint16(t + A.TXD_CSUM_OFFSET, f.csumOffset!, true);
  view.setUint32(t + A.TXD_FRAGS, at, true);
  view.setUint32(t + A.TXD_FRAGS + 4, 54, true);
  view.setUint32(t + A.TXD_FRAGS + 8, at + 54, true);
  view.setUint32(t + A.TXD_FRAGS + 12, f.bytes.length - 54, true);
  same(sentFrame(mem, t), want, 'sent');
  same(u8.slice(at, at + f.bytes.length), f.bytes, 'the frame itself is not touched');

  const file = join(dir, 'b.pcapng'), capture = new FileCapture(mem, file, ['of a test']);
  capture.add(5, { name: 'eth5', mac: '02:00:00:00:00:05', dev: 'x', features: 0 } as Vif);
  mem.putNs(A.HDR + A.HDR_NOW, 1e9);
  mem.u64[(A.HDR + A.HDR_WALL_OFFSET) >>> 3] = TIME - 1_000_000_000n;
  capture.received(5, d);
  capture.idle(0);
  capture.idle(50e6);
  assert.is(readFileSync(file).length, 0, 'not yet');
  capture.idle(200e6);
  const size = readFileSync(file).length;
  assert.ok(size > 200, 'after a moment');
  for (let i = 0; i < 3000; i++) capture.sent(5, t, 0.9e9);
  assert.ok(readFileSync(file).length > 256 << 10, 'by size');
  capture.close();
  capture.close();
  capture.sent(5, t, 1e9);
  assert.equal(faults(file), []);
  const rows = tshark(file, ['frame.time_epoch', 'frame.packet_flags_direction', 'frame.interface_name']);
  assert.is(rows.length, 3001);
  assert.equal(rows[0], ['1700000000.123456789', '1', 'eth5']);
  assert.equal(rows[3000], ['1700000000.023456789', '2', 'eth5'], 'sent before now');
});

test.run();
