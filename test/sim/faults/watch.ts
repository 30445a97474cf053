// Looks on while a fault schedule runs: no end of the connection may be silent for longer than twice its current RTO while it has
// something to send or unacknowledged, and the path is up.
import type { RunObserver, ScenarioRun } from '../../../host/sim/run.js';
import { segmentOf, TCP } from '../../../host/sim/trace/segment.js';
import { Failure, type TransferEnd } from './transfer.js';

const IPPROTO_TCP = 6, TCP_INFO = 11;
/** Of struct tcp_info: where, and the state of a socket without a connection. */
const BACKOFF = 4, RTO = 8, UNACKED = 24, NOTSENT = 144, SIZE = 148, CLOSE = 7;
const US = 1e3, MS = 1e6, SEC = 1e9;
/** Limits of the interval between two window probes (RFC 9293 3.8.6.1, as in Linux). */
const PROBE_MIN = 200 * MS, PROBE_MAX = 120 * SEC;
/** Looks are so many to an RTO, and so far apart. */
const LOOKS = 4, LOOK_MIN = 25 * MS, LOOK_MAX = 10 * SEC;
/** RTOs of silence. */
const PATIENCE = 2;

/** What an end did last in the network. */
interface Activity {
  /** ns: it sent something that occupies sequence space, a window probe or a question for its neighbour, or something was acknowledged. */
  last: number;
  /** Behind what it has sent; the highest acknowledgment that it got. */
  next?: number;
  acked?: number;
}

export interface Longest {
  /** In RTOs: the longest silence. */
  silence: number;
  time: number;
}

const after = (a: number, b: number | undefined): boolean => b === undefined || (a - b | 0) > 0;

export class Watch implements RunObserver {
  nextLook = 0;
  readonly longest: Longest = { silence: 0, time: 0 };
  private readonly activities: Activity[];
  /** Links that are down. */
  private down = 0;

  constructor(private readonly run: ScenarioRun, private readonly ends: readonly TransferEnd[]) {
    this.activities = ends.map(() => ({ last: 0 }));
    run.observer = this;
    ends.forEach((e, i) => { e.node.capture = (_slot, frame, sent) => this.seen(this.activities[i], frame, sent); });
  }

  /** A link goes down (1) or comes up again (-1). */
  dark(change: 1 | -1): void {
    this.down += change;
    for (const a of this.activities) a.last = this.run.sim.now;
  }

  private seen(a: Activity, frame: Uint8Array, sent: boolean): void {
    const { now } = this.run.sim, s = segmentOf(frame);
    if (!s || s.protocol !== TCP) {
      if (sent && isNeighbourQuestion(frame)) a.last = now;
    } else if (!sent) {
      if (s.ack === undefined || !after(s.ack, a.acked)) return;
      a.acked = s.ack;
      a.last = now;
    } else if (s.span || (a.next !== undefined && after(a.next, s.seq))) {
      // A new connection begins with its SYN.
      if (s.syn || after(s.seq + s.span, a.next)) a.next = s.seq + s.span;
      a.last = now;
    }
  }

  look(): void {
    const { now } = this.run.sim;
    let wait = LOOK_MAX;
    this.ends.forEach((end, i) => {
      const rto = this.examine(end, this.activities[i], now);
      wait = Math.min(wait, rto / LOOKS);
    });
    this.nextLook = now + Math.max(wait, LOOK_MIN);
  }
  /** The RTO, ns. Throws Failure. */
  private examine(end: TransferEnd, a: Activity, now: number): number {
    const { stream } = end;
    if (!stream) return LOOK_MIN;
    const info = stream.getOption(IPPROTO_TCP, TCP_INFO, SIZE), v = new DataView(info.buffer, info.byteOffset), unacked = v.getUint32(UNACKED, true), notSent = v.getUint32(NOTSENT, true);
    const probing = unacked === 0, rto = v.getUint32(RTO, true) * US;
    const timer = probing ? Math.min(Math.max(rto, PROBE_MIN) * 2 ** Math.min(v.getUint8(BACKOFF), 10), PROBE_MAX) : rto;
    if ((!unacked && !notSent) || this.down || v.getUint8(0) === CLOSE) {
      a.last = now;
      return timer;
    }
    const silence = (now - a.last) / timer;
    if (silence > this.longest.silence) Object.assign(this.longest, { silence, time: now });
    if (silence > PATIENCE) {
      throw new Failure('stall', `${end.node.name} is silent since ${(a.last / SEC).toFixed(6)} s, for ${((now - a.last) / MS).toFixed(1)} ms, with ${unacked} segments unacknowledged, `
        + `${notSent} bytes not sent and an RTO of ${(timer / MS).toFixed(1)} ms ${end.state}`);
    }
    return timer;
  }
  noted(): void { /* What the schedule does is known. */ }
}

/** An ARP request or a neighbour solicitation: a segment waits for its answer. */
function isNeighbourQuestion(f: Uint8Array): boolean {
  const type = f[12] << 8 | f[13];
  return type === 0x0806 ? f[21] === 1 : type === 0x86dd && f[20] === 58 && f[54] === 135;
}
