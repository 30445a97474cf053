// Generated from assembly/ by scripts/abi.mjs; do not edit.
/* eslint-disable */

export const ABI_VERSION = 2;
export const HDR = 0x1000;
export const RX_DESC = 0x2000;
export const ARG = 0x3000;
export const ARG_SIZE = 0x1000;
export const EVENTS = 0x4000;
export const EVENTS_MAX = 1024;
export const IOV = 0x6000;
export const IOV_MAX = 512;
export const VIF = 0x8000;
export const VIF_STRIDE = 64;
export const VIF_MAX = 64;
export const DATA = 0x10000;
export const DATA_SIZE = 0x20000;
export const CONTROL = 0x30000;
export const CONTROL_SIZE = 0x10000;
export const STATIC_BASE = 0x40000;
export const HDR_MAGIC = 0;
export const HDR_ABI = 4;
export const HDR_MEMORY = 8;
export const HDR_FLAGS = 12;
export const HDR_NOW = 16;
export const HDR_DEADLINE = 24;
export const HDR_WALL_OFFSET = 32;
export const HDR_SEED = 40;
export const HDR_RX_POSTED = 72;
export const HDR_EVENTS_PENDING = 76;
export const HDR_TX_PENDING = 80;
export const HDR_MAX_SOCKETS = 84;
export const HDR_RESULT = 88;
export const HDR_DIGEST = 96;
export const RX_DESC_SIZE = 32;
export const RX_RING = 64;
export const RX_HEADROOM = 64;
export const RXD_BUF = 0;
export const RXD_CAP = 4;
export const RXD_LEN = 8;
export const RXD_VIF = 12;
export const RXD_FLAGS = 14;
export const RX_SHARED = 0x80;
export const RXD_GSO_TYPE = 15;
export const RXD_GSO_SIZE = 16;
export const RXD_HDR_LEN = 18;
export const RXD_CSUM_START = 20;
export const RXD_CSUM_OFFSET = 22;
export const WORKER_KEY_SIZE = 80;
export const WORKERS_MAX = 16;
export const VIF_TX_RING = 0;
export const VIF_TX_SIZE = 4;
export const VIF_TX_HEAD = 8;
export const VIF_TX_TAIL = 12;
export const VIF_IFINDEX = 16;
export const VIF_MULTICAST = 24;
export const TX_DESC_SIZE = 96;
export const TX_RING = 256;
export const TXD_LEN = 0;
export const TXD_NFRAGS = 4;
export const TXD_FLAGS = 6;
export const TXD_GSO_TYPE = 7;
export const TXD_GSO_SIZE = 8;
export const TXD_HDR_LEN = 10;
export const TXD_CSUM_START = 12;
export const TXD_CSUM_OFFSET = 14;
export const TXD_SKB = 16;
export const TXD_CHARGE = 20;
export const TXD_FRAGS = 24;
export const TXD_MAX_FRAGS = 9;
export const MSG_NAME = 0;
export const MSG_NAMELEN = 4;
export const MSG_DATA = 8;
export const MSG_DATALEN = 12;
export const MSG_CONTROL = 16;
export const MSG_CONTROLLEN = 20;
export const MSG_FLAGS = 24;
export const MSGHDR_SIZE = 32;
export const REQ_LOCAL = 0;
export const REQ_PEER = 28;
export const REQ_ISN = 56;
export const REQ_SIZE = 60;

export const Vnet = {
  F_NEEDS_CSUM: 1,
  F_DATA_VALID: 2,
  GSO_NONE: 0,
  GSO_TCPV4: 1,
  GSO_UDP: 3,
  GSO_TCPV6: 4,
  GSO_UDP_L4: 5,
  GSO_ECN: 128,
} as const;

export const VifFeature = {
  CSUM: 1,
  TSO4: 2,
  TSO6: 4,
  USO: 8,
  L3: 16,
} as const;

export const Usage = {
  SOCKETS: 0,
  PACKETS: 1,
  CHUNKS: 2,
  BYTES: 3,
  PACKETS_SMALL: 4,
  PACKETS_LARGE: 5,
  CHUNKS_SMALL: 6,
  CHUNKS_LARGE: 7,
  DEVICES: 8,
  ADDRESSES: 9,
  NEIGHBOURS: 10,
  ROUTES: 11,
  FRAGMENTS: 12,
  GROUPS: 13,
  IN6: 14,
  TCP: 15,
  TCP_SEGMENTS: 16,
  TCP_REQUESTS: 17,
  TIME_WAIT: 18,
  DATAGRAM: 19,
  MEMBERSHIPS: 20,
  FILTERS: 21,
  TIMERS: 22,
  GROUP_FILTERS: 23,
  TCP_AUTHS: 24,
  TCP_KEYS: 25,
  COUNT: 26,
} as const;
/** Usage value -> name. */
export const UsageName: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Usage).map(([k, v]) => [v, k]));

