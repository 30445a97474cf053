// A copy of the memory, in a fresh instance, goes on as the original does.
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import type { Core } from '../../host/core.js';
import { Rings } from '../../host/debug/rings.js';
import { restore, snapshot } from '../../host/debug/snapshot.js';
import { suite } from '../harness/suite.js';
import { exchange, replayCore } from './exchange.js';

const test = suite('snapshot');

const SPAN = 8e9;

/** Let a core run alone for a while, its timers firing and its frames taken; what it sent. */
function goOn({ mem, exports }: Core, start: number): string[] {
  const rings = new Rings(mem), sent: string[] = [];
  for (let now = start; now < start + SPAN; now = Math.max(now + 1e6, mem.getNs(A.HDR + A.HDR_DEADLINE))) {
    mem.putNs(A.HDR + A.HDR_NOW, now);
    exports.poll(0);
    rings.produced((slot, first, count) => {
      sent.push(`${now} ${slot} ${count} ${rings.sum(slot, first, count)}`);
      mem.u32[(A.VIF + slot * A.VIF_STRIDE + A.VIF_TX_TAIL) >>> 2] = first + count;
    });
  }
  return sent;
}

test('taken in the middle of a connection, it goes on as the original does', async () => {
  const { host, recorder } = await exchange(100);
  recorder.close();
  const original = host.core.core, { now } = host.core, image = snapshot(original);
  const copies = [await restore(replayCore.module, image), await restore(replayCore.module, image)];
  const sent = goOn(original, now);
  assert.ok(sent.length > 3, `retransmissions leave: ${sent.join()}`);
  for (const copy of copies) {
    assert.equal(goOn(copy, now), sent);
    assert.is(Buffer.compare(copy.mem.u8, original.mem.u8), 0);
  }
  host.core.now = now + SPAN;
});

test.run();
