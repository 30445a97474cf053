// The registration tables: how a lower layer reaches an upper one, and where plug-ins attach. One table per
// layer: EtherType, IP protocol, socket family, and named hooks. Values are function-table indices.
import { panic } from "../lib/panic";
import { Skb, skbDrop } from "./skb";
import { Drop } from "./drop";

// ---- EtherType -> network layer ----
/** Takes the skb with data at the network header. */
export type NetworkInput = (skb: Skb) => void;
const PTYPES: usize = memory.data(16 * 8, 4); // {ethertype u32, fn u32}
const PTYPE_MAX: u32 = 16;

export function ptypeRegister(etherType: u32, fn: u32): void {
  for (let i: u32 = 0; i < PTYPE_MAX; i++) {
    const p = PTYPES + (<usize>i << 3);
    if (load<u32>(p, 4) == 0 || load<u32>(p) == etherType) {
      store<u32>(p, etherType);
      store<u32>(p, fn, 4);
      return;
    }
  }
  panic("ptype table full");
}

/** Hand a received packet to its network layer. */
export function ptypeDeliver(skb: Skb): void {
  for (let i: u32 = 0; i < PTYPE_MAX; i++) {
    const p = PTYPES + (<usize>i << 3);
    const fn = load<u32>(p, 4);
    if (!fn) break;
    if (load<u32>(p) == skb.protocol) {
      call_indirect<void>(fn, skb);
      return;
    }
  }
  skbDrop(skb, Drop.UNHANDLED_PROTO);
}

// ---- IP protocol -> transport ----
/**
 * Takes the skb with data at the transport header, `net` at the IP header, `protocol` telling the family;
 * `total` is the transport length (padding trimmed). Consumes the skb.
 */
export type TransportInput = (skb: Skb) => void;
/**
 * An ICMP error about a packet of ours. `skb.data` is at the embedded IP header and skb.trans at the embedded
 * transport header (at least 8 bytes follow); `errno`, `type`, `code`, `info` (next-hop MTU or pointer). Does not consume the skb.
 */
export type TransportError = (skb: Skb, errno: u32, type: u32, code: u32, info: u32) => void;
const INPUT: usize = memory.data(256 * 4, 4);
const ERROR: usize = memory.data(256 * 4, 4);

export function inetProtoRegister(proto: u32, input: u32, error: u32): void {
  store<u32>(INPUT + (<usize>(proto & 255) << 2), input);
  store<u32>(ERROR + (<usize>(proto & 255) << 2), error);
}
/** Does a transport for `proto` exist? */
@inline export function inetProtoKnown(proto: u32): bool { return load<u32>(INPUT + (<usize>proto << 2)) != 0; }
/** Deliver to the transport; the caller has checked inetProtoKnown. */
@inline export function inetProtoDeliver(proto: u32, skb: Skb): void {
  call_indirect<void>(load<u32>(INPUT + (<usize>proto << 2)), skb);
}
export function inetProtoError(proto: u32, skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const fn = load<u32>(ERROR + (<usize>(proto & 255) << 2));
  if (fn) call_indirect<void>(fn, skb, errno, type, code, info);
}

// ---- Hooks: one function each, set by the layer above at init ----
export const enum Hook {
  /** (skb) a frame enters or leaves a device: packet sockets copy it. data at the link header. */
  TAP,
  /** (skb, proto) a received IP packet, before its transport: raw sockets copy it. Returns 1 if any took it. */
  RAW,
  /** (event, a, b): control-plane change; netlink multicasts it. See NotifyEvent. */
  NOTIFY,
  /** (skb, errno, type, code, info): an ICMP error for the raw sockets of its protocol. */
  RAW_ERROR,
  COUNT,
}
const HOOKS: usize = memory.data(16 * 4, 4);
export function hookSet(h: Hook, fn: u32): void { store<u32>(HOOKS + (<usize>h << 2), fn); }
/** The function index at a hook, 0 when none. */
@inline export function hook(h: Hook): u32 { return load<u32>(HOOKS + (<usize>h << 2)); }

/** Control-plane events, second argument an object pointer. */
export const enum NotifyEvent {
  /** a = NetDevice. */
  LINK_NEW, LINK_DEL, LINK_CHANGE,
  /** a = Ifaddr. */
  ADDR_NEW, ADDR_DEL,
  /** a = Route. */
  ROUTE_NEW, ROUTE_DEL,
  /** a = Neighbour. */
  NEIGH_NEW, NEIGH_DEL,
}
export function notify(event: NotifyEvent, object: usize): void {
  const fn = hook(Hook.NOTIFY);
  if (fn) call_indirect<void>(fn, event, object);
}
