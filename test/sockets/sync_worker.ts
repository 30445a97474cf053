// Jobs of stack_worker.test.ts that block: they run in a worker thread.
import { parentPort, workerData } from 'node:worker_threads';
import { openChannel, type StackChannel } from '../../host/index.js';
import { SO_RCVBUF, SOL_SOCKET } from '../../host/sockets/linux.js';
import { Channel, HEADER_BYTES, SLOT_BYTES, STACK_PARKED, TO_STACK } from '../../host/sockets/ring/layout.js';
import { loadNative } from '../../host/native.js';

export type Job =
  | { kind: 'client'; host: string; port: number }
  | { kind: 'server'; port: number; connections: number }
  | { kind: 'udp'; host: string; port: number }
  | { kind: 'wait'; host: string; port: number }
  | { kind: 'slots'; rounds: number }
  | { kind: 'hostile'; rounds: number };

const { channel, job } = workerData as { channel: StackChannel; job: Job };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const code = (fn: () => unknown): unknown => {
  try {
    fn();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return 'nothing';
};

function client(host: string, port: number): unknown {
  const net = openChannel(channel);
  const s = net.connect({ host, port, timeout: 5000 });
  s.setOption(SOL_SOCKET, SO_RCVBUF, 100_000);
  const data = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) >> 3);
  // More than both rings and the stack hold would never come back: read while writing.
  let at = 0, same = true, got = 0;
  while (got < data.length) {
    if (at < data.length) {
      s.write(data.subarray(at, at + 50_000), 5000);
      at += 50_000;
    }
    const chunk = s.read(40_000, 5000);
    same &&= chunk.every((b, i) => b === data[got + i]);
    got += chunk.length;
  }
  const timeout = code(() => s.read(10, 50));
  s.shutdown();
  const end = s.read(10, 5000).length;
  const { remote, local } = s;
  s.close();
  return { remote, from: local?.address, echoed: same, timeout, end, refused: code(() => net.connect({ host, port: 9, timeout: 5000 })), closed: code(() => s.write(bytes('x'))) };
}

function server(port: number, connections: number): unknown {
  const net = openChannel(channel), l = net.listen({ port });
  for (let i = 0; i < connections; i++) {
    const s = l.accept(10_000);
    s.write(bytes(new TextDecoder().decode(s.read(100, 5000)).toUpperCase()));
    s.shutdown();
    s.read(1, 5000);
    s.close();
  }
  return { served: connections, none: code(() => l.accept(50)) };
}

function udp(host: string, port: number): unknown {
  const net = openChannel(channel), s = net.udp(4);
  let echoed = 0;
  for (let i = 0; i < 40; i++) {
    s.send(bytes(`datagram ${i}`), host, port);
    if (new TextDecoder().decode(s.receive(5000).data) === `datagram ${i}`) echoed++;
  }
  s.send(new Uint8Array(20_000), host, port);
  const big = s.receive(5000);
  const timeout = code(() => s.receive(50));
  s.connect(host, 9);
  s.send(bytes('x'));
  return { echoed, size: big.data.length, from: big.from?.address, timeout, refused: code(() => s.receive(5000)) };
}

/** Random words all over the channel, many of them plausible; the stack is asked to look each time. */
function hostile(rounds: number): unknown {
  const c = new Channel(channel.memory), native = loadNative();
  let seed = 12345;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 4294967296) * n);
  };
  const values = [0, 1, 2, 4, 6, 10, 255, 4096, 131072, 262143, 262144, 262145, 0x7fffffff, -1, -0x80000000];
  const words = (c.slots * SLOT_BYTES) >>> 2;
  for (let i = 0; i < rounds; i++) {
    for (let k = random(12); k >= 0; k--) {
      const w = (HEADER_BYTES >>> 2) + (random(4) ? random(c.slots) * (SLOT_BYTES >>> 2) + random(80) : random(words));
      Atomics.store(c.i32, w, random(3) ? values[random(values.length)] : random(0xffffffff) | 0);
    }
    // A call: some operation, on some slot.
    const slot = random(c.slots);
    Atomics.store(c.i32, c.word(slot, 2), random(16));
    Atomics.store(c.i32, c.word(slot, 3), random(2) ? [2, 4, 6, 10][random(4)] : random(16));
    Atomics.store(c.i32, c.word(slot, 4), random(4));
    Atomics.store(c.i32, c.word(slot, 5), random(4) ? 0 : random(256));
    const text = bytes(['127.0.0.1 80', '::1 0', '192.0.2.2 9', 'x', '', '1.2.3.4 99999999', 'eth0'][random(7)]);
    c.u8.set(text, c.byte(slot, 256));
    Atomics.store(c.i32, c.word(slot, 6), random(5) ? text.length : random(100_000) - 50_000);
    Atomics.add(c.i32, c.word(slot, 0), 1);
    Atomics.store(c.i32, TO_STACK + random(3), -1);
    Atomics.store(c.i32, STACK_PARKED, 0);
    native.eventfdSignal(channel.wake!);
    if (i % 20 === 0) Atomics.wait(c.i32, 1000, 0, 1);
  }
  return { rounds };
}

function wait(host: string, port: number): unknown {
  // The peer may know of the connection before this thread does.
  return { waited: code(() => openChannel(channel).connect({ host, port, timeout: 5000 }).read()) };
}

/** One socket after the other, of each kind, in a channel with room for one. */
function slots(rounds: number): unknown {
  const net = openChannel(channel);
  for (let i = 0; i < rounds; i++) {
    net.udp(4).close();
    code(() => net.connect({ host: '127.0.0.1', port: 9, timeout: 5000 }));
    net.listen().close();
  }
  const held = net.udp(4), full = code(() => net.udp(4));
  held.close();
  return { rounds, full };
}

const answer = job.kind === 'client' ? client(job.host, job.port) : job.kind === 'server' ? server(job.port, job.connections)
  : job.kind === 'udp' ? udp(job.host, job.port) : job.kind === 'wait' ? wait(job.host, job.port)
    : job.kind === 'slots' ? slots(job.rounds) : hostile(job.rounds);
parentPort!.postMessage(answer);
