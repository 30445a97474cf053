// What a stack is configured with: plain data, so that it can be cloned into a worker or printed as JSON.

import type { EgressRule } from './egress.js';
import type { RelaySpec, SteerSpec } from '../vif.js';
import type { PublishConfig } from './publish.js';

export const VIF_TYPES = ['TAP', 'RAW', 'PIPE', 'USER', 'XDP'] as const;
export type VifType = (typeof VIF_TYPES)[number];

export const DEFAULT_MEMORY_BYTES = 48 << 20;
export const MIN_MEMORY_BYTES = 16 << 20;
export const MAX_MEMORY_BYTES = 2 ** 32 - 65536;
export const DEFAULT_SOCKETS = 4096;
export const MAX_SOCKETS = 65536;
/** IFNAMSIZ - 1 of Linux: the longest interface name, in bytes. */
export const NAME_MAX = 15;
/** RFC 8200 5: the least MTU of a link that carries IPv6. */
export const IPV6_MIN_MTU = 1280;
/** More name servers than this are ignored by glibc (MAXNS of resolv.h). */
export const MAX_NAME_SERVERS = 3;
/** Queues of a device that XDP leads to stacks (XDP_QUEUES of io-backends/xdp/xdp.h). */
export const MAX_QUEUES = 256;
/** Bounds of a configuration, so that a hostile file stays cheap. */
export const MAX_INTERFACES = 8;
export const MAX_ADDRESSES = 16;
export const MAX_ROUTES = 1024;
export const MAX_NEIGHBOURS = 1024;

export interface AddressConfig {
  /** IPv4 or IPv6 in text. */
  address: string;
  /** Bits of the network part. */
  prefix: number;
}

export interface InterfaceConfig {
  /** Name inside the stack. */
  name: string;
  type: VifType;
  /** Host device: the TAP to make or attach to, or the interface to bind for RAW and XDP; unused for PIPE. */
  dev: string;
  /** `xx:xx:xx:xx:xx:xx`; absent: a random locally administered address is chosen at start. */
  mac?: string;
  /** Bytes of a network layer packet; absent: the host device's. */
  mtu?: number;
  addresses: AddressConfig[];
  /** Take IPv6 addresses and routes from router advertisements (RFC 4862). */
  slaac: boolean;
  /** Use an IPv4 address only when nobody on the link answers for it (RFC 5227); IPv6 addresses are always checked, in use. */
  dad?: boolean;
  /** Use checksum and segmentation offload where the back end has it. */
  offload: boolean;
  /** XDP: the receive queue of `dev`; absent: 0. */
  queue?: number;
  /** PIPE: the unix socket or FIFO shared with the neighbour. */
  pipepath?: string;
  /** Take the IPv4 address, routes and name servers from a DHCP server (RFC 2131). */
  dhcp?: boolean;
  /** USER: what may go out, first match first. */
  egress?: EgressRule[];
  /** USER: ports of the host that lead in. */
  publish?: PublishConfig[];
  /** USER: the gateway's address leads to the host's loopback interface. */
  hostLoopback?: boolean;
  /** Of one of several workers; not of a file. */
  steer?: SteerSpec;
  relay?: RelaySpec;
}

export interface RouteConfig {
  /** Network address in text, without host bits. */
  network: string;
  prefix: number;
  /** Next hop, same family; absent: the network is on-link at `dev`. */
  via?: string;
  /** Interface of the stack; absent: the one on whose network `via` is. */
  dev?: string;
  /** Lower is preferred; 0 is the default of IPv4 and 1024 that of IPv6. */
  metric?: number;
  /** What the prefix covers is delivered here (RTN_LOCAL); `dev` is where it comes in. */
  local?: boolean;
}

/** A permanent neighbour entry. */
export interface NeighbourConfig {
  dev: string;
  address: string;
  mac: string;
}

export interface StackConfig {
  interfaces: InterfaceConfig[];
  routes: RouteConfig[];
  neighbours: NeighbourConfig[];
  /** Dotted Linux name -> value, as sysctl(8) would write it. */
  sysctl: Record<string, string>;
  dns: {
    /** At most MAX_NAME_SERVERS addresses. */
    servers: string[];
    /** Domains tried for short names. */
    search: string[];
  };
  /** Write a pcapng of all interfaces here. */
  pcap?: string;
  /** 64 hexadecimal digits; absent: from the operating system. A fixed seed makes sequence numbers predictable. */
  seed?: string;
  /** Linear memory of the core, bytes, a multiple of 64 KiB. */
  memory: number;
  /** Most sockets at a time, of each worker. */
  sockets: number;
  /** Cores that share the work, each with a thread and memory of its own; absent: 1. */
  workers?: number;
  /** Which of them this one is; not of a file. */
  worker?: SteerSpec;
}

/** A stack with nothing but its loopback interface. */
export function emptyConfig(): StackConfig {
  return {
    interfaces: [], routes: [], neighbours: [], sysctl: {}, dns: { servers: [], search: [] },
    memory: DEFAULT_MEMORY_BYTES, sockets: DEFAULT_SOCKETS,
  };
}
