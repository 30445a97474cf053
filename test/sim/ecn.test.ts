// A channel that marks: which frames say congestion experienced, and that nothing else of them changes.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Channel } from '../../host/sim/channel.js';
import { congestionExperienced } from '../../host/sim/ecn.js';
import { Flight } from '../../host/sim/flight.js';
import { Packet } from '../../host/sim/packet.js';
import { DropTail } from '../../host/sim/queue.js';
import { RandomStream } from '../../host/sim/random.js';
import { Simulation } from '../../host/sim/simulation.js';
import { ethernet, ipv4, ipv6, readIpv4, type Bytes } from '../harness/packet.js';

const test = suite('sim: ecn');
const A = '02:00:00:00:00:01', B = '02:00:00:00:00:02';
const v4 = (tos: number, id = 1): Bytes => ethernet(B, A, 0x0800, ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 17, tos, id }, new Uint8Array(60)));

test('IPv4: ECT(0) and ECT(1) become CE, with a right checksum; the original stays', () => {
  for (let id = 0; id < 65536; id += 257) {
    for (const ect of [1, 2]) {
      const frame = v4(0xb8 | ect, id), p = Packet.copy(frame), marked = congestionExperienced(p);
      assert.equal(p.frame, frame);
      const { tos, ...rest } = readIpv4(marked.frame), { tos: before, ...original } = readIpv4(frame); // reading checks the sum
      assert.is(tos, 0xbb);
      assert.is(before, 0xb8 | ect);
      assert.equal(rest, original);
    }
  }
});

test('what is not ECN-capable or marked already, ARP and scraps pass as they are', () => {
  for (const frame of [v4(0), v4(3), v4(2).subarray(0, 33), ethernet(B, A, 0x0806, new Uint8Array(28).fill(2))]) {
    const p = Packet.copy(frame);
    assert.is(congestionExperienced(p), p);
  }
});

test('IPv6: the last two bits of the traffic class', () => {
  const frame = ethernet(B, A, 0x86dd, ipv6({ src: 'fd00::1', dst: 'fd00::2', next: 17 }, new Uint8Array(20)));
  assert.is(congestionExperienced(Packet.copy(frame)).frame[15], frame[15]);
  frame[15] |= 2 << 4;
  const marked = congestionExperienced(Packet.copy(frame)).frame;
  assert.is(marked[15], frame[15] | 3 << 4);
  assert.equal([...marked].filter((b, i) => b !== frame[i]).length, 1);
});

test('a frame is marked when it leaves `mark` or more behind', () => {
  const sim = new Simulation(1), origin = { id: sim.register(), name: 'test' }, out: number[] = [];
  const c = new Channel(sim, origin, { rate: 8e6, delay: 0 }, new DropTail(100), new RandomStream(1, 'test'), new Flight(sim, ({ frame }) => out.push(frame[15] & 3)));
  c.mark = 3;
  sim.at(origin, 0, () => { for (let i = 0; i < 6; i++) c.send(Packet.copy(v4(2))); });
  sim.run(1e12);
  assert.equal(out, [3, 3, 3, 2, 2, 2]);
});

test.run();
