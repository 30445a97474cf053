// FlowQueue-CoDel (RFC 8290): a queue and a CoDel for each of 1024 buckets of flows, served by deficit round robin, new flows first.
import type { Packet } from './packet.js';
import { derive } from './random.js';
import { CodelState, Fifo, type CodelOptions, type PacketQueue } from './queue.js';

const FLOWS = 1024, QUANTUM = 1514;

const enum List { NONE, NEW, OLD }

class Flow {
  readonly fifo = new Fifo();
  readonly codel: CodelState;
  credit = 0;
  list = List.NONE;
  constructor(o: CodelOptions) { this.codel = new CodelState(o); }
}

export class FqCodel implements PacketQueue {
  private readonly flows: (Flow | undefined)[] = [];
  private fresh: Flow[] = [];
  private old: Flow[] = [];
  private readonly salt: number;
  length = 0;
  bytes = 0;
  dropped = 0;
  ondrop?: (p: Packet) => void;

  /** `seed` and `label`: of the hash that sorts packets into buckets. */
  constructor(private readonly o: CodelOptions, seed: number, label: string) { this.salt = parseInt(derive(seed, label).slice(0, 8), 16); }

  enqueue(p: Packet): void {
    const flow = this.flows[this.bucket(p.frame)] ??= new Flow(this.o);
    flow.fifo.push(p);
    this.length++;
    this.bytes += p.frame.length;
    if (flow.list === List.NONE) {
      flow.list = List.NEW;
      flow.credit = QUANTUM;
      this.fresh.push(flow);
    }
    if (this.length > this.o.limit) this.dropFattest();
  }

  dequeue(now: number): Packet | undefined {
    for (;;) {
      const list = this.fresh.length ? this.fresh : this.old, flow = list[0];
      if (!flow) return undefined;
      if (flow.credit <= 0) {
        flow.credit += QUANTUM;
        list.shift();
        this.append(flow);
        continue;
      }
      const p = flow.codel.dequeue(flow.fifo, now, (gone) => this.lost(gone));
      if (p) {
        this.left(p);
        flow.credit -= p.frame.length;
        return p;
      }
      // An empty new flow goes through the old ones once, so that it cannot stay ahead by coming back (RFC 8290 4.2).
      list.shift();
      if (list === this.fresh && this.old.length) this.append(flow);
      else flow.list = List.NONE;
    }
  }

  private append(flow: Flow): void {
    flow.list = List.OLD;
    this.old.push(flow);
  }
  private left(p: Packet): void {
    this.length--;
    this.bytes -= p.frame.length;
  }
  private lost(p: Packet): void {
    this.left(p);
    this.dropped++;
    this.ondrop?.(p);
  }
  private dropFattest(): void {
    let fattest: Flow | undefined;
    for (const list of [this.fresh, this.old]) for (const f of list) if (!fattest || f.fifo.bytes > fattest.fifo.bytes) fattest = f;
    const p = fattest?.fifo.shift();
    if (p) this.lost(p);
  }

  /** Addresses, protocol and ports. */
  private bucket(f: Uint8Array): number {
    let h = this.salt;
    const mix = (from: number, to: number): void => {
      for (let i = from; i < to && i < f.length; i++) h = Math.imul(h ^ f[i], 0x01000193);
    };
    const type = f[12] << 8 | f[13];
    if (type === 0x0800) {
      const ports = 14 + 4 * (f[14] & 15), fragment = (f[20] & 0x3f) << 8 | f[21];
      mix(23, 24);
      mix(26, 34);
      if (!fragment && (f[23] === 6 || f[23] === 17)) mix(ports, ports + 4);
    } else if (type === 0x86dd) {
      mix(20, 21);
      mix(22, 54);
      if (f[20] === 6 || f[20] === 17) mix(54, 58);
    } else mix(0, 14);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 12)) & (FLOWS - 1);
  }
}