export const Poll = {
  IN: 1,
  PRI: 2,
  OUT: 4,
  ERR: 8,
  HUP: 16,
  RDHUP: 8192,
} as const;

export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  EPROTO: 71,
  EBADMSG: 74,
  EOVERFLOW: 75,
  ENOTSOCK: 88,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94,
  EOPNOTSUPP: 95,
  EPFNOSUPPORT: 96,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENETRESET: 102,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  ESTALE: 116,
  EKEYREJECTED: 129,
} as const;
/** Errno value -> name. */
export const ErrnoName: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Errno).map(([k, v]) => [v, k]));

export const Drop = {
  NOT_SPECIFIED: 0,
  PKT_TOO_SMALL: 1,
  HDR_TRUNC: 2,
  UNHANDLED_PROTO: 3,
  OTHERHOST: 4,
  DEV_DOWN: 5,
  DEV_XMIT_FULL: 6,
  NO_BUFFER: 7,
  VLAN_UNKNOWN: 8,
  ARP_MALFORMED: 9,
  ARP_NOT_FOR_US: 10,
  NEIGH_FAILED: 11,
  NEIGH_QUEUEFULL: 12,
  NEIGH_TABLE_FULL: 13,
  IP_CSUM: 14,
  IP_INHDR: 15,
  IP_INADDRERRORS: 16,
  IP_OUTNOROUTES: 17,
  IP_INNOROUTES: 18,
  IP_NOPROTO: 19,
  IP_NOT_FORWARDING: 20,
  IP_TTL_EXCEEDED: 21,
  IP_RPFILTER: 22,
  PKT_TOO_BIG: 23,
  IP_SOURCE_ROUTE: 24,
  FRAG_MALFORMED: 25,
  FRAG_OVERLAP: 26,
  FRAG_TIMEOUT: 27,
  FRAG_LIMIT: 28,
  FRAG_TOO_LARGE: 29,
  IPV6_BAD_EXTHDR: 30,
  IPV6_NDISC_BAD_OPTIONS: 31,
  IPV6_NDISC_BAD_CODE: 32,
  IPV6_NDISC_BAD_HOPLIMIT: 33,
  IPV6_NDISC_FRAG: 34,
  IPV6_NDISC_MALFORMED: 35,
  IPV6_NDISC_DAD: 36,
  ICMP_CSUM: 37,
  ICMP_MALFORMED: 38,
  ICMP_UNKNOWN_TYPE: 39,
  ICMP_RATELIMIT: 40,
  ICMP_ECHO_IGNORED: 41,
  ICMP_NO_SOCKET: 42,
  IGMP_MALFORMED: 43,
  IGMP_CSUM: 44,
  MLD_MALFORMED: 45,
  NO_SOCKET: 46,
  SOCKET_RCVBUFF: 47,
  SOCKET_FILTER: 48,
  UDP_CSUM: 49,
  UDP_MALFORMED: 50,
  UDP_COVERAGE: 51,
  TCP_CSUM: 52,
  TCP_MALFORMED: 53,
  TCP_BAD_OPTIONS: 54,
  TCP_FLAGS: 55,
  TCP_ZEROWINDOW: 56,
  TCP_OLD_DATA: 57,
  TCP_OVERWINDOW: 58,
  TCP_OFOMERGE: 59,
  TCP_OFO_QUEUE_FULL: 60,
  TCP_RFC7323_PAWS: 61,
  TCP_OLD_SEQUENCE: 62,
  TCP_INVALID_SEQUENCE: 63,
  TCP_INVALID_ACK: 64,
  TCP_OLD_ACK: 65,
  TCP_TOO_OLD_ACK: 66,
  TCP_ACK_UNSENT_DATA: 67,
  TCP_RESET: 68,
  TCP_INVALID_SYN: 69,
  TCP_CLOSE: 70,
  TCP_LISTEN_OVERFLOW: 71,
  TCP_SYN_QUEUE_FULL: 72,
  TCP_SYNCOOKIE_INVALID: 73,
  TCP_ABORT_ON_DATA: 74,
  TCP_MEM: 75,
  RAW_CSUM: 76,
  NETLINK_MALFORMED: 77,
  CHECKSUM_START: 78,
  TCP_AUTH_HDR: 79,
  TCP_MD5NOTFOUND: 80,
  TCP_MD5UNEXPECTED: 81,
  TCP_MD5FAILURE: 82,
  TCP_AONOTFOUND: 83,
  TCP_AOUNEXPECTED: 84,
  TCP_AOKEYNOTFOUND: 85,
  TCP_AOFAILURE: 86,
  WORKER_OTHERS: 87,
  WORKER_MISROUTED: 88,
  COUNT: 89,
} as const;
/** Drop value -> name. */
export const DropName: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Drop).map(([k, v]) => [v, k]));

