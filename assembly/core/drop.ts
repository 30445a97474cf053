// Why packets are dropped. Every drop goes through skbDrop (core/skb) with one of these and bumps one
// counter; names follow Linux's enum skb_drop_reason where it has one. Append only: the number is the ABI.

export const enum Drop {
  NOT_SPECIFIED,
  // link
  PKT_TOO_SMALL, // shorter than the header it must hold
  HDR_TRUNC, // a length field points past the frame
  UNHANDLED_PROTO, // no protocol for this EtherType
  OTHERHOST, // unicast frame for another station
  DEV_DOWN,
  DEV_XMIT_FULL, // transmit queue over its limit
  NO_BUFFER, // a pool is exhausted
  VLAN_UNKNOWN,
  // ARP and neighbours
  ARP_MALFORMED,
  ARP_NOT_FOR_US,
  NEIGH_FAILED, // unresolved after all probes
  NEIGH_QUEUEFULL,
  NEIGH_TABLE_FULL,
  // IP
  IP_CSUM,
  IP_INHDR, // malformed IPv4 header or options
  IP_INADDRERRORS, // impossible source or destination
  IP_OUTNOROUTES,
  IP_INNOROUTES,
  IP_NOPROTO,
  IP_NOT_FORWARDING,
  IP_TTL_EXCEEDED,
  IP_RPFILTER,
  PKT_TOO_BIG,
  IP_SOURCE_ROUTE,
  FRAG_MALFORMED,
  FRAG_OVERLAP, // RFC 5722
  FRAG_TIMEOUT,
  FRAG_LIMIT, // table or memory bound reached
  FRAG_TOO_LARGE,
  IPV6_BAD_EXTHDR,
  IPV6_NDISC_BAD_OPTIONS,
  IPV6_NDISC_BAD_CODE,
  IPV6_NDISC_BAD_HOPLIMIT,
  IPV6_NDISC_FRAG,
  IPV6_NDISC_MALFORMED,
  IPV6_NDISC_DAD,
  // ICMP, IGMP, MLD
  ICMP_CSUM,
  ICMP_MALFORMED,
  ICMP_UNKNOWN_TYPE,
  ICMP_RATELIMIT,
  ICMP_ECHO_IGNORED,
  ICMP_NO_SOCKET, // an error for a flow we don't have
  IGMP_MALFORMED,
  IGMP_CSUM,
  MLD_MALFORMED,
  // transport
  NO_SOCKET,
  SOCKET_RCVBUFF,
  SOCKET_FILTER,
  UDP_CSUM,
  UDP_MALFORMED,
  UDP_COVERAGE,
  TCP_CSUM,
  TCP_MALFORMED,
  TCP_BAD_OPTIONS,
  TCP_FLAGS,
  TCP_ZEROWINDOW,
  TCP_OLD_DATA,
  TCP_OVERWINDOW,
  TCP_OFOMERGE,
  TCP_OFO_QUEUE_FULL,
  TCP_RFC7323_PAWS,
  TCP_OLD_SEQUENCE,
  TCP_INVALID_SEQUENCE,
  TCP_INVALID_ACK,
  TCP_OLD_ACK,
  TCP_TOO_OLD_ACK,
  TCP_ACK_UNSENT_DATA,
  TCP_RESET,
  TCP_INVALID_SYN,
  TCP_CLOSE,
  TCP_LISTEN_OVERFLOW,
  TCP_SYN_QUEUE_FULL,
  TCP_SYNCOOKIE_INVALID,
  TCP_ABORT_ON_DATA,
  TCP_MEM,
  RAW_CSUM,
  // control
  NETLINK_MALFORMED,
  CHECKSUM_START, // a device described an impossible checksum or segmentation offload
  // authentication of TCP
  TCP_AUTH_HDR, // an option of impossible length, or two of them
  TCP_MD5NOTFOUND,
  TCP_MD5UNEXPECTED,
  TCP_MD5FAILURE,
  TCP_AONOTFOUND,
  TCP_AOUNEXPECTED,
  TCP_AOKEYNOTFOUND,
  TCP_AOFAILURE,
  // several workers
  WORKER_OTHERS, // every worker has it, and it is for another one
  WORKER_MISROUTED, // the host gave it to this worker only, and it is for another one
  COUNT,
}

const COUNTERS: usize = memory.data(1024, 8); // u64 per reason, room for 128

@inline export function dropCount(reason: Drop): void {
  const p = COUNTERS + (<usize>reason << 3);
  store<u64>(p, load<u64>(p) + 1);
}
/** Packets dropped for `reason` since init. */
export function dropCounter(reason: u32): u64 { return reason < <u32>Drop.COUNT ? load<u64>(COUNTERS + (<usize>reason << 3)) : 0; }
/** Address of the u64 counters, indexed by reason. */
export function dropTable(): usize { return COUNTERS; }
