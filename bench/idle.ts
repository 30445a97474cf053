// What an idle TCP connection costs: memory of this process that one core with many of them has touched.
import { readFileSync } from 'node:fs';
import * as A from '../host/abi/constants.js';
import { CORE_WASM } from '../host/cli/install.js';
import { emptyConfig } from '../host/config/config.js';
import { applyConfig } from '../host/control/apply.js';
import { createCore, type Core } from '../host/core.js';

const AF_INET = 2, SOCK_STREAM = 1, LOOPBACK = [127, 0, 0, 1];
/** Connections to one port: fewer than there are ephemeral ports. */
const EACH = 20_000, FIRST_PORT = 5001;
/** Bytes of linear memory for each socket, more than it needs, and for all else. */
const ROOM = 4096, BASE = 64 << 20;

/** A sockaddr_in at ARG; its length. */
function address({ mem }: Core, port: number): number {
  mem.u8.fill(0, A.ARG, A.ARG + 16);
  mem.u8.set([AF_INET, 0, port >>> 8, port & 255, ...LOOPBACK], A.ARG);
  return 16;
}
function checked(what: string, r: number): number {
  if (r < 0) throw new Error(`${what}: ${A.ErrnoName[-r] ?? -r}`);
  return r;
}

export interface IdleMemory {
  /** Ends of connections in the core: both of each, over its loopback interface. */
  sockets: number;
  /** Resident bytes for each, all of the core's tables included. */
  each: number;
  /** Bytes of linear memory that the core was given. */
  linear: number;
}

/** A core with `connections` that have carried nothing; `linear` bytes of memory, with room for so many sockets: by default what they need. */
export async function idleMemory(connections: number, linear = BASE + 2 * connections * ROOM, room = 2 * connections + 32): Promise<IdleMemory> {
  const module = new WebAssembly.Module(readFileSync(CORE_WASM)), sockets = 2 * connections;
  const before = process.memoryUsage().rss;
  const core = await createCore(module, { seed: new Uint8Array(32).fill(1), now: 1e9, memoryBytes: linear, maxSockets: room }), x = core.exports;
  applyConfig(core, emptyConfig());
  let now = 1e9;
  const poll = (): void => {
    core.mem.putNs(A.HDR + A.HDR_NOW, now += 1000);
    x.poll(0);
  };
  for (let port = FIRST_PORT, left = connections; left > 0; port++, left -= EACH) {
    const listener = checked('socket', x.sys_socket(AF_INET, SOCK_STREAM, 0));
    checked('bind', x.sys_bind(listener, A.ARG, address(core, port)));
    checked('listen', x.sys_listen(listener, 64));
    for (let i = Math.min(left, EACH); i > 0; i--) {
      const s = checked('socket', x.sys_socket(AF_INET, SOCK_STREAM, 0)), r = x.sys_connect(s, A.ARG, address(core, port));
      if (r !== -A.Errno.EINPROGRESS) checked('connect', r);
      poll();
      checked('accept', x.sys_accept(listener));
    }
  }
  const established = Number(core.mem.u64[(x.mib_counters() >>> 3) + A.Mib.TcpCurrEstab]);
  if (established !== sockets) throw new Error(`${established} of ${sockets} ends are established`);
  return { sockets, each: (process.memoryUsage().rss - before) / sockets, linear };
}
