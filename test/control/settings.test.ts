// Settings read out of one core and put into another: what was made by hand is there, what was learned is not.
import * as assert from 'uvu/assert';
import { DeviceConf, Sysctl } from '../../host/abi/constants.js';
import { NLM_F_CREATE, NetlinkClient, RequestBuilder } from '../../host/control/netlink.js';
import { restoreSettings, saveSettings } from '../../host/control/settings.js';
import { TestHost, US } from '../harness/host.js';
import { suite } from '../harness/suite.js';

const test = suite('control: settings');
const RTM_NEWLINK = 16, RTM_DELADDR = 21, RTM_NEWROUTE = 24, IFLA_MTU = 4;

/** What `ip` and `sysctl` would do at run time. */
function change(h: TestHost): void {
  h.core.stamp();
  const netlink = new NetlinkClient(h.core.core);
  const route = new RequestBuilder().header([2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]).attr(1, [203, 0, 113, 0]).attr(5, [10, 0, 0, 2]);
  netlink.request(RTM_NEWROUTE, NLM_F_CREATE, route.bytes, 'route');
  netlink.request(RTM_DELADDR, 0, new RequestBuilder().header([2, 24, 0, 0, h.ifindex, 0, 0, 0]).attr(2, [10, 0, 0, 9]).bytes, 'address');
  netlink.request(RTM_NEWLINK, 0, new RequestBuilder().header([0, 0, 0, 0, h.ifindex, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).u32(IFLA_MTU, 1400).bytes, 'mtu');
  netlink.close();
  h.core.x.ctl_sysctl_set(Sysctl.IP_DEFAULT_TTL, 33);
  h.core.x.ctl_device_conf_set(h.ifindex, DeviceConf.HOP_LIMIT, 17);
}

test('a fresh core gets what had been set, twice over if need be', async () => {
  const a = await TestHost.create({ addresses: [{ address: US, prefix: 24 }, { address: '10.0.0.9', prefix: 24 }, { address: 'fd00::1', prefix: 64 }] });
  change(a);
  const saved = saveSettings(a.core.core);
  assert.is(saved.addresses.length, 5, 'two of loopback, and three of eth0 (one removed, one link-local)');
  const b = await TestHost.create({ addresses: [], resolve: true });
  b.core.stamp();
  assert.equal(restoreSettings(b.core.core, saved), []);
  const again = saveSettings(b.core.core);
  const plain = (s: typeof saved): unknown => ({
    ...s, addresses: s.addresses.map((x) => [...x.subarray(0, 2), ...x.subarray(4, 20)].join()).sort(),
    routes: s.routes.map((x) => x.join()).sort(), neighbours: s.neighbours.map((x) => x.subarray(0, 24).join()).sort(),
  });
  assert.equal(plain(again), plain(saved));
  assert.ok(again.routes.length === 1 && again.neighbours.length === 2 && again.links.find((l) => l.ifindex === b.ifindex)!.mtu === 1400);
  assert.equal(restoreSettings(b.core.core, saved), []);
  assert.equal(plain(saveSettings(b.core.core)), plain(saved));
});

test('what cannot be restored is told', async () => {
  const a = await TestHost.create(), saved = saveSettings(a.core.core);
  saved.routes.push(new RequestBuilder().header([2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]).attr(1, [203, 0, 113, 0]).attr(5, [172, 16, 0, 1]).bytes);
  const b = await TestHost.create({ addresses: [] });
  assert.equal(restoreSettings(b.core.core, saved), ['route: ENETUNREACH']);
});

test.run();
