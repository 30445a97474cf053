// What two stacks leave in the event loop of a page: timers and ports are counted from before the library is loaded.
import type { CableEnd, MemorySpec, Vif } from 'nuse/browser';

export interface Left {
  /** Before closing: the counters see something. */
  timersBefore: number;
  portsBefore: number;
  timers: number;
  ports: number;
  /** Timers that fired and messages that came in the 200 ms after closing. */
  activity: number;
}

const timers = new Set<number>(), ports = new Set<MessagePort>();
let activity = 0;

function count(): void {
  const { setTimeout: set, clearTimeout: clear, MessageChannel: Channel } = globalThis;
  const counted = (fn: () => void, ms?: number): number => {
    const id = set(() => {
      timers.delete(id as never);
      activity++;
      fn();
    }, ms) as never as number;
    timers.add(id);
    return id;
  };
  globalThis.setTimeout = counted as never;
  globalThis.clearTimeout = ((id: number) => {
    timers.delete(id);
    clear(id);
  }) as never;
  globalThis.setInterval = (() => { throw new Error('no interval timers'); }) as never;
  globalThis.MessageChannel = class extends Channel {
    constructor() {
      super();
      for (const port of [this.port1, this.port2]) {
        const close = port.close.bind(port);
        ports.add(port);
        port.addEventListener('message', () => { activity++; });
        port.close = () => {
          // Closing one closes both.
          ports.delete(this.port1);
          ports.delete(this.port2);
          close();
        };
      }
    }
  };
}

export default async function run(cable: 'memory' | 'port'): Promise<Left> {
  const wait = globalThis.setTimeout;
  count();
  const { LocalStack, MemoryVif, directSockets, openPortVif, parseConfig, portCable } = await import('nuse/browser');
  const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm'));
  const [x, y]: MemorySpec[] = [1, 2].map((n) => ({ name: 'eth0', mac: `02:00:00:00:00:0${n}` }));
  const joined = (): Vif[] => {
    const ends: CableEnd[] = portCable();
    return [openPortVif(x, ends[0]), openPortVif(y, ends[1])];
  };
  const vifs = cable === 'memory' ? MemoryVif.pair(x, y) : joined();
  const make = (n: number) => LocalStack.create({ module, config: parseConfig(`interface eth0\n address 192.0.2.${n}/24\n`, 'x'), vifs: { eth0: vifs[n - 1] } });
  const a = await make(1), b = await make(2), A = directSockets(a.sockets), B = directSockets(b.sockets);
  const server = await new B.TCPServerSocket('192.0.2.2', { localPort: 80 }).opened, client = new A.TCPSocket('192.0.2.2', 80);
  const { value: peer } = await server.readable.getReader().read();
  void new A.UDPSocket({ localAddress: '192.0.2.1', localPort: 53 });
  const echoing = peer!.readable.pipeTo(peer!.writable), writer = client.writable.getWriter(), reader = client.readable.getReader();
  const writing = (async () => { for (let i = 0; i < 100; i++) await writer.write(new Uint8Array(50_000)); })();
  for (let n = 0; n < 5_000_000;) n += (await reader.read()).value!.length;
  await writing;
  void new A.TCPSocket('192.0.2.99', 80);
  const before = { timersBefore: timers.size, portsBefore: ports.size };
  a.close();
  b.close();
  // The peer's reset or the stack's end, whichever came first.
  await echoing.then(() => { throw new Error('the echo has not ended'); }, () => undefined);
  await new Promise((resolve) => wait(resolve, 0));
  activity = 0;
  await new Promise((resolve) => wait(resolve, 200));
  return { ...before, timers: timers.size, ports: ports.size, activity };
}
