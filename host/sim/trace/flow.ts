// One direction of a connection, or of an exchange of datagrams, as its frames tell: what was sent, what of it arrived, how late, and
// what became of the rest.
import type { Mishap } from '../channel.js';
import { DurationHistogram } from '../histogram.js';
import { TCP, type Segment } from './segment.js';

/** A flow in figures: one row of a table. Times are ns since the start of the run. */
export interface FlowRow {
  flow: number;
  protocol: 'tcp' | 'udp';
  source_node: string;
  source: string;
  source_port: number;
  destination_node: string;
  destination: string;
  destination_port: number;
  /** When the first segment was sent, and when the last one arrived. */
  first_ns: number;
  last_ns: number;
  /** Sent, with what was sent again; bytes of payload, and of frames. */
  segments: number;
  bytes: number;
  frame_bytes: number;
  retransmits: number;
  retransmitted_bytes: number;
  arrived: number;
  /** By rules, by queues, because a link was down, with a bit turned over. */
  lost: number;
  lost_by_rule: number;
  dropped_by_queue: number;
  lost_by_link_down: number;
  corrupted: number;
  /** Neither arrived nor known to be lost: on their way at the end, or dropped by a node. */
  pending: number;
  duplicates: number;
  /** Of the segments that arrived, from the sender's device to the receiver's. */
  delay_mean_ns: number;
  delay_p50_ns: number;
  delay_p95_ns: number;
  delay_max_ns: number;
  /** Bytes of payload that the receiver has acknowledged (TCP), or that arrived (UDP), and their rate in bit/s from the first segment on. */
  delivered_bytes: number;
  goodput_bps: number;
}

/** Segments that are looked for; more, and the oldest count as they are. */
const OUTSTANDING = 65_536;

interface Outstanding {
  /** When each copy was sent, ns. */
  times: number[];
  mishap?: Mishap;
}

const NONE = new DurationHistogram();

/** b after a, in the sequence space of 32 bits. */
const distance = (a: number, b: number): number => (b - a) | 0;

export class Flow {
  readonly name: string;
  private readonly outstanding = new Map<string, Outstanding>();
  /** Made with the first arrival: of a flood most flows have none. */
  private delays?: DurationHistogram;
  private readonly mishaps: Record<Mishap, number> = { dropped: 0, lost: 0, down: 0, corrupted: 0, duplicated: 0 };
  private segments = 0;
  private bytes = 0;
  private frameBytes = 0;
  private retransmits = 0;
  private retransmittedBytes = 0;
  private arrivals = 0;
  private forgotten = 0;
  private duplicates = 0;
  private last: number;
  /** TCP, counted from the first sequence number seen, without wrapping: the end of what was sent, where FIN lies, what is acknowledged. */
  private seq = 0;
  private position = 0;
  private end = 0;
  private opening = 0;
  private fin = Infinity;
  private acknowledged = 0;
  private delivered = 0;
  private deliveredAt: number;

  constructor(private readonly number: number, private readonly first: number, private readonly of: Segment, private readonly nodes: { source: string; destination: string }) {
    this.last = this.deliveredAt = first;
    this.seq = of.seq;
    this.opening = Number(of.syn);
    this.name = `${of.protocol === TCP ? 'tcp' : 'udp'} ${of.source}:${of.sourcePort} > ${of.destination}:${of.destinationPort}`;
  }

  sent(now: number, s: Segment, frameBytes: number): void {
    this.segments++;
    this.bytes += s.payload;
    this.frameBytes += frameBytes;
    if (s.span) this.place(s);
    const known = this.outstanding.get(s.key);
    if (known) known.times.push(now);
    else this.outstanding.set(s.key, { times: [now] });
    if (this.outstanding.size > OUTSTANDING) this.forget();
  }

  /** Where the segment lies in the stream, and how much of it was sent before. */
  private place(s: Segment): void {
    this.position += distance(this.seq, s.seq);
    this.seq = s.seq;
    const end = this.position + s.span, again = Math.min(end, this.end) - this.position;
    if (again > 0) {
      this.retransmits++;
      this.retransmittedBytes += Math.min(again, s.payload);
    }
    if (s.fin) this.fin = end - 1;
    this.end = Math.max(this.end, end);
  }

  arrived(now: number, s: Segment): void {
    const o = this.outstanding.get(s.key);
    if (!o) {
      this.duplicates++;
      return;
    }
    this.arrivals++;
    (this.delays ??= new DurationHistogram()).add(now - o.times.shift()!);
    if (!o.times.length) this.outstanding.delete(s.key);
    this.last = now;
    if (s.protocol === TCP) return;
    this.delivered += s.payload;
    this.deliveredAt = now;
  }

  /** The receiver has sent an acknowledgment. */
  acknowledge(now: number, ack: number): void {
    const to = this.position + distance(this.seq, ack);
    if (to <= this.acknowledged || to > this.end) return;
    this.acknowledged = to;
    const delivered = to - this.opening - Number(to > this.fin);
    if (delivered > this.delivered) this.deliveredAt = now;
    this.delivered = delivered;
  }

  befell(what: Mishap, s: Segment): void {
    const o = this.outstanding.get(s.key);
    if (o && what !== 'duplicated') o.mishap = what;
  }

  private forget(): void {
    const [[key, o]] = this.outstanding;
    this.outstanding.delete(key);
    this.settle(o, this.mishaps);
    if (!o.mishap) this.forgotten += o.times.length;
  }
  private settle(o: Outstanding, into: Record<Mishap, number>): void { if (o.mishap) into[o.mishap] += o.times.length; }

  row(): FlowRow {
    const { of, delays = NONE } = this, mishaps = { ...this.mishaps };
    let pending = this.forgotten;
    for (const o of this.outstanding.values()) {
      this.settle(o, mishaps);
      if (!o.mishap) pending += o.times.length;
    }
    const { lost, dropped, down, corrupted } = mishaps, took = this.deliveredAt - this.first;
    return {
      flow: this.number, protocol: of.protocol === TCP ? 'tcp' : 'udp', source_node: this.nodes.source, source: of.source, source_port: of.sourcePort,
      destination_node: this.nodes.destination, destination: of.destination, destination_port: of.destinationPort, first_ns: this.first, last_ns: this.last,
      segments: this.segments, bytes: this.bytes, frame_bytes: this.frameBytes, retransmits: this.retransmits, retransmitted_bytes: this.retransmittedBytes,
      arrived: this.arrivals, lost: lost + dropped + down + corrupted, lost_by_rule: lost, dropped_by_queue: dropped, lost_by_link_down: down, corrupted, pending,
      duplicates: this.duplicates, delay_mean_ns: Math.round(delays.mean), delay_p50_ns: delays.percentile(0.5), delay_p95_ns: delays.percentile(0.95), delay_max_ns: delays.max,
      delivered_bytes: this.delivered, goodput_bps: took > 0 ? Math.round(this.delivered * 8e9 / took) : 0,
    };
  }
}