export const Mib = {
  IpInReceives: 0,
  IpInHdrErrors: 1,
  IpInAddrErrors: 2,
  IpForwDatagrams: 3,
  IpInUnknownProtos: 4,
  IpInDiscards: 5,
  IpInDelivers: 6,
  IpOutRequests: 7,
  IpOutDiscards: 8,
  IpOutNoRoutes: 9,
  IpReasmTimeout: 10,
  IpReasmReqds: 11,
  IpReasmOKs: 12,
  IpReasmFails: 13,
  IpFragOKs: 14,
  IpFragFails: 15,
  IpFragCreates: 16,
  Ip6InReceives: 17,
  Ip6InHdrErrors: 18,
  Ip6InTooBigErrors: 19,
  Ip6InNoRoutes: 20,
  Ip6InAddrErrors: 21,
  Ip6InUnknownProtos: 22,
  Ip6InTruncatedPkts: 23,
  Ip6InDiscards: 24,
  Ip6InDelivers: 25,
  Ip6OutForwDatagrams: 26,
  Ip6OutRequests: 27,
  Ip6OutDiscards: 28,
  Ip6OutNoRoutes: 29,
  Ip6ReasmTimeout: 30,
  Ip6ReasmReqds: 31,
  Ip6ReasmOKs: 32,
  Ip6ReasmFails: 33,
  Ip6FragOKs: 34,
  Ip6FragFails: 35,
  Ip6FragCreates: 36,
  IcmpInMsgs: 37,
  IcmpInErrors: 38,
  IcmpInCsumErrors: 39,
  IcmpInDestUnreachs: 40,
  IcmpInTimeExcds: 41,
  IcmpInParmProbs: 42,
  IcmpInRedirects: 43,
  IcmpInEchos: 44,
  IcmpInEchoReps: 45,
  IcmpOutMsgs: 46,
  IcmpOutErrors: 47,
  IcmpOutDestUnreachs: 48,
  IcmpOutTimeExcds: 49,
  IcmpOutParmProbs: 50,
  IcmpOutEchos: 51,
  IcmpOutEchoReps: 52,
  IcmpOutRateLimitHost: 53,
  Icmp6InMsgs: 54,
  Icmp6InErrors: 55,
  Icmp6InCsumErrors: 56,
  Icmp6OutMsgs: 57,
  Icmp6OutErrors: 58,
  TcpActiveOpens: 59,
  TcpPassiveOpens: 60,
  TcpAttemptFails: 61,
  TcpEstabResets: 62,
  TcpCurrEstab: 63,
  TcpInSegs: 64,
  TcpOutSegs: 65,
  TcpRetransSegs: 66,
  TcpInErrs: 67,
  TcpOutRsts: 68,
  TcpInCsumErrors: 69,
  UdpInDatagrams: 70,
  UdpNoPorts: 71,
  UdpInErrors: 72,
  UdpOutDatagrams: 73,
  UdpRcvbufErrors: 74,
  UdpSndbufErrors: 75,
  UdpInCsumErrors: 76,
  Udp6InDatagrams: 77,
  Udp6NoPorts: 78,
  Udp6InErrors: 79,
  Udp6OutDatagrams: 80,
  Udp6RcvbufErrors: 81,
  Udp6SndbufErrors: 82,
  Udp6InCsumErrors: 83,
  TcpExtSyncookiesSent: 84,
  TcpExtSyncookiesRecv: 85,
  TcpExtSyncookiesFailed: 86,
  TcpExtListenOverflows: 87,
  TcpExtListenDrops: 88,
  TcpExtTW: 89,
  TcpExtTWRecycled: 90,
  TcpExtPAWSActive: 91,
  TcpExtPAWSEstab: 92,
  TcpExtDelayedACKs: 93,
  TcpExtTCPTimeouts: 94,
  TcpExtTCPLossProbes: 95,
  TcpExtTCPLossProbeRecovery: 96,
  TcpExtTCPSackRecovery: 97,
  TcpExtTCPFastRetrans: 98,
  TcpExtTCPSlowStartRetrans: 99,
  TcpExtTCPSpuriousRTOs: 100,
  TcpExtTCPLostRetransmit: 101,
  TcpExtTCPDSACKOldSent: 102,
  TcpExtTCPDSACKOfoSent: 103,
  TcpExtTCPDSACKRecv: 104,
  TcpExtTCPOFOQueue: 105,
  TcpExtTCPOFODrop: 106,
  TcpExtTCPOFOMerge: 107,
  TcpExtTCPChallengeACK: 108,
  TcpExtTCPSYNChallenge: 109,
  TcpExtTCPAbortOnData: 110,
  TcpExtTCPAbortOnClose: 111,
  TcpExtTCPAbortOnMemory: 112,
  TcpExtTCPAbortOnTimeout: 113,
  TcpExtTCPAbortOnLinger: 114,
  TcpExtTCPRcvCoalesce: 115,
  TcpExtTCPRcvPruned: 116,
  TcpExtTCPMemoryPressures: 117,
  TcpExtTCPKeepAlive: 118,
  TcpExtTCPRcvQDrop: 119,
  TcpExtTCPSynRetrans: 120,
  TcpExtTCPOrigDataSent: 121,
  TcpExtTCPHPHits: 122,
  TcpExtTCPWantZeroWindowAdv: 123,
  TcpExtTCPFromZeroWindowAdv: 124,
  TcpExtTCPToZeroWindowAdv: 125,
  TcpExtTCPReqQFullDrop: 126,
  TcpExtTCPReqQFullDoCookies: 127,
  TcpExtTCPMTUPFail: 128,
  TcpExtTCPMTUPSuccess: 129,
  TcpExtTCPTimeWaitOverflow: 130,
  TcpExtTCPACKSkippedChallenge: 131,
  TcpExtTCPRenoRecovery: 132,
  TcpExtTCPFastOpenActive: 133,
  TcpExtTCPFastOpenActiveFail: 134,
  TcpExtTCPFastOpenPassive: 135,
  TcpExtTCPFastOpenPassiveFail: 136,
  TcpExtTCPFastOpenListenOverflow: 137,
  TcpExtTCPFastOpenCookieReqd: 138,
  TcpExtTCPFastOpenBlackhole: 139,
  TcpExtTCPFastOpenPassiveAltKey: 140,
  UdpLiteInDatagrams: 141,
  UdpLiteNoPorts: 142,
  UdpLiteInErrors: 143,
  UdpLiteOutDatagrams: 144,
  UdpLiteRcvbufErrors: 145,
  UdpLiteSndbufErrors: 146,
  UdpLiteInCsumErrors: 147,
  UdpLite6InDatagrams: 148,
  UdpLite6NoPorts: 149,
  UdpLite6InErrors: 150,
  UdpLite6OutDatagrams: 151,
  UdpLite6RcvbufErrors: 152,
  UdpLite6SndbufErrors: 153,
  UdpLite6InCsumErrors: 154,
  TcpExtTCPMD5NotFound: 155,
  TcpExtTCPMD5Unexpected: 156,
  TcpExtTCPMD5Failure: 157,
  TcpExtTCPAORequired: 158,
  TcpExtTCPAOBad: 159,
  TcpExtTCPAOKeyNotFound: 160,
  TcpExtTCPAOGood: 161,
  TcpExtTCPAODroppedIcmps: 162,
  TcpExtTCPHystartDelayDetect: 163,
  TcpExtTCPHystartDelayCwnd: 164,
  TcpExtTCPSACKReneging: 165,
  COUNT: 166,
} as const;
/** Mib value -> name. */
export const MibName: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Mib).map(([k, v]) => [v, k]));

