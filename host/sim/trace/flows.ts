// The flows of a run, found in the frames that its nodes send and receive.
import type { Mishap } from '../channel.js';
import { Flow, type FlowRow } from './flow.js';
import { TCP, segmentOf, type Segment } from './segment.js';

const flowKey = (s: Segment): string => `${s.protocol} ${s.source} ${s.sourcePort} ${s.destination} ${s.destinationPort}`;
const reverseKey = (s: Segment): string => `${s.protocol} ${s.destination} ${s.destinationPort} ${s.source} ${s.sourcePort}`;

/** Flows that are followed: the first ones. */
export const FLOWS_MAX = 100_000;

export class FlowTable {
  private readonly flows = new Map<string, Flow>();
  private full = false;
  /** Frames with a bit turned over, on their way. */
  private readonly damaged = new WeakSet<Uint8Array>();

  /** `owners`: the node of each address. `onstart`: a flow begins; `onfull`: the first that is not followed. */
  constructor(private readonly owners: ReadonlyMap<string, string>, private readonly onstart: (flow: string) => void, private readonly onfull: () => void) {}

  /** A frame passes between a node and a medium. Routers only pass it on: the ends count. */
  seen(now: number, node: string, frame: Uint8Array, sent: boolean): void {
    if (!sent && this.damaged.has(frame)) return;
    const s = segmentOf(frame);
    if (!s || this.owners.get(sent ? s.source : s.destination) !== node) return;
    if (!sent) {
      this.flows.get(flowKey(s))?.arrived(now, s);
      return;
    }
    this.flow(now, s)?.sent(now, s, frame.length);
    if (s.protocol === TCP && s.ack !== undefined) this.flows.get(reverseKey(s))?.acknowledge(now, s.ack);
  }

  /** Something happened to a frame on a medium; the name of its flow. */
  befell(what: Mishap, frame: Uint8Array, copy?: Uint8Array): string {
    if (copy) this.damaged.add(copy);
    const s = segmentOf(frame), flow = s && this.flows.get(flowKey(s));
    flow?.befell(what, s!);
    return flow?.name ?? '';
  }

  rows(): FlowRow[] { return [...this.flows.values()].map((f) => f.row()); }

  private flow(now: number, s: Segment): Flow | undefined {
    const key = flowKey(s);
    let f = this.flows.get(key);
    if (!f && this.flows.size >= FLOWS_MAX) {
      if (!this.full) this.onfull();
      this.full = true;
    } else if (!f) {
      f = new Flow(this.flows.size + 1, now, s, { source: this.owners.get(s.source)!, destination: this.owners.get(s.destination) ?? '' });
      this.flows.set(key, f);
      this.onstart(f.name);
    }
    return f;
  }
}
