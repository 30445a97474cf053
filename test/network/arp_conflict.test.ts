import * as assert from 'uvu/assert';
import { emptyConfig } from '../../host/config/config.js';
import { applyConfig } from '../../host/control/apply.js';
import { TestCore } from '../harness/core.js';
import { OUR_MAC, PEER_MAC, US } from '../harness/host.js';
import { arp, ethernet, hex, icmp, ipv4, u16, u32, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('address conflict detection (RFC 5227)');
const ALL = 'ff:ff:ff:ff:ff:ff', NONE = '00:00:00:00:00:00';

async function probing(): Promise<TestCore> {
  const core = await TestCore.create();
  core.addDevice(0, 'eth0', OUR_MAC);
  core.stamp();
  applyConfig(core.core, { ...emptyConfig(), interfaces: [{ name: 'eth0', type: 'TAP', dev: 'x', slaac: false, dad: true, offload: false, addresses: [{ address: US, prefix: 24 }] }] });
  return core;
}
const arps = (core: TestCore): Bytes[] => core.tx().map((f) => f.bytes).filter((b) => u16(b, 12) === 0x0806).map((b) => b.subarray(14));
const echo = (core: TestCore): void => core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: '10.0.0.2', dst: US, proto: 1 }, icmp(8, 0, 1, [1])))]);

test('three probes with an empty sender, then two announcements; unusable until then', async () => {
  const core = await probing();
  core.advance(3e9);
  echo(core);
  assert.is(core.mib('IcmpInEchos'), 0);
  core.advance(20e9);
  const sent = arps(core).filter((a) => u32(a, 24) === 0x0a000001);
  assert.equal(sent.map((a) => hex(a.subarray(14, 18))), ['00000000', '00000000', '00000000', '0a000001', '0a000001']);
  echo(core);
  assert.is(core.mib('IcmpInEchos'), 1);
});

for (const [what, packet] of [
  ['a reply from the owner', arp(2, PEER_MAC, US, OUR_MAC, '0.0.0.0')],
  ['a probe of somebody else', arp(1, PEER_MAC, '0.0.0.0', NONE, US)],
] as const) {
  test(`${what} while probing: the address is given up`, async () => {
    const core = await probing();
    core.advance(500e6);
    core.rx(0, [ethernet(ALL, PEER_MAC, 0x0806, packet)]);
    core.advance(20e9);
    assert.is(arps(core).filter((a) => hex(a.subarray(14, 18)) === '0a000001').length, 0, 'never announced');
    echo(core);
    assert.is(core.mib('IcmpInEchos'), 0);
  });
}

test('later conflicts are answered once in ten seconds, without giving up', async () => {
  const core = await probing();
  core.advance(30e9);
  core.tx();
  for (let i = 0; i < 5; i++) {
    core.rx(0, [ethernet(ALL, PEER_MAC, 0x0806, arp(1, PEER_MAC, US, NONE, US))]);
    core.advance(1e9);
  }
  assert.is(arps(core).length, 1);
  echo(core);
  assert.is(core.mib('IcmpInEchos'), 1);
});

test.run();
