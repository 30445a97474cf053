// A virtual interface: what moves frames between a core's rings and the world. Back ends (io-backends/*) implement
// it and see nothing else of the host. Browser-safe.
import type { CoreMemory } from './memory.js';

export type VifType = 'TAP' | 'RAW' | 'PIPE' | 'USER' | 'XDP';

/** One `interface` block of a configuration, as far as its back end is concerned. */
export interface VifSpec {
  /** Name inside the stack, at most 15 bytes. */
  name: string;
  type: VifType;
  /** `xx:xx:xx:xx:xx:xx`; a RAW or XDP vif takes its device's address when there is none, others a random local one. */
  mac?: string;
  /** Bytes of an IP packet; the device's own when absent. */
  mtu?: number;
  /** Host device: TAP to make or attach to (default `nuse-NAME`), or the interface of a RAW or XDP vif (default NAME). */
  dev?: string;
  /** PIPE: path of the unix socket, or of an existing FIFO. */
  pipepath?: string;
  /** USER: this end of the link to the gateway. */
  fd?: number;
  /** XDP: the receive queue of dev, default 0. */
  queue?: number;
  /** Checksum and segmentation offload; default true. */
  offload?: boolean;
  /** TAP, RAW: the device is one of several workers'. */
  steer?: SteerSpec;
  relay?: RelaySpec;
}

/** Bytes of a ring of frames between threads: its control block, and some sixteen super-segments (io-backends/memory/frame_ring.ts). */
export const FRAME_RING_BYTES = 64 + (1 << 20);

/** One of a device's queues: which worker's, and the rule by which frames come to it (assembly/core/worker.ts). */
export interface SteerSpec {
  worker: number;
  workers: number;
  /** WORKER_KEY_SIZE bytes in hexadecimal. */
  key: string;
  /** RAW, a later worker: the fanout group that the first has made. */
  group?: number;
}

/** How frames that concern all workers come to them: worker 0 copies them into rings, and signals eventfds. */
export interface RelaySpec {
  /** Of worker 0: one for each of the others. Of another worker: its own. */
  rings: ArrayBufferLike[];
  /** Of worker 0: the eventfds of the others. */
  bells: number[];
  /** Of another worker: its eventfd. */
  bell?: number;
}

/** Counters of a back end, since it was opened. */
export interface VifStats {
  rxFrames: number;
  rxBytes: number;
  /** Frames lost before the core saw them: too long, malformed, or (RAW, XDP) no room in the host's socket. */
  rxDropped: number;
  txFrames: number;
  txBytes: number;
  /** Frames the device or the peer's absence swallowed. */
  txDropped: number;
  /** Transmit descriptors that did not add up. */
  txInvalid: number;
}

/** Flag in the result of rx(): call again, frames may be left. */
export const RX_MORE = 0x10000;

/** Where a vif is plugged in: a memory, a slot of its VIF table, and how to tell that frames came without an fd. */
export interface VifPort {
  readonly mem: CoreMemory;
  readonly slot: number;
  /** Frames wait, or room was made; for back ends without an fd. Callable at any time. */
  wake(): void;
}

export interface Vif {
  readonly name: string;
  /** `xx:xx:xx:xx:xx:xx`. */
  readonly mac: string;
  readonly mtu: number;
  /** VifFeature bits. */
  readonly features: number;
  /** Host device or path behind it. */
  readonly dev: string;
  /** Readable when frames wait; -1 for a back end that calls port.wake(). */
  readonly fd: number;
  /** Whether room to send is told by fd's writability; else by its readability. */
  readonly pollOut: boolean;
  /** An eventfd, drained by whoever waits at it, that tells of frames beside fd. */
  readonly bell?: number;
  /** See SteerSpec. */
  readonly group?: number;
  attach(port: VifPort): void;
  /** Fill posted descriptors [first, first+max) of RX_DESC with received frames: their number, plus RX_MORE; or -errno. */
  rx(first: number, max: number): number;
  /** Send at most max frames of the slot's ring, advancing VIF_TX_TAIL: their number; fewer with the ring not empty: full. May set HDR_NOW to when that was done. */
  tx(max: number): number;
  stats(): VifStats;
  /** Undo everything; the other methods must not be called again. */
  close(): void;
}

export interface NativeVifConfig {
  type: VifType;
  name: string;
  dev?: string;
  path?: string;
  fd?: number;
  queue?: number;
  mac?: string;
  mtu?: number;
  /** VifFeature bits that may be used. */
  offload: number;
  worker?: number;
  workers?: number;
  key?: string;
  group?: number;
}

export interface NativeVifInfo {
  handle: number;
  fd: number;
  mtu: number;
  features: number;
  /** Empty when neither the configuration nor the device has one. */
  mac: string;
  dev: string;
  pollOut: boolean;
  group: number;
}

/** The part of the native addon that back ends use. */
export interface NativeVifs {
  vifOpen(memory: number, config: NativeVifConfig): NativeVifInfo;
  rxBurst(vif: number, slot: number, first: number, max: number): number;
  txBurst(vif: number, slot: number, max: number): number;
  vifStats(vif: number): VifStats;
  vifClose(vif: number): number;
  /** The two ends of a link between USER vifs of this process; each belongs to the vif it is given to. */
  linkPair(): [number, number];
}

/** A random unicast, locally administered MAC address from 6 random bytes. */
export function localMac(random: Uint8Array): string {
  const b = Array.from(random.subarray(0, 6));
  b[0] = (b[0] & 0xfc) | 0x02;
  return b.map((x) => x.toString(16).padStart(2, '0')).join(':');
}
