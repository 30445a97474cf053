// Time series: the state of every TCP connection, as TCP_INFO tells it, and the length of every queue.
import { ARG } from '../../abi/constants.js';
import type { Medium } from '../medium.js';
import type { SimNode } from '../node.js';

/** A connection at a point of time, at one of its ends. */
export interface TcpSample {
  /** ns since the start of the run. */
  time_ns: number;
  node: string;
  /** ADDRESS:PORT of both ends. */
  local: string;
  remote: string;
  /** As Linux numbers them: 1 is ESTABLISHED. */
  state: number;
  /** Segments; ssthresh is null until there was a loss. */
  cwnd: number;
  ssthresh: number | null;
  mss: number;
  srtt_us: number;
  rttvar_us: number;
  rto_us: number;
  /** Segments in the network by Linux's count (sent, less what is acknowledged, sacked or given up, and what was sent again), times the MSS. */
  in_flight_bytes: number;
  acked_bytes: number;
  received_bytes: number;
  retransmits: number;
}

/** A queue at a point of time. */
export interface QueueSample {
  time_ns: number;
  link: string;
  /** `forward`, `reverse`; on a segment `to NODE`, `from NODE`. */
  direction: string;
  packets: number;
  bytes: number;
  /** Dropped so far. */
  dropped: number;
}

const IPPROTO_TCP = 6, TCP_INFO = 11, BYTES = 136;
/** struct tcp_info of linux/tcp.h. */
const RTO = 8, MSS = 16, UNACKED = 24, SACKED = 28, LOST = 32, RETRANS = 36, RTT = 68, RTTVAR = 72, SSTHRESH = 76, CWND = 80, TOTAL_RETRANS = 100, BYTES_ACKED = 120, BYTES_RECEIVED = 128;
/** ssthresh when nothing has set it yet. */
const INFINITE = 0x7fffffff;

/** Every connection of a node, whoever has the socket: the core's calls are asked, which change nothing. */
export function tcpSamples(time_ns: number, node: SimNode): TcpSample[] {
  const out: TcpSample[] = [];
  if (node.trap) return out;
  node.stamp();
  for (const handle of node.handles()) {
    const sample = tcpSample(time_ns, node, handle);
    if (sample) out.push(sample);
  }
  return out;
}

function tcpSample(time_ns: number, { name: node, sockets }: SimNode, handle: number): TcpSample | undefined {
  const { exports: x, mem: { view } } = sockets, local = sockets.nameAt(x.sys_getsockname(handle, ARG)), remote = sockets.nameAt(x.sys_getpeername(handle, ARG));
  if (!local || !remote || x.sys_getsockopt(handle, IPPROTO_TCP, TCP_INFO, ARG, BYTES) < BYTES) return undefined;
  const u32 = (at: number): number => view.getUint32(ARG + at, true), u64 = (at: number): number => Number(view.getBigUint64(ARG + at, true)), mss = u32(MSS), ssthresh = u32(SSTHRESH);
  return {
    time_ns, node, local: `${local.address}:${local.port}`, remote: `${remote.address}:${remote.port}`, state: view.getUint8(ARG), cwnd: u32(CWND), ssthresh: ssthresh >= INFINITE ? null : ssthresh,
    mss, srtt_us: u32(RTT), rttvar_us: u32(RTTVAR), rto_us: u32(RTO), in_flight_bytes: Math.max(0, u32(UNACKED) - u32(SACKED) - u32(LOST) + u32(RETRANS)) * mss,
    acked_bytes: u64(BYTES_ACKED), received_bytes: u64(BYTES_RECEIVED), retransmits: u32(TOTAL_RETRANS),
  };
}

export function queueSamples(time_ns: number, medium: Medium): QueueSample[] {
  return medium.directions().map(({ name, channel: { queue } }) => ({ time_ns, link: medium.name, direction: name, packets: queue.length, bytes: queue.bytes, dropped: queue.dropped }));
}
