// Netlink requests at their edges: what is refused leaves everything as it was, and nothing is read beyond an attribute.
import * as assert from 'uvu/assert';
import { NLM_F_CREATE, NLM_F_REPLACE, NetlinkClient, RequestBuilder, attributes } from '../../host/control/netlink.js';
import { saveSettings } from '../../host/control/settings.js';
import { TestHost } from '../harness/host.js';
import { suite } from '../harness/suite.js';

const test = suite('control: requests');
const RTM_NEWLINK = 16, RTM_NEWROUTE = 24, NLM_F_APPEND = 0x800, IFLA_IFNAME = 3, IFLA_MTU = 4;

test('a route is not replaced by one that stands beside it: EEXIST, and both stay', async () => {
  const h = await TestHost.create(), netlink = new NetlinkClient(h.core.core);
  const via = (last: number, flags: number): void => {
    h.core.stamp();
    netlink.request(RTM_NEWROUTE, NLM_F_CREATE | flags, new RequestBuilder().header([2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]).attr(1, [203, 0, 113, 0]).attr(5, [10, 0, 0, last]).bytes, 'route');
  };
  const gateways = (): number[] => saveSettings(h.core.core).routes.map((r) => attributes(r, 12).get(5)![3]).sort();
  via(2, 0);
  via(3, NLM_F_APPEND);
  const both = gateways();
  assert.is(both.length, 2);
  assert.throws(() => via(both[0] === 2 ? 3 : 2, NLM_F_REPLACE), /EEXIST/);
  assert.throws(() => via(both[0] === 2 ? 3 : 2, NLM_F_APPEND), /EEXIST/);
  assert.equal(gateways(), both);
  via(4, NLM_F_REPLACE);
  assert.is(gateways().length, 2, 'one of them replaced');
  netlink.close();
});

test('a device is found by a name without a NUL behind it, whatever follows the attribute', async () => {
  const h = await TestHost.create(), netlink = new NetlinkClient(h.core.core);
  const request = (name: string): Uint8Array => new RequestBuilder().header(new Array(16).fill(0)).attr(IFLA_IFNAME, [...Buffer.from(name)]).u32(IFLA_MTU, 1300).bytes;
  h.core.stamp();
  netlink.request(RTM_NEWLINK, 0, request('eth0'), 'link');
  assert.is(saveSettings(h.core.core).links.find((l) => l.ifindex === h.ifindex)!.mtu, 1300);
  assert.throws(() => netlink.request(RTM_NEWLINK, 0, request('eth'), 'link'), /ENODEV/);
  netlink.close();
});

test.run();
