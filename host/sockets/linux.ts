// Linux's numbers that the socket layer needs and the core's ABI does not name (include/uapi/linux/{socket,in,in6,tcp}.h).

export const AF_INET = 2, AF_INET6 = 10;
export const SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3;
export const SHUT_RD = 0, SHUT_WR = 1;

export const MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_MORE = 0x8000;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2, SO_ERROR = 4, SO_BROADCAST = 6, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_KEEPALIVE = 9, SO_LINGER = 13, SO_REUSEPORT = 15;

export const IPPROTO_IP = 0;
export const IP_TTL = 2, IP_PKTINFO = 8, IP_MULTICAST_IF = 32, IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34, IP_ADD_MEMBERSHIP = 35,
  IP_DROP_MEMBERSHIP = 36, IP_ADD_SOURCE_MEMBERSHIP = 39, IP_DROP_SOURCE_MEMBERSHIP = 40;

export const IPPROTO_IPV6 = 41;
export const IPV6_UNICAST_HOPS = 16, IPV6_MULTICAST_IF = 17, IPV6_MULTICAST_HOPS = 18, IPV6_MULTICAST_LOOP = 19, IPV6_ADD_MEMBERSHIP = 20,
  IPV6_DROP_MEMBERSHIP = 21, IPV6_V6ONLY = 26, IPV6_PKTINFO = 50;
export const MCAST_JOIN_SOURCE_GROUP = 46, MCAST_LEAVE_SOURCE_GROUP = 47;

export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1, TCP_KEEPIDLE = 4;

export const IPPROTO_ICMP = 1, IPPROTO_UDP = 17, IPPROTO_ICMPV6 = 58, IPPROTO_UDPLITE = 136;

/** struct ifreq: name in, index out. */
export const SIOCGIFINDEX = 0x8933;
