// Numbers of Linux that the glue needs and the core's ABI does not have: system calls, flags, options, ioctls.

/** System call numbers of this architecture; the filter (native/filter.c) decides which of them are notified. */
export interface CallNumbers {
  socket: number; connect: number; accept: number; accept4: number; bind: number; listen: number;
  sendto: number; recvfrom: number; sendmsg: number; recvmsg: number; sendmmsg: number; recvmmsg: number;
  shutdown: number; getsockname: number; getpeername: number; setsockopt: number; getsockopt: number; ioctl: number;
}

const X64: CallNumbers = {
  socket: 41, connect: 42, accept: 43, accept4: 288, bind: 49, listen: 50, sendto: 44, recvfrom: 45, sendmsg: 46, recvmsg: 47,
  sendmmsg: 307, recvmmsg: 299, shutdown: 48, getsockname: 51, getpeername: 52, setsockopt: 54, getsockopt: 55, ioctl: 16,
};
const ARM64: CallNumbers = {
  socket: 198, connect: 203, accept: 202, accept4: 242, bind: 200, listen: 201, sendto: 206, recvfrom: 207, sendmsg: 211, recvmsg: 212,
  sendmmsg: 269, recvmmsg: 243, shutdown: 210, getsockname: 204, getpeername: 205, setsockopt: 208, getsockopt: 209, ioctl: 29,
};

export function callNumbers(arch: string): CallNumbers {
  if (arch === 'x64') return X64;
  if (arch === 'arm64') return ARM64;
  throw new Error(`programs cannot be supervised on ${arch}`);
}

export const AF_UNSPEC = 0, AF_INET = 2, AF_INET6 = 10, AF_NETLINK = 16, AF_PACKET = 17;
export const SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5, SOCK_PACKET = 10, SOCK_TYPE_MASK = 0xf;
export const SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
export const ETH_P_ALL = 3;
export const O_NONBLOCK = SOCK_NONBLOCK;

export const MSG_OOB = 1, MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_ERRQUEUE = 0x2000,
  MSG_WAITFORONE = 0x10000, MSG_FASTOPEN = 0x20000000;

export const SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2;

export const SOL_SOCKET = 1;
export const SO_ERROR = 4, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_OOBINLINE = 10, SO_LINGER = 13, SO_RCVLOWAT = 18, SO_RCVTIMEO = 20,
  SO_SNDTIMEO = 21, SO_ATTACH_FILTER = 26, SO_PEERNAME = 28, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE = 33, SO_ATTACH_REUSEPORT_CBPF = 51,
  SO_RCVTIMEO_NEW = 66, SO_SNDTIMEO_NEW = 67;

export const IPPROTO_IP = 0, IP_RECVERR = 11, IPPROTO_IPV6 = 41, IPV6_RECVERR = 25;
/** getsockopt of IPPROTO_TCP; its structure and the place of the number of keys in it. */
export const IPPROTO_TCP = 6, TCP_AO_GET_KEYS = 41, AO_KEY_SIZE = 304, AO_NKEYS = 272;

export const FIONREAD = 0x541b, SIOCOUTQ = 0x5411, SIOCATMARK = 0x8905, SIOCGIFCONF = 0x8912;

export const EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 0x10, EPOLLRDHUP = 0x2000, EPOLLET = 0x80000000;

export const ENOENT = 2, EINTR = 4, EBADF = 9, EAGAIN = 11, EFAULT = 14, EINVAL = 22, EPIPE = 32, EDOM = 33,
  EDESTADDRREQ = 89, EMSGSIZE = 90, EOPNOTSUPP = 95, EADDRINUSE = 98, ECONNABORTED = 103, ECONNRESET = 104, ENOBUFS = 105, EISCONN = 106, ENOTCONN = 107, EALREADY = 114, EINPROGRESS = 115;
