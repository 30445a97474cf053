// The keys and MACs of the TCP authentication option (RFC 5925, 5926) against every test vector of RFC 9235, and against node:crypto
// for what the vectors leave out: extended sequence numbers, master keys and MACs of other lengths.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { MASTER_KEY, VECTORS } from './rfc9235.js';

const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
const module = new WebAssembly.Module(readFileSync(new URL('../../../lib.test.wasm', import.meta.url)));
const x = new WebAssembly.Instance(module, { env: { memory }, host: { panic(): never { throw new Error('panic'); }, log(): void {} } }).exports as unknown as Record<string, (...args: number[]) => number>;
x.setup(32 * 65536);
const u8 = new Uint8Array(memory.buffer), view = new DataView(memory.buffer);
const KEY = A.DATA, PAIR = A.DATA + 256, OUT = A.DATA + 512, SEGMENT = A.DATA + 1024, TRAFFIC = A.DATA + 768;
const hex = (n: number, p = OUT): string => Buffer.from(u8.subarray(p, p + n)).toString('hex');
const master = new TextEncoder().encode(MASTER_KEY);
const SHA1 = 0, AES = 1;

/** Put a packet's addresses and segment into memory. */
function load(packet: string): { v4: number; length: number; option: number } {
  const ip = Uint8Array.from(Buffer.from(packet, 'hex')), v4 = ip[0] >> 4 === 4;
  u8.fill(0, PAIR, PAIR + 32);
  if (v4) {
    for (const [at, from] of [[PAIR, 12], [PAIR + 16, 16]]) u8.set([0xff, 0xff, ...ip.subarray(from, from + 4)], at + 10);
  } else u8.set(ip.subarray(8, 40), PAIR);
  const segment = ip.subarray(v4 ? 20 : 40);
  u8.set(segment, SEGMENT);
  let option = 20;
  while (segment[option] !== 29) option += segment[option] === 1 ? 1 : segment[option + 1];
  return { v4: Number(v4), length: segment.length, option };
}
/** The master key of `alg` in memory; its length. */
function setKey(alg: number, key: Uint8Array): number {
  u8.set(key, KEY);
  if (alg === SHA1 || key.length === 16) return key.length;
  x.ao_master_key(KEY, key.length, KEY);
  return 16;
}

const test = suite('tcp ao vectors');
const CLIENT_SYN = /\.1$/, SERVER = /\.[24]$/;
let isns: [number, number] = [0, 0];
for (const v of VECTORS) {
  test(`RFC 9235 ${v.section}`, () => {
    const alg = '46'.includes(v.section[0]) ? SHA1 : AES, exclude = Number(v.section[2] === '2');
    const { v4, length, option } = load(v.packet);
    const seq = view.getUint32(SEGMENT + 4), ports = [view.getUint16(SEGMENT), view.getUint16(SEGMENT + 2)];
    if (CLIENT_SYN.test(v.section)) isns = [seq, 0];
    else if (v.section.endsWith('.2')) isns = [isns[0], seq];
    const [sisn, disn] = SERVER.test(v.section) ? [isns[1], isns[0]] : isns;
    const n = setKey(alg, master);
    x.ao_traffic_key(alg, KEY, n, PAIR, v4, ports[0], ports[1], sisn, disn, TRAFFIC);
    assert.is(hex(v.key.length / 2, TRAFFIC), v.key);
    assert.is(v.key.length, alg === SHA1 ? 40 : 32);
    u8.fill(0xee, SEGMENT + option + 4, SEGMENT + option + 16); // whatever stands there is not counted
    x.ao_mac(alg, TRAFFIC, 0, PAIR, v4, SEGMENT, length, option, 12, exclude, OUT);
    assert.is(hex(12), v.mac);
    assert.ok(v.packet.includes(v.mac));
    // The other options count or not, payload, flags and the option itself always.
    for (const [at, counts] of [[option - 1, !exclude], [13, true], [length - 1, true], [option + 2, true], [16, false]] as [number, boolean][]) {
      u8[SEGMENT + at] ^= 1;
      x.ao_mac(alg, TRAFFIC, 0, PAIR, v4, SEGMENT, length, option, 12, exclude, OUT);
      if (at < length - 12 || length > 60) assert.is(hex(12) !== v.mac, counts, `byte ${at}`);
      u8[SEGMENT + at] ^= 1;
    }
  });
}

test('the extension of the sequence number is what the MAC begins with', () => {
  const v = VECTORS[2], { v4, length, option } = load(v.packet);
  u8.set(Buffer.from(v.key, 'hex'), TRAFFIC);
  x.ao_mac(SHA1, TRAFFIC, 0x01020304, PAIR, v4, SEGMENT, length, option, 12, 0, OUT);
  const segment = Buffer.from(u8.slice(SEGMENT, SEGMENT + length));
  segment.fill(0, 16, 18);
  segment.fill(0, option + 4, option + 16);
  const ip = Buffer.from(v.packet, 'hex'), pseudo = Buffer.concat([ip.subarray(12, 20), Buffer.from([0, 6, length >> 8, length & 255])]);
  assert.is(hex(20), createHmac('sha1', Buffer.from(v.key, 'hex')).update(Buffer.from([1, 2, 3, 4])).update(pseudo).update(segment).digest('hex'));
});
test('master keys of AES-128 that are not 16 bytes long (RFC 4615 4)', () => {
  for (const [key, want] of [['00010203040506070809', '290d9e112edb09ee141fcf64c0b72f3d'], ['000102030405060708090a0b0c0d0e0fedcb', '84a348a4a45d235babfffc0d2b4da09a']]) {
    u8.set(Buffer.from(key, 'hex'), KEY);
    x.ao_master_key(KEY, key.length / 2, KEY);
    // The PRF of RFC 4615 over its message 000102…13 is CMAC under this key.
    u8.set(Uint8Array.from({ length: 20 }, (_, i) => i), SEGMENT);
    x.cmac(SEGMENT, 20, 0, OUT, KEY);
    assert.is(hex(16), want);
  }
});

test.run();
