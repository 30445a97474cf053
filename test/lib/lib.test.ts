// The library layer against published vectors and against slow, obvious models.
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';

type Lib = Record<string, (...args: number[]) => number>;

function load(file: string): { x: Lib; u8: Uint8Array; view: DataView } {
  const module = new WebAssembly.Module(readFileSync(new URL(`../../../${file}`, import.meta.url)));
  const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
  const u16 = new Uint16Array(memory.buffer), u32 = new Uint32Array(memory.buffer);
  const x = new WebAssembly.Instance(module, {
    env: { memory },
    host: {
      panic(p: number): void {
        const n = p ? u32[(p - 4) >>> 2] >>> 1 : 0;
        throw new Error(String.fromCharCode(...u16.subarray(p >>> 1, (p >>> 1) + n)));
      },
      log(): void {},
    },
  }).exports as unknown as Lib;
  x.setup(32 * 65536);
  return { x, u8: new Uint8Array(memory.buffer), view: new DataView(memory.buffer) };
}

const lib = load('lib.test.wasm');
const { x, u8, view } = lib;
const P = A.DATA;
const hex = (s: string) => Uint8Array.from(s.replace(/\s/g, '').match(/../g)!.map((b) => parseInt(b, 16)));
const hexOf = (b: Uint8Array) => Buffer.from(b).toString('hex');

