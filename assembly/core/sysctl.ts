// Per-stack settings under Linux's names and defaults. A setting is a u32 in one table, read directly by the
// code it governs; control/ maps the dotted names. Per-device settings live in NetDevice. Append only.

export const enum Sysctl {
  IP_FORWARD, // net.ipv4.ip_forward
  IP6_FORWARD, // net.ipv6.conf.all.forwarding
  IP_DEFAULT_TTL,
  IP6_HOP_LIMIT,
  IP_NO_PMTU_DISC,
  IP_LOCAL_PORT_MIN, // net.ipv4.ip_local_port_range
  IP_LOCAL_PORT_MAX,
  IP_UNPRIVILEGED_PORT_START,
  PING_GROUP_MIN,
  PING_GROUP_MAX,
  ICMP_ECHO_IGNORE_ALL,
  ICMP_ECHO_IGNORE_BROADCASTS,
  ICMP_RATELIMIT, // ms between errors per destination, default 1000
  ICMP_MSGS_PER_SEC,
  ICMP_MSGS_BURST,
  ICMP6_RATELIMIT,
  IPFRAG_HIGH_THRESH, // bytes
  IPFRAG_TIME, // s
  IP6FRAG_HIGH_THRESH,
  IP6FRAG_TIME,
  RP_FILTER,
  IGMP_MAX_MEMBERSHIPS,
  CORE_RMEM_DEFAULT,
  CORE_RMEM_MAX,
  CORE_WMEM_DEFAULT,
  CORE_WMEM_MAX,
  CORE_SOMAXCONN,
  TCP_RMEM_MIN, TCP_RMEM_DEFAULT, TCP_RMEM_MAX,
  TCP_WMEM_MIN, TCP_WMEM_DEFAULT, TCP_WMEM_MAX,
  TCP_TIMESTAMPS,
  TCP_SACK,
  TCP_DSACK,
  TCP_WINDOW_SCALING,
  TCP_ECN,
  TCP_SYNCOOKIES, // 0 never, 1 when the queue overflows, 2 always
  TCP_MAX_SYN_BACKLOG,
  TCP_SYN_RETRIES,
  TCP_SYNACK_RETRIES,
  TCP_RETRIES1,
  TCP_RETRIES2,
  TCP_ORPHAN_RETRIES,
  TCP_FIN_TIMEOUT, // s
  TCP_KEEPALIVE_TIME, // s
  TCP_KEEPALIVE_INTVL,
  TCP_KEEPALIVE_PROBES,
  TCP_TW_REUSE,
  TCP_MAX_TW_BUCKETS,
  TCP_MODERATE_RCVBUF,
  TCP_MTU_PROBING,
  TCP_BASE_MSS,
  TCP_ABORT_ON_OVERFLOW,
  TCP_SLOW_START_AFTER_IDLE,
  TCP_EARLY_RETRANS,
  TCP_RECOVERY,
  TCP_CHALLENGE_ACK_LIMIT,
  TCP_INVALID_RATELIMIT, // ms
  TCP_RFC1337,
  TCP_STDURG,
  TCP_NOTSENT_LOWAT,
  TCP_AUTOCORKING,
  TCP_MIN_RTT_WLEN, // s
  TCP_CONGESTION, // id of the default congestion control
  UDP_RMEM_MIN,
  UDP_WMEM_MIN,
  NEIGH_GC_THRESH3,
  MLD_MAX_MSF,
  IP_NONLOCAL_BIND,
  IP6_NONLOCAL_BIND,
  BINDV6ONLY,
  TCP_FASTOPEN, // bits of transport/tcp/fastopen.ts
  TCP_FASTOPEN_BLACKHOLE_TIMEOUT, // s, 0 = no detection
  // net.ipv4.tcp_fastopen_key: the key and the one before it, four words each; all zero = not set
  TCP_FASTOPEN_KEY0, TCP_FASTOPEN_KEY1, TCP_FASTOPEN_KEY2, TCP_FASTOPEN_KEY3,
  TCP_FASTOPEN_KEY4, TCP_FASTOPEN_KEY5, TCP_FASTOPEN_KEY6, TCP_FASTOPEN_KEY7,
  TCP_CUBIC_HYSTART, // HyStart++ (RFC 9406) in slow start
  TCP_ECN_OPTION, // 0 never, 1 when marks change, 2 on every ACK of data
  TCP_ECN_OPTION_BEACON, // of 1: times in a round trip
  COUNT,
}

const TABLE: usize = memory.data(1024, 4); // room for 256

@inline export function sysctl(k: Sysctl): u32 { return load<u32>(TABLE + (<usize>k << 2)); }
@inline export function sysctlSet(k: u32, v: u32): void {
  if (k < <u32>Sysctl.COUNT) store<u32>(TABLE + (<usize>k << 2), v);
}

