// A core whose chunk memory is nearly all taken: what a program wrote before it closed arrives, unless the peer takes nothing of it.
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { TestHost } from '../harness/host.js';
import { TcpPeer } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp memory');
const SO_SNDBUFFORCE = 32, MSS = 1460, PIECE = 16_384, EAGAIN = 11;

/** A connection whose program has written as much as there is room for, `most` bytes at most; how much that is. */
async function filled(most = Infinity): Promise<{ p: TcpPeer; written: number }> {
  const h = await TestHost.create({ memoryBytes: 18 << 20 }), p = new TcpPeer(h);
  p.accepted({ opts: { mss: MSS, sackOk: true, wscale: 7 }, prepare: (l) => assert.is(h.setInt(l, 1, SO_SNDBUFFORCE, 32 << 20), 0) });
  let written = 0;
  for (let n = PIECE; n > 0 && written < most; written += Math.max(n, 0)) n = h.send(p.socket, new Uint8Array(PIECE));
  assert.is(h.core.mib('TcpExtTCPMemoryPressures') > 0, most === Infinity);
  return { p, written };
}
async function closed(most?: number): Promise<{ p: TcpPeer; written: number }> {
  const f = await filled(most);
  f.p.close();
  return f;
}
/** The sockets that have raised this readiness since it was last asked. */
function raised(p: TcpPeer, mask: number): number[] {
  const { core } = p.h, n = core.x.events(A.EVENTS_MAX);
  return Array.from({ length: n }, (_, i) => i).filter((i) => core.mem.u32[(A.EVENTS >>> 2) + 2 * i + 1] & mask).map((i) => core.mem.u32[(A.EVENTS >>> 2) + 2 * i]);
}
/** Acknowledge what comes, with this window, for so many ms: the bytes, and the flags of the last segment. */
function take(p: TcpPeer, win: number, ms: number): { bytes: number; last: string } {
  let bytes = 0, last = '';
  for (let at = 0; at < ms; at += 5) {
    for (const s of p.all()) {
      bytes = Math.max(bytes, s.seq - p.iss - 1 + s.data.length);
      last = s.flags;
    }
    if (/[FR]/.test(last)) break;
    p.tx('.', 1, 1 + bytes, [], { win });
    p.advance(5);
  }
  return { bytes, last };
}

test('all of it arrives at a peer that reads', async () => {
  const { p, written } = await closed();
  assert.ok(written > 3e6, `${written} bytes`);
  const { bytes, last } = take(p, 512, 20_000);
  assert.match(last, /F/);
  assert.is(bytes, written);
  assert.is(p.h.core.mib('TcpExtTCPAbortOnMemory'), 0);
});

test('a peer that takes nothing is given up after its second window probe', async () => {
  const { p } = await closed();
  const { last } = take(p, 0, 5000);
  assert.match(last, /R/);
  assert.is(p.h.core.mib('TcpExtTCPAbortOnMemory'), 1);
});

test('and kept while there is memory', async () => {
  const { p } = await closed(200_000);
  const { last } = take(p, 0, 5000);
  assert.not.match(last, /R/);
});

test('a connection that got no memory at all looks for it again', async () => {
  const { p } = await filled(), first = { socket: p.socket, port: p.peerPort };
  const others: number[] = [];
  for (let n = 0; n !== -EAGAIN; n = p.h.send(p.socket, new Uint8Array(1))) {
    p.all();
    p.peerPort++;
    others.push(p.open());
    assert.ok(others.length < 1000);
  }
  raised(p, A.Poll.OUT);
  p.advance(100);
  assert.ok(raised(p, A.Poll.OUT).includes(p.socket), 'it is told to look again');
  assert.is(p.h.send(p.socket, new Uint8Array(1)), -EAGAIN);
  p.all();
  p.h.close(first.socket);
  p.peerPort = first.port;
  p.tx('R', 1, 0);
  p.advance(100);
  assert.ok(raised(p, A.Poll.OUT).includes(p.socket));
  assert.is(p.h.send(p.socket, new Uint8Array(1)), 1);
  for (const s of others) p.h.close(s);
  for (let left = 50; p.all().length && left; left--) p.advance(1); // what the device had no room for
});

test.run();
