// The stack's side of a channel: serves the calls of its slots with the sockets of a core in this thread. Everything read from the
// channel is checked here, and nothing of it is believed twice: indexes are copied before they are judged. Browser-safe.
import { Errno } from '../../abi/constants.js';
import type { CoreSockets } from '../core_sockets.js';
import type { ListenSocket } from '../endpoints.js';
import { APP_BELL, APP_PARKED, Channel, ENDED, Parked, STACK_PARKED, TO_APP, TO_STACK, type ChannelMemory } from './layout.js';
import { Slot } from './server_slot.js';

export class RingServer {
  readonly channel: Channel;
  private readonly slots: Slot[] = [];
  /** Calls that wait for a connection of a listener. */
  private readonly accepting = new Map<ListenSocket, Slot[]>();
  private ended = false;

  /** `wakeApp`: make the application's event loop call its client (a message); needed only when it sleeps there. */
  constructor(readonly sockets: CoreSockets, memory: ChannelMemory, private readonly wakeApp: () => void) {
    this.channel = new Channel(memory);
    for (let i = 0; i < this.channel.slots; i++) this.slots.push(new Slot(this, i));
  }

  /** Serve what the application has marked: after it has woken us, and before sleeping. */
  serve(): void {
    if (this.ended) return;
    Atomics.store(this.channel.i32, STACK_PARKED, Parked.AWAKE);
    this.channel.take(TO_STACK, (slot) => this.slots[slot].serve());
  }
  /** About to sleep until woken; false when there is something to serve first. */
  park(): boolean {
    if (this.ended) return true;
    Atomics.store(this.channel.i32, STACK_PARKED, Parked.LISTENING);
    if (!this.channel.marked(TO_STACK)) return true;
    Atomics.store(this.channel.i32, STACK_PARKED, Parked.AWAKE);
    return false;
  }

  /** The core trapped and is a fresh one; its sockets have failed by now. What was under way is answered, what came meanwhile served later. */
  restarted(): void {
    if (this.ended) return;
    for (const s of this.slots) {
      s.restarted();
      this.channel.mark(TO_STACK, s.index);
    }
  }
  /** The application is gone: reset what it has left open. */
  abandon(): void {
    if (this.ended) return;
    this.ended = true;
    for (const s of this.slots) s.abandon();
  }
  /** The stack ends, or its core is dead: all sockets of the application fail with ECONNRESET. */
  end(): void {
    this.ended = true;
    endChannel(this.channel);
    this.wakeApp();
  }

  // ---- for the slots ----
  /** The application has something to look at in this slot. */
  tell(slot: number): void {
    const { i32 } = this.channel;
    this.channel.mark(TO_APP, slot);
    const parked = Atomics.exchange(i32, APP_PARKED, Parked.AWAKE);
    if (parked === Parked.AWAKE) return;
    Atomics.add(i32, APP_BELL, 1);
    if (parked === Parked.WAITING) Atomics.notify(i32, APP_BELL);
    else this.wakeApp();
  }
  slotAt(i: number): Slot | undefined { return this.slots[i]; }
  /** Give `slot` the next connection of a listener, now or later. */
  accept(listener: ListenSocket, slot: Slot): void {
    const waiting = this.accepting.get(listener) ?? [];
    waiting.push(slot);
    this.accepting.set(listener, waiting);
    this.connections(listener);
  }
  /** Hand out what waits. */
  connections(listener: ListenSocket): void {
    const waiting = this.accepting.get(listener);
    while (waiting?.length) {
      const s = listener.accept();
      if (!s) return;
      (waiting.shift() as Slot).accepted(s);
    }
  }
  /** The listener has been closed, or has failed. */
  unlisten(listener: ListenSocket): void {
    const waiting = this.accepting.get(listener) ?? [];
    this.accepting.delete(listener);
    for (const s of waiting) s.answer(-Errno.ECONNABORTED);
  }
  /** The slot waits for no connection any more. */
  cancelAccept(slot: Slot): void {
    for (const waiting of this.accepting.values()) {
      const i = waiting.indexOf(slot);
      if (i >= 0) waiting.splice(i, 1);
    }
  }
}

/** Say in the channel that its stack is gone; wakes a thread that sleeps in Atomics.wait. Any thread may call it. */
export function endChannel({ i32 }: Channel): void {
  Atomics.store(i32, ENDED, Errno.ECONNRESET);
  Atomics.add(i32, APP_BELL, 1);
  Atomics.notify(i32, APP_BELL);
}
