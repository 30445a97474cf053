// The channel between a stack and an application, step by step in one thread: wherever the other side may act between two words
// of memory, nobody waits for what has been told already.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CoreSockets } from '../../host/sockets/core_sockets.js';
import type { DatagramSocket, StreamSocket } from '../../host/sockets/endpoints.js';
import { RingClient } from '../../host/sockets/ring/client.js';
import { APP_WANTS, TO_STACK, newChannel } from '../../host/sockets/ring/layout.js';
import { RingServer } from '../../host/sockets/ring/server.js';

const test = suite('ring');
const RING = 1 << 17;

/** A connection that takes every byte, and a datagram socket. */
class Sink {
  bytes = 0;
  datagrams = 0;
  /** Datagrams it takes at most. */
  most = Infinity;
  readonly stream = {
    local: undefined, remote: undefined, ended: false, connect: () => this.open(), read: () => 0, shutdown() {}, reset() {}, close() {},
    write: (b: Uint8Array) => (this.bytes += b.length, b.length),
  } as unknown as StreamSocket;
  readonly datagram = { local: undefined, remote: undefined, receive: () => undefined, send: () => this.datagrams < this.most && ++this.datagrams > 0, close() {} } as unknown as DatagramSocket;
  private open(): void { this.stream.onopen?.(); }
}

/** Both sides of one channel; the stack acts only when told to. */
function pair(): { sink: Sink; client: RingClient; stack: () => void } {
  const memory = newChannel({ sockets: 4, ringBytes: RING }), sink = new Sink();
  const server = new RingServer({ stream: () => sink.stream, datagram: () => sink.datagram } as unknown as CoreSockets, memory, () => {});
  const stack = (): void => { do server.serve(); while (!server.park()); };
  const client = new RingClient(memory, stack);
  server.park();
  return { sink, client, stack };
}
/** Let `act` happen just before, or after, the application says for the first time from now that it wants to be told. */
function onWanting(socket: object, when: 'before' | 'after', act: () => void): void {
  const s = socket as { store: (word: number, value: number) => void }, real = s.store.bind(socket);
  s.store = (word, value) => {
    if (word !== APP_WANTS) return real(word, value);
    s.store = real;
    if (when === 'before') act();
    real(word, value);
    if (when === 'after') act();
  };
}

test('a write fills the room of which it is told later: it is told of the next room, too', () => {
  const { sink, client, stack } = pair(), s = client.stream(4), block = new Uint8Array(3 * RING);
  s.connect('192.0.2.1', 80);
  client.serve();
  assert.ok(s.isOpen);
  // The stack takes what is there as soon as it is asked to tell, and tells; write() sees the room, and fills it.
  onWanting(s, 'after', stack);
  let told = 0;
  s.onwritable = () => { told++; };
  // From here on the stack sleeps until the test wakes it.
  const calm = client as unknown as { wakeStack: () => void }, wake = calm.wakeStack;
  calm.wakeStack = () => {};
  client.channel.mark(TO_STACK, s.slot);
  assert.is(s.write(block), 2 * RING);
  calm.wakeStack = wake;
  client.serve();
  assert.is(told, 0, 'there is no room');
  stack();
  assert.is(sink.bytes, 2 * RING);
  client.serve();
  assert.is(told, 1, 'there is');
});

test('a datagram is taken just before the sender asks to be told: its completion is not lost', () => {
  const { sink, client, stack } = pair(), s = client.datagram(4);
  const calm = client as unknown as { wakeStack: () => void };
  calm.wakeStack = () => {};
  const done: number[] = [];
  for (const n of [1, 2, 3]) s.send(new Uint8Array(10), '192.0.2.1', 9, undefined, () => done.push(n));
  sink.most = 1;
  stack();
  sink.most = 3;
  onWanting(s, 'before', () => {
    client.channel.mark(TO_STACK, s.slot);
    stack();
  });
  client.serve();
  client.serve();
  assert.is(sink.datagrams, 3);
  assert.equal(done, [1, 2, 3]);
});

test.run();