export const Sysctl = {
  IP_FORWARD: 0,
  IP6_FORWARD: 1,
  IP_DEFAULT_TTL: 2,
  IP6_HOP_LIMIT: 3,
  IP_NO_PMTU_DISC: 4,
  IP_LOCAL_PORT_MIN: 5,
  IP_LOCAL_PORT_MAX: 6,
  IP_UNPRIVILEGED_PORT_START: 7,
  PING_GROUP_MIN: 8,
  PING_GROUP_MAX: 9,
  ICMP_ECHO_IGNORE_ALL: 10,
  ICMP_ECHO_IGNORE_BROADCASTS: 11,
  ICMP_RATELIMIT: 12,
  ICMP_MSGS_PER_SEC: 13,
  ICMP_MSGS_BURST: 14,
  ICMP6_RATELIMIT: 15,
  IPFRAG_HIGH_THRESH: 16,
  IPFRAG_TIME: 17,
  IP6FRAG_HIGH_THRESH: 18,
  IP6FRAG_TIME: 19,
  RP_FILTER: 20,
  IGMP_MAX_MEMBERSHIPS: 21,
  CORE_RMEM_DEFAULT: 22,
  CORE_RMEM_MAX: 23,
  CORE_WMEM_DEFAULT: 24,
  CORE_WMEM_MAX: 25,
  CORE_SOMAXCONN: 26,
  TCP_RMEM_MIN: 27,
  TCP_RMEM_DEFAULT: 28,
  TCP_RMEM_MAX: 29,
  TCP_WMEM_MIN: 30,
  TCP_WMEM_DEFAULT: 31,
  TCP_WMEM_MAX: 32,
  TCP_TIMESTAMPS: 33,
  TCP_SACK: 34,
  TCP_DSACK: 35,
  TCP_WINDOW_SCALING: 36,
  TCP_ECN: 37,
  TCP_SYNCOOKIES: 38,
  TCP_MAX_SYN_BACKLOG: 39,
  TCP_SYN_RETRIES: 40,
  TCP_SYNACK_RETRIES: 41,
  TCP_RETRIES1: 42,
  TCP_RETRIES2: 43,
  TCP_ORPHAN_RETRIES: 44,
  TCP_FIN_TIMEOUT: 45,
  TCP_KEEPALIVE_TIME: 46,
  TCP_KEEPALIVE_INTVL: 47,
  TCP_KEEPALIVE_PROBES: 48,
  TCP_TW_REUSE: 49,
  TCP_MAX_TW_BUCKETS: 50,
  TCP_MODERATE_RCVBUF: 51,
  TCP_MTU_PROBING: 52,
  TCP_BASE_MSS: 53,
  TCP_ABORT_ON_OVERFLOW: 54,
  TCP_SLOW_START_AFTER_IDLE: 55,
  TCP_EARLY_RETRANS: 56,
  TCP_RECOVERY: 57,
  TCP_CHALLENGE_ACK_LIMIT: 58,
  TCP_INVALID_RATELIMIT: 59,
  TCP_RFC1337: 60,
  TCP_STDURG: 61,
  TCP_NOTSENT_LOWAT: 62,
  TCP_AUTOCORKING: 63,
  TCP_MIN_RTT_WLEN: 64,
  TCP_CONGESTION: 65,
  UDP_RMEM_MIN: 66,
  UDP_WMEM_MIN: 67,
  NEIGH_GC_THRESH3: 68,
  MLD_MAX_MSF: 69,
  IP_NONLOCAL_BIND: 70,
  IP6_NONLOCAL_BIND: 71,
  BINDV6ONLY: 72,
  TCP_FASTOPEN: 73,
  TCP_FASTOPEN_BLACKHOLE_TIMEOUT: 74,
  TCP_FASTOPEN_KEY0: 75,
  TCP_FASTOPEN_KEY1: 76,
  TCP_FASTOPEN_KEY2: 77,
  TCP_FASTOPEN_KEY3: 78,
  TCP_FASTOPEN_KEY4: 79,
  TCP_FASTOPEN_KEY5: 80,
  TCP_FASTOPEN_KEY6: 81,
  TCP_FASTOPEN_KEY7: 82,
  TCP_CUBIC_HYSTART: 83,
  TCP_ECN_OPTION: 84,
  TCP_ECN_OPTION_BEACON: 85,
  COUNT: 86,
} as const;
/** Sysctl value -> name. */
export const SysctlName: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Sysctl).map(([k, v]) => [v, k]));

export const DeviceConf = {
  ACCEPT_RA: 0,
  AUTOCONF: 1,
  DAD_TRANSMITS: 2,
  HOP_LIMIT: 3,
  MTU: 4,
} as const;
