// What the core does without any system call: parse and forward, checksum, two cores back to back.
import * as A from '../host/abi/constants.js';
import { type TxFrame } from '../test/harness/core.js';
import { TestHost, OUR_MAC, PEER, PEER_MAC, AF_INET, SOCK_STREAM } from '../test/harness/host.js';
import { ethernet, ipv4, udp } from '../test/harness/packet.js';

const seconds = (start: bigint): number => Number(process.hrtime.bigint() - start) / 1e9;

/** Frames of 64 bytes of payload per second through receive, IPv4 and forward, in polls of 64. */
export async function forward(): Promise<number> {
  const h = await TestHost.create({ config: {
    sysctl: { 'net.ipv4.ip_forward': '1' }, routes: [{ network: '10.5.0.0', prefix: 16, via: PEER }],
    neighbours: [{ dev: 'eth0', address: PEER, mac: PEER_MAC }],
  } });
  const frame = ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: '10.0.0.77', dst: '10.5.1.1', proto: 17 }, udp('10.0.0.77', 1, '10.5.1.1', 2, new Uint8Array(64))));
  const { mem, x } = h.core;
  const burst = A.RX_RING, ring = A.VIF;
  let n = 0, start = 0n;
  for (let round = 0; round < 8000; round++) {
    if (round === 1000) {
      start = process.hrtime.bigint();
      n = 0;
    }
    for (let i = 0; i < burst; i++) {
      const d = A.RX_DESC + i * A.RX_DESC_SIZE;
      mem.u8.set(frame, mem.u32[(d + A.RXD_BUF) >>> 2]);
      mem.u32[(d + A.RXD_LEN) >>> 2] = frame.length;
      mem.u32[(d + A.RXD_VIF) >>> 2] = 0;
    }
    x.poll(burst);
    const head = mem.u32[(ring + A.VIF_TX_HEAD) >>> 2];
    n += (head - mem.u32[(ring + A.VIF_TX_TAIL) >>> 2]) >>> 0;
    mem.u32[(ring + A.VIF_TX_TAIL) >>> 2] = head;
  }
  return n / seconds(start);
}

function carry(from: TestHost, to: TestHost): number {
  const frames: TxFrame[] = from.core.tx();
  for (const f of frames)
    to.core.rx(0, [f.bytes], { flags: f.flags & A.Vnet.F_NEEDS_CSUM, gsoType: f.gsoType, gsoSize: f.gsoSize, csumStart: f.csumStart, csumOffset: f.csumOffset });
  return frames.length;
}

/** bit/s of one TCP connection between two cores in this process, the frames copied by JavaScript; `offload`: with super-segments. */
export async function backToBack(offload: boolean): Promise<number> {
  const features = offload ? A.VifFeature.CSUM | A.VifFeature.TSO4 | A.VifFeature.TSO6 : 0;
  const make = (address: string, seed: number): Promise<TestHost> => TestHost.create({ features, seed, memoryBytes: 128 << 20, addresses: [{ address, prefix: 24 }], config: { neighbours: [] } });
  const a = await make('10.0.0.1', 1), b = await make('10.0.0.2', 2);
  // Both have the same MAC in the harness: the permanent entries name it.
  const { applyConfig } = await import('../host/control/apply.js');
  const { emptyConfig } = await import('../host/config/config.js');
  for (const [h, address] of [[a, '10.0.0.2'], [b, '10.0.0.1']] as const) applyConfig(h.core.core, { ...emptyConfig(), neighbours: [{ dev: 'eth0', address, mac: OUR_MAC }] });
  const server = b.socket(AF_INET, SOCK_STREAM), client = a.socket(AF_INET, SOCK_STREAM);
  b.bind(server, '10.0.0.2', 5001);
  b.core.x.sys_listen(server, 1);
  a.connect(client, '10.0.0.2', 5001);
  const turn = (): void => {
    for (let i = 0; i < 100 && carry(a, b) + carry(b, a); i++);
    for (const h of [a, b]) {
      h.core.now += 20000;
      h.core.poll();
    }
  };
  for (let i = 0; i < 50; i++) turn();
  const accepted = b.core.x.sys_accept(server);
  if (accepted < 0) throw new Error(`accept: ${accepted}`);
  let moved = 0;
  const total = 256 << 20;
  const start = process.hrtime.bigint();
  while (moved < total) {
    a.core.stamp();
    for (;;) {
      const pairs = a.core.x.sys_tx_reserve(client, 1 << 20);
      if (pairs <= 0) break;
      let room = 0;
      for (let i = 0; i < pairs; i++) room += a.core.mem.u32[(A.IOV + 8 * i + 4) >>> 2];
      a.core.x.sys_tx_commit(client, room, 0);
    }
    turn();
    b.core.stamp();
    for (;;) {
      const pairs = b.core.x.sys_rx_peek(accepted, 1 << 20);
      if (pairs <= 0) break;
      let n = 0;
      for (let i = 0; i < pairs; i++) n += b.core.mem.u32[(A.IOV + 8 * i + 4) >>> 2];
      b.core.x.sys_rx_consume(accepted, n);
      moved += n;
    }
  }
  return moved * 8 / seconds(start);
}

/** Bytes/s of the SIMD checksum over 64 KiB (through UDP's input of a maximal datagram: an upper layer's view). */
export async function checksumRate(): Promise<number> {
  const module = new WebAssembly.Module((await import('node:fs')).readFileSync(new URL('../../lib.test.wasm', import.meta.url)));
  const memory = new WebAssembly.Memory({ initial: 160, maximum: 160 });
  const instance = new WebAssembly.Instance(module, { env: { memory }, host: { panic: () => { throw new Error('panic'); }, log: () => undefined } });
  const csum = (instance.exports as Record<string, (p: number, n: number) => number>).checksum;
  const p = 8 << 20, n = 65536;
  for (let i = 0; i < 2000; i++) csum(p, n);
  const start = process.hrtime.bigint();
  for (let i = 0; i < 20000; i++) csum(p, n);
  return 20000 * n / seconds(start);
}
