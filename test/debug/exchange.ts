// Two recorded cores that talk to each other: TCP both ways with loss, UDP, options, ioctls, netlink; time passes.
import * as A from '../../host/abi/constants.js';
import type { Core, CoreOptions } from '../../host/core.js';
import { MemoryRecord } from '../../host/debug/memory_record.js';
import { Recorder, type RecordSink } from '../../host/debug/record.js';
import { CORE_BYTES, MS, module } from '../harness/core.js';
import { AF_INET, OUR_MAC, PEER_MAC, SOCK_DGRAM, SOCK_STREAM, TestHost } from '../harness/host.js';

const digest = async (bytes: Uint8Array): Promise<Uint8Array> => new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)));
const hash = await digest(CORE_BYTES);

/** The core under test, for replays. */
export const replayCore = { module, hash };

/** Replays are made by the hundred. */
const SMALL = { memoryBytes: 16 << 20, maxSockets: 64 };

export interface Recorded {
  host: TestHost;
  record: MemoryRecord;
  recorder: Recorder;
}

/** A test host whose core is recorded: in memory, or where `sinkOf` says. */
export async function recorded(options: Parameters<typeof TestHost.create>[0] = {}, segmentBytes?: number, sinkOf?: (core: Core) => RecordSink): Promise<Recorded> {
  const record = new MemoryRecord();
  let recorder: Recorder | undefined;
  const layer = (core: Core, own: CoreOptions): Core => {
    recorder = new Recorder(core, sinkOf?.(core) ?? record, { core: own, identity: { hash, build: 'other' }, date: 0, id: 7, text: 'test', segmentBytes });
    return recorder.core;
  };
  const host = await TestHost.create({ ...SMALL, ...options, layer });
  return { host, record, recorder: recorder as Recorder };
}

const US = '10.0.0.1', THEM = '10.0.0.3';

/** Write n bytes into a stream's reserved room; how many fitted. */
function write(h: TestHost, s: number, want: number, value: number): number {
  h.core.stamp();
  const pairs = h.core.x.sys_tx_reserve(s, want);
  let n = 0;
  for (let i = 0; i < pairs; i++) {
    const p = h.core.mem.u32[(A.IOV + 8 * i) >>> 2], length = h.core.mem.u32[(A.IOV + 8 * i + 4) >>> 2];
    for (let k = 0; k < length; k++) h.core.mem.u8[p + k] = value + k;
    n += length;
  }
  return n ? h.core.x.sys_tx_commit(s, n, 0) : 0;
}
function drain(h: TestHost, s: number): number {
  h.core.stamp();
  const pairs = h.core.x.sys_rx_peek(s, 1 << 20);
  let n = 0;
  for (let i = 0; i < pairs; i++) n += h.core.mem.u32[(A.IOV + 8 * i + 4) >>> 2];
  if (n) h.core.x.sys_rx_consume(s, n);
  return n;
}

/** Run the exchange; the recorded side. `turns`: how long. */
export async function exchange(turns = 300, segmentBytes?: number, sinkOf?: (core: Core) => RecordSink): Promise<Recorded> {
  const a = await recorded({ seed: 1, addresses: [{ address: US, prefix: 24 }], config: { neighbours: [{ dev: 'eth0', address: THEM, mac: PEER_MAC }] } }, segmentBytes, sinkOf);
  const b = await TestHost.create({ seed: 2, addresses: [{ address: THEM, prefix: 24 }], config: { neighbours: [{ dev: 'eth0', address: US, mac: OUR_MAC }] } });
  const us = a.host, them = b;
  // The harness gives both the same address: frames are readdressed on their way.
  let frames = 0;
  const carry = (from: TestHost, to: TestHost): void => {
    for (const f of from.core.tx()) {
      if (++frames % 61 === 0) continue;
      f.bytes.set(OUR_MAC.split(':').map((x) => parseInt(x, 16)), 0);
      to.core.rx(0, [f.bytes]);
    }
  };
  const server = them.socket(AF_INET, SOCK_STREAM), client = us.socket(AF_INET, SOCK_STREAM), datagrams = us.socket(AF_INET, SOCK_DGRAM);
  them.bind(server, THEM, 5001);
  them.core.x.sys_listen(server, 1);
  us.setInt(client, 6, 1, 1);
  us.connect(client, THEM, 5001);
  us.bind(datagrams, US, 6000);
  const echo = them.socket(AF_INET, SOCK_DGRAM);
  them.bind(echo, THEM, 6001);
  let accepted = -1;
  for (let i = 0; i < turns; i++) {
    carry(us, them);
    carry(them, us);
    if (accepted < 0) accepted = them.core.x.sys_accept(server);
    else {
      write(us, client, 5000 + i, i);
      write(them, accepted, 3000, i);
      drain(them, accepted);
      drain(us, client);
    }
    if (i % 3 === 0) us.send(datagrams, new Uint8Array(i + 1).fill(i), { address: THEM, port: 6001 });
    if (typeof them.recv(echo) === 'object') them.send(echo, [i & 255, 2, 3], { address: US, port: 6000 });
    us.recv(datagrams);
    us.getInt(client, 6, 2);
    us.sockname(client, true);
    us.core.x.events(64);
    for (const h of [us, them]) h.core.advance(7 * MS);
  }
  us.close(client);
  us.core.advance(500 * MS);
  return a;
}