/** RFC 1071 4.1, byte by byte. */
function model(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
const swap = (v: number) => ((v & 0xff) << 8) | (v >>> 8);
/** A small generator of test data (never used by the product). */
function lcg(seed: number): () => number {
  let s = seed >>> 0;
  return () => (s = (Math.imul(s, 1664525) + 1013904223) >>> 0) >>> 8;
}

const checksum = suite('lib/checksum');
checksum('equals the RFC 1071 model for every length to 300 and at every alignment', () => {
  const r = lcg(7);
  for (let n = 0; n <= 300; n++)
    for (let off = 0; off < 4; off++) {
      const b = Uint8Array.from({ length: n }, () => r() & 0xff);
      u8.set(b, P + off);
      assert.is(swap(x.checksum(P + off, n)), model(b), `length ${n} offset ${off}`);
    }
});
checksum('does not overflow on 64 KiB of ones', () => {
  u8.fill(0xff, P, P + 65536);
  assert.is(x.checksum(P, 65536), 0);
});
checksum('blocks cut at odd offsets add up', () => {
  const r = lcg(9);
  const b = Uint8Array.from({ length: 201 }, () => r() & 0xff);
  u8.set(b, P);
  for (let at = 0; at <= 201; at++) assert.is(swap(x.checksum_split(P, 201, at)), model(b), `cut at ${at}`);
});
checksum('RFC 1624 example: 0xDD2F, 0x5555 -> 0x3285 gives 0x0000', () => {
  assert.is(x.checksum_replace(0xdd2f, 0x5555, 0x3285), 0x0000);
});
checksum.run();

const drbg = suite('lib/drbg');
drbg('ChaCha20 block, RFC 8439 2.3.2', () => {
  u8.set(Uint8Array.from({ length: 32 }, (_, i) => i), P);
  u8.set(hex('000000090000004a00000000'), P + 32);
  x.chacha(P + 64, P, 1, P + 32);
  assert.is(hexOf(u8.subarray(P + 64, P + 128)),
    '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4ed2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e');
});
drbg('one seed gives one stream, another seed another', () => {
  u8.fill(5, P, P + 32);
  x.drbg(P, P + 1024, 1000);
  const a = hexOf(u8.subarray(P + 1024, P + 2024));
  x.drbg(P, P + 1024, 1000);
  assert.is(hexOf(u8.subarray(P + 1024, P + 2024)), a);
  u8.fill(6, P, P + 32);
  x.drbg(P, P + 1024, 1000);
  assert.is.not(hexOf(u8.subarray(P + 1024, P + 2024)), a);
});
drbg('bytes are evenly spread', () => {
  x.drbg(P, P + 1024, 65536);
  const count = new Uint32Array(256);
  for (let i = 0; i < 65536; i++) count[u8[P + 1024 + i]]++;
  assert.ok(Math.min(...count) > 180 && Math.max(...count) < 340);
});
drbg.run();

const hash = suite('lib/hash');
hash('SipHash-2-4 reference vectors (key 00..0f, message 00..n-1)', () => {
  const want = ['310e0edd47db6f72', 'fd67dc93c539f874', '5a4fa9d909806c0d', '2d7efbd796666785', 'b7877127e09427cf', '8da699cd64557618', 'cee3fe586e46c9cb', '37d1018bf50002ab', '6224939a79f5f593'];
  u8.set(Uint8Array.from({ length: 64 }, (_, i) => i), P);
  want.forEach((w, n) => {
    x.siphash(P, n, P, P + 128);
    assert.is(hexOf(u8.subarray(P + 128, P + 136)), w, `length ${n}`);
  });
});
hash.run();

const crypto = suite('lib/crypto');
const KEY = P + 4096, OUT = P + 8192;
const text = (s: string) => new TextEncoder().encode(s);
function digestOf(f: string, message: Uint8Array, at: number, n: number, key: Uint8Array = new Uint8Array(0)): string {
  u8.set(message, P);
  u8.set(key, KEY);
  x[f](P, message.length, at, OUT, KEY, key.length);
  return hexOf(u8.subarray(OUT, OUT + n));
}
crypto('MD5: the test suite of RFC 1321 A.5', () => {
  for (const [m, want] of [
    ['', 'd41d8cd98f00b204e9800998ecf8427e'], ['a', '0cc175b9c0f1b6a831c399e269772661'], ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'], ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
    ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
  ]) assert.is(digestOf('md5', text(m), 0, 16), want);
});
crypto('SHA-1: FIPS 180; HMAC-SHA-1: RFC 2202 3', () => {
  assert.is(digestOf('sha1', text('abc'), 0, 20), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  for (const [key, m, want] of [
    [new Uint8Array(20).fill(0x0b), text('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [text('Jefe'), text('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [hex('0102030405060708090a0b0c0d0e0f10111213141516171819'), new Uint8Array(50).fill(0xcd), '4c9007f4026250c6bc8414f9bf50c86c2d7235da'],
    [new Uint8Array(20).fill(0x0c), text('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
    [new Uint8Array(80).fill(0xaa), text('Test Using Larger Than Block-Size Key - Hash Key First'), 'aa4ae5e15272d00e95705637ce8a3b55ed402112'],
    [new Uint8Array(80).fill(0xaa), text('Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data'), 'e8e99d0f45237d786d6bbaa7965c7808bbff1a91'],
  ] as [Uint8Array, Uint8Array, string][]) assert.is(digestOf('hmac_sha1', m, 3, 20, key), want);
});
crypto('AES-128: FIPS 197 B and C.1; CMAC: RFC 4493 4', () => {
  for (const [key, block, want] of [
    ['2b7e151628aed2a6abf7158809cf4f3c', '3243f6a8885a308d313198a2e0370734', '3925841d02dc09fbdc118597196a0b32'],
    ['000102030405060708090a0b0c0d0e0f', '00112233445566778899aabbccddeeff', '69c4e0d86a7b0430d8cdb78070b4c55a'],
  ]) {
    u8.set(hex(key), KEY);
    u8.set(hex(block), P);
    x.aes128(P, OUT, KEY);
    assert.is(hexOf(u8.subarray(OUT, OUT + 16)), want);
  }
  const key = hex('2b7e151628aed2a6abf7158809cf4f3c');
  const m = hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710');
  for (const [n, want] of [[0, 'bb1d6929e95937287fa37d129b756746'], [16, '070a16b46b4d4144f79bdd9dd04a287c'], [40, 'dfa66747de9ae63030ca32611497c827'], [64, '51f0bebf7e3b9d92fc49741779363cfe']] as [number, string][]) {
    assert.is(digestOf('cmac', m.subarray(0, n), n >> 1, 16, key), want);
  }
});
crypto('every length to 300, in two parts, as OpenSSL computes it', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + (i >> 3)) & 255), key = bytes.slice(7, 23);
  const aes = (b: Uint8Array): Uint8Array => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(b);
  const double = (b: Uint8Array): Uint8Array => {
    const v = (BigInt('0x' + hexOf(b)) << 1n) & ((1n << 128n) - 1n);
    return hex((b[0] >> 7 ? v ^ 0x87n : v).toString(16).padStart(32, '0'));
  };
  const k1 = double(aes(new Uint8Array(16))), k2 = double(k1);
  for (let n = 0; n <= 300; n++) {
    const m = bytes.subarray(0, n), at = (n * 5) % (n + 1);
    assert.is(digestOf('md5', m, at, 16), createHash('md5').update(m).digest('hex'), `md5 ${n}`);
    assert.is(digestOf('sha1', m, at, 20), createHash('sha1').update(m).digest('hex'), `sha1 ${n}`);
    assert.is(digestOf('hmac_sha1', bytes, at, 20, m), createHmac('sha1', m).update(bytes).digest('hex'), `key of ${n}`);
    const blocks = Math.max(1, Math.ceil(n / 16)), padded = new Uint8Array(blocks * 16), whole = n === blocks * 16;
    padded.set(m);
    if (!whole) padded[n] = 0x80;
    padded.subarray(-16).forEach((b, i, last) => { last[i] = b ^ (whole ? k1 : k2)[i]; });
    let state: Uint8Array = new Uint8Array(16);
    for (let i = 0; i < blocks; i++) state = aes(padded.subarray(16 * i, 16 * i + 16).map((b, j) => b ^ state[j]));
    assert.is(digestOf('cmac', m, at, 16, key), hexOf(state), `cmac ${n}`);
  }
});
crypto('comparison of MACs: one bit anywhere', () => {
  for (let bit = 0; bit < 160; bit++) {
    u8.set(u8.subarray(P, P + 20), OUT);
    assert.is(x.mac_equal(P, OUT, 20), 1);
    u8[OUT + (bit >> 3)] ^= 1 << (bit & 7);
    assert.is(x.mac_equal(P, OUT, 20), 0);
  }
});
crypto.run();

const addr = suite('lib/addr, lib/seq');
addr('prefix comparison at every length', () => {
  const a = hex('20010db8000100020003000400050006');
  u8.set(a, P);
  for (let bit = 0; bit < 128; bit++) {
    const b = a.slice();
    b[bit >> 3] ^= 0x80 >> (bit & 7);
    u8.set(b, P + 16);
    assert.is(x.common_prefix(P, P + 16), bit);
    for (const plen of [0, 1, bit, bit + 1, 64, 65, 127, 128]) assert.is(x.prefix_equal(P, P + 16, plen), plen <= bit ? 1 : 0, `bit ${bit} /${plen}`);
  }
  assert.is(x.common_prefix(P, P), 128);
});
addr('mask clears exactly the host part', () => {
  for (let plen = 0; plen <= 128; plen++) {
    u8.fill(0xff, P, P + 16);
    x.mask(P, plen);
    const bits = [...u8.subarray(P, P + 16)].map((b) => b.toString(2).padStart(8, '0')).join('');
    assert.is(bits, '1'.repeat(plen).padEnd(128, '0'));
  }
});
addr('sequence numbers wrap', () => {
  assert.is(x.seq_lt(0xfffffff0, 0x10), 1);
  assert.is(x.seq_lt(0x10, 0xfffffff0), 0);
  assert.is(x.seq_in(5, 0xfffffffe, 10), 1);
  assert.is(x.seq_in(10, 0xfffffffe, 10), 0);
});
addr.run();

const timers = suite('core/timer');
const setNow = (ns: number) => {
  view.setUint32(A.HDR + A.HDR_NOW, ns >>> 0, true);
  view.setUint32(A.HDR + A.HDR_NOW + 4, Math.floor(ns / 2 ** 32), true);
};
const arm = (id: number, ns: number) => x.timer_arm(id, ns >>> 0, Math.floor(ns / 2 ** 32));
const deadline = () => {
  x.timers_deadline(P);
  return Number(view.getBigUint64(P, true));
};
const TICK = 65536;
timers('random timers fire in order, none early, none more than a tick late, and the deadline is never past one', () => {
  const r = lcg(11);
  for (let round = 0; round < 40; round++) {
    let now = 1e9 + r() * 1000;
    setNow(now);
    x.timers_init();
    const due = new Map<number, number>();
    let seen = 0;
    for (let step = 0; step < 200; step++) {
      const id = r() % 63;
      if (r() % 5 === 0) {
        x.timer_cancel(id);
        due.delete(id);
      } else {
        const span = [1e5, 1e7, 1e9, 1e11, 1e14][r() % 5];
        const at = Math.floor(now + (r() / 2 ** 24) * span);
        arm(id, at);
        due.set(id, at);
      }
      assert.is(x.timers_count(), due.size);
      const soonest = Math.min(...due.values());
      if (due.size) assert.ok(deadline() <= soonest + TICK, `deadline ${deadline()} soonest ${soonest}`);
      // Sleep to the deadline, or somewhere beyond it.
      if (due.size && r() % 2) now = Math.max(now, deadline());
      else now += r() * [1, 1e3, 1e5][r() % 3];
      setNow(now);
      const n = x.timers_run();
      for (; seen < n; seen++) {
        const f = x.timer_fired(seen & 4095);
        assert.ok(due.has(f), `timer ${f} fired but was not armed`);
        assert.ok(due.get(f)! <= now, `timer ${f} fired ${due.get(f)! - now} ns early`);
        due.delete(f);
      }
      for (const [f, at] of due) assert.ok(at > now - TICK, `timer ${f} is ${now - at} ns late`);
    }
  }
});
timers('a timer that re-arms itself for now yields to the caller', () => {
  setNow(1e9);
  x.timers_init();
  arm(63, 1e9);
  setNow(1e9 + 10 * TICK);
  assert.ok(x.timers_run() <= 11);
  assert.is(x.timers_count(), 1);
});
timers('an idle wheel has no deadline', () => {
  x.timers_init();
  x.timers_deadline(P);
  assert.is(view.getBigUint64(P, true), 0xffffffffffffffffn);
});
timers.run();

const pool = suite('lib/pool');
pool('refuses when empty, counts, and reuses', () => {
  const l = load('lib.test.wasm');
  l.x.pool_init(40, 3);
  const a = l.x.pool_alloc(), b = l.x.pool_alloc(), c = l.x.pool_alloc();
  assert.is(l.x.pool_alloc(), 0);
  assert.is(l.x.pool_failed(), 1);
  assert.is(new Set([a, b, c]).size, 3);
  l.u8.fill(9, b, b + 40);
  l.x.pool_release(b);
  assert.is(l.x.pool_live(1), 0);
  assert.is(l.x.pool_alloc(), b);
  assert.is(hexOf(l.u8.subarray(b, b + 40)), '00'.repeat(40));
});
pool('the sanitizer build catches double free, use after free and writes past a slot', () => {
  const fresh = () => {
    const l = load('lib.sanitizer.wasm');
    l.x.pool_init(40, 3);
    return l;
  };
  let l = fresh();
  let p = l.x.pool_alloc();
  l.x.pool_release(p);
  assert.throws(() => l.x.pool_release(p), /double free/);
  l = fresh();
  p = l.x.pool_alloc();
  l.x.pool_release(p);
  l.u8[p + 20] = 1;
  assert.throws(() => l.x.pool_alloc(), /use after free/);
  l = fresh();
  p = l.x.pool_alloc();
  l.u8[p + 40] = 1;
  assert.throws(() => l.x.pool_release(p), /write past a slot/);
  l = fresh();
  p = l.x.pool_alloc();
  assert.throws(() => l.x.pool_release(p + 8), /foreign pointer/);
});
pool.run();