export function sysctlInit(): void {
  sysctlSet(Sysctl.IP_DEFAULT_TTL, 64);
  sysctlSet(Sysctl.IP6_HOP_LIMIT, 64);
  sysctlSet(Sysctl.IP_LOCAL_PORT_MIN, 32768);
  sysctlSet(Sysctl.IP_LOCAL_PORT_MAX, 60999);
  sysctlSet(Sysctl.IP_UNPRIVILEGED_PORT_START, 1024);
  sysctlSet(Sysctl.PING_GROUP_MIN, 0);
  sysctlSet(Sysctl.PING_GROUP_MAX, 0x7fffffff); // the stack is private to its programs
  sysctlSet(Sysctl.ICMP_ECHO_IGNORE_BROADCASTS, 1);
  sysctlSet(Sysctl.ICMP_RATELIMIT, 1000);
  sysctlSet(Sysctl.ICMP_MSGS_PER_SEC, 1000);
  sysctlSet(Sysctl.ICMP_MSGS_BURST, 50);
  sysctlSet(Sysctl.ICMP6_RATELIMIT, 1000);
  sysctlSet(Sysctl.IPFRAG_HIGH_THRESH, 4 << 20);
  sysctlSet(Sysctl.IPFRAG_TIME, 30);
  sysctlSet(Sysctl.IP6FRAG_HIGH_THRESH, 4 << 20);
  sysctlSet(Sysctl.IP6FRAG_TIME, 60);
  sysctlSet(Sysctl.IGMP_MAX_MEMBERSHIPS, 20);
  sysctlSet(Sysctl.CORE_RMEM_DEFAULT, 212992);
  sysctlSet(Sysctl.CORE_RMEM_MAX, 4 << 20);
  sysctlSet(Sysctl.CORE_WMEM_DEFAULT, 212992);
  sysctlSet(Sysctl.CORE_WMEM_MAX, 4 << 20);
  sysctlSet(Sysctl.CORE_SOMAXCONN, 4096);
  sysctlSet(Sysctl.TCP_RMEM_MIN, 4096);
  sysctlSet(Sysctl.TCP_RMEM_DEFAULT, 131072);
  sysctlSet(Sysctl.TCP_RMEM_MAX, 6 << 20);
  sysctlSet(Sysctl.TCP_WMEM_MIN, 4096);
  sysctlSet(Sysctl.TCP_WMEM_DEFAULT, 16384);
  sysctlSet(Sysctl.TCP_WMEM_MAX, 4 << 20);
  sysctlSet(Sysctl.TCP_TIMESTAMPS, 1);
  sysctlSet(Sysctl.TCP_SACK, 1);
  sysctlSet(Sysctl.TCP_DSACK, 1);
  sysctlSet(Sysctl.TCP_WINDOW_SCALING, 1);
  sysctlSet(Sysctl.TCP_ECN, 2); // when the peer asks
  sysctlSet(Sysctl.TCP_SYNCOOKIES, 1);
  sysctlSet(Sysctl.TCP_MAX_SYN_BACKLOG, 512);
  sysctlSet(Sysctl.TCP_SYN_RETRIES, 6);
  sysctlSet(Sysctl.TCP_SYNACK_RETRIES, 5);
  sysctlSet(Sysctl.TCP_RETRIES1, 3);
  sysctlSet(Sysctl.TCP_RETRIES2, 15);
  sysctlSet(Sysctl.TCP_FIN_TIMEOUT, 60);
  sysctlSet(Sysctl.TCP_KEEPALIVE_TIME, 7200);
  sysctlSet(Sysctl.TCP_KEEPALIVE_INTVL, 75);
  sysctlSet(Sysctl.TCP_KEEPALIVE_PROBES, 9);
  sysctlSet(Sysctl.TCP_TW_REUSE, 2);
  sysctlSet(Sysctl.TCP_MAX_TW_BUCKETS, 4096);
  sysctlSet(Sysctl.TCP_MODERATE_RCVBUF, 1);
  sysctlSet(Sysctl.TCP_BASE_MSS, 1024);
  sysctlSet(Sysctl.TCP_SLOW_START_AFTER_IDLE, 1);
  sysctlSet(Sysctl.TCP_EARLY_RETRANS, 3);
  sysctlSet(Sysctl.TCP_RECOVERY, 1);
  sysctlSet(Sysctl.TCP_CHALLENGE_ACK_LIMIT, 1000);
  sysctlSet(Sysctl.TCP_INVALID_RATELIMIT, 500);
  sysctlSet(Sysctl.TCP_NOTSENT_LOWAT, u32.MAX_VALUE);
  sysctlSet(Sysctl.TCP_AUTOCORKING, 1);
  sysctlSet(Sysctl.TCP_MIN_RTT_WLEN, 300);
  sysctlSet(Sysctl.UDP_RMEM_MIN, 4096);
  sysctlSet(Sysctl.UDP_WMEM_MIN, 4096);
  sysctlSet(Sysctl.NEIGH_GC_THRESH3, 1024);
  sysctlSet(Sysctl.MLD_MAX_MSF, 64);
  sysctlSet(Sysctl.TCP_FASTOPEN, 1); // as client
  sysctlSet(Sysctl.TCP_CUBIC_HYSTART, 1);
  sysctlSet(Sysctl.TCP_ECN_OPTION, 2);
  sysctlSet(Sysctl.TCP_ECN_OPTION_BEACON, 3);
}
