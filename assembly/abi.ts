// The boundary between the core and its host: the one source of truth. `npm run build` derives
// host/abi/constants.ts from this file, so every line is `export const NAME: u32 = <literal>;`
// or a `const enum`. Addresses are byte offsets in linear memory; all fields are little-endian.

/** Raised whenever the meaning of anything below changes. */
export const ABI_VERSION: u32 = 2;

// ---- Map of low memory (below STATIC_BASE; asc is given --memoryBase STATIC_BASE) ----
/** 0 .. HDR is never written: a null pointer reads zeros, and the sanitizer build checks that it still does. */
export const HDR: u32 = 0x1000;
/** 64 receive descriptors posted by the core, filled by the host. */
export const RX_DESC: u32 = 0x2000;
/** Small arguments and results of one call: socket addresses, option values, iovec and msghdr records. */
export const ARG: u32 = 0x3000;
export const ARG_SIZE: u32 = 0x1000;
/** Readiness events: pairs (handle u32, mask u32) written by events(). */
export const EVENTS: u32 = 0x4000;
export const EVENTS_MAX: u32 = 1024;
/** Gather/scatter lists: pairs (address u32, length u32). */
export const IOV: u32 = 0x6000;
export const IOV_MAX: u32 = 512;
/** Vif headers, VIF_STRIDE bytes each. */
export const VIF: u32 = 0x8000;
export const VIF_STRIDE: u32 = 64;
export const VIF_MAX: u32 = 64;
/** Staging area of one message (datagram payload, netlink message, ancillary data follows at CONTROL). */
export const DATA: u32 = 0x10000;
export const DATA_SIZE: u32 = 0x20000;
export const CONTROL: u32 = 0x30000;
export const CONTROL_SIZE: u32 = 0x10000;
export const STATIC_BASE: u32 = 0x40000;

// ---- HDR fields (offsets from HDR) ----
/** u32, written by init: 0x4553554e, "NUSE". */
export const HDR_MAGIC: u32 = 0;
/** u32, written by init: ABI_VERSION. */
export const HDR_ABI: u32 = 4;
/** u32 in: size of linear memory in bytes. */
export const HDR_MEMORY: u32 = 8;
/** u32 in: INIT_* flags. */
export const HDR_FLAGS: u32 = 12;
/** u64 in: monotonic time, ns. Set before every call. */
export const HDR_NOW: u32 = 16;
/** u64 out of poll: time of the next timer, ns; 2^64-1 when none. */
export const HDR_DEADLINE: u32 = 24;
/** i64 in: what to add to HDR_NOW for the time since 1970, ns (SO_TIMESTAMP only). */
export const HDR_WALL_OFFSET: u32 = 32;
/** 32 bytes in at init: the seed of all randomness. */
export const HDR_SEED: u32 = 40;
/** u32 out: receive descriptors posted and usable by the host. */
export const HDR_RX_POSTED: u32 = 72;
/** u32 out: 1 when events() has something to tell. */
export const HDR_EVENTS_PENDING: u32 = 76;
/** u32 out: bit mask of vifs (low 32) whose transmit ring is not empty. */
export const HDR_TX_PENDING: u32 = 80;
/** u32 in at init: number of sockets; 0 = default. */
export const HDR_MAX_SOCKETS: u32 = 84;
/** u32 out: iovec entries or bytes, by the call that says so. */
export const HDR_RESULT: u32 = 88;
/** 4 u32 out of frame_take. */
export const HDR_DIGEST: u32 = 96;

// ---- Receive descriptor, RX_DESC_SIZE bytes ----
// The core posts (buf, cap); the host stores the frame at buf, may use the RX_HEADROOM bytes
// before it for a virtio_net_hdr, and fills the rest (virtio-net header semantics).
export const RX_DESC_SIZE: u32 = 32;
export const RX_RING: u32 = 64;
export const RX_HEADROOM: u32 = 64;
export const RXD_BUF: u32 = 0;
export const RXD_CAP: u32 = 4;
/** u32: frame length in bytes. */
export const RXD_LEN: u32 = 8;
/** u16: vif slot the frame came from. */
export const RXD_VIF: u32 = 12;
/** u8: VNET_F_* as in virtio_net_hdr.flags, and RX_SHARED. */
export const RXD_FLAGS: u32 = 14;
/** Of RXD_FLAGS, looked at after ctl_worker: every worker is given this frame. */
export const RX_SHARED: u32 = 0x80;
/** u8: VNET_GSO_* as in virtio_net_hdr.gso_type. */
export const RXD_GSO_TYPE: u32 = 15;
export const RXD_GSO_SIZE: u32 = 16;
export const RXD_HDR_LEN: u32 = 18;
export const RXD_CSUM_START: u32 = 20;
export const RXD_CSUM_OFFSET: u32 = 22;

/** Bytes of the key that leads flows to workers (ctl_worker): 10 u64. */
export const WORKER_KEY_SIZE: u32 = 80;
/** The most workers of one stack. */
export const WORKERS_MAX: u32 = 16;

// ---- Vif header ----
/** u32 out: address of the transmit ring. */
export const VIF_TX_RING: u32 = 0;
/** u32 out: entries in the ring, a power of two. */
export const VIF_TX_SIZE: u32 = 4;
/** u32 out: free-running producer index. */
export const VIF_TX_HEAD: u32 = 8;
/** u32 in: free-running consumer index; frames before it were accepted by the device or dropped there. */
export const VIF_TX_TAIL: u32 = 12;
/** u32 out: interface index, 0 = slot unused. */
export const VIF_IFINDEX: u32 = 16;
/**
 * u64 out: the multicast frames that the stack wants, as a hash filter like those of network adapters: bit
 * ((dst[3] << 3) ^ (dst[4] >> 2) ^ dst[5]) & 63 is set. A back end may drop others of its own accord; broadcasts are always wanted.
 */
export const VIF_MULTICAST: u32 = 24;

// ---- Transmit descriptor, TX_DESC_SIZE bytes: one frame as a gather list ----
export const TX_DESC_SIZE: u32 = 96;
export const TX_RING: u32 = 256;
/** u32: frame length in bytes (sum of the pieces). */
export const TXD_LEN: u32 = 0;
/** u16: number of pieces, 1..TXD_MAX_FRAGS. */
export const TXD_NFRAGS: u32 = 4;
/** u8, u8: virtio_net_hdr.flags and gso_type. */
export const TXD_FLAGS: u32 = 6;
export const TXD_GSO_TYPE: u32 = 7;
export const TXD_GSO_SIZE: u32 = 8;
export const TXD_HDR_LEN: u32 = 10;
export const TXD_CSUM_START: u32 = 12;
export const TXD_CSUM_OFFSET: u32 = 14;
/** u32: private to the core. */
export const TXD_SKB: u32 = 16;
/** u32: what is charged to the sender's send buffer until the frame is given back; 0 when nobody waits for that. */
export const TXD_CHARGE: u32 = 20;
/** Pairs (address u32, length u32). */
export const TXD_FRAGS: u32 = 24;
export const TXD_MAX_FRAGS: u32 = 9;

/** virtio_net_hdr values (Linux include/uapi/linux/virtio_net.h). */
export const enum Vnet {
  F_NEEDS_CSUM = 1,
  F_DATA_VALID = 2,
  GSO_NONE = 0,
  GSO_TCPV4 = 1,
  GSO_UDP = 3,
  GSO_TCPV6 = 4,
  GSO_UDP_L4 = 5,
  GSO_ECN = 0x80,
}

/** What a vif can do, given to dev_register. */
export const enum VifFeature {
  /** Fills and completes partial checksums. */
  CSUM = 1,
  TSO4 = 2,
  TSO6 = 4,
  USO = 8,
  /** No link layer: frames are IP packets (TUN). */
  L3 = 16,
}

// ---- msghdr record for sys_sendmsg / sys_recvmsg, at ARG or anywhere in memory (host writes, core updates) ----
export const MSG_NAME: u32 = 0; // u32 address of a sockaddr, 0 = none
export const MSG_NAMELEN: u32 = 4; // u32 in: room; out: length
export const MSG_DATA: u32 = 8; // u32 address of the payload
export const MSG_DATALEN: u32 = 12; // u32 bytes
export const MSG_CONTROL: u32 = 16; // u32 address of cmsg data (Linux 64-bit layout)
export const MSG_CONTROLLEN: u32 = 20; // u32 in: room; out: used
export const MSG_FLAGS: u32 = 24; // u32 out: MSG_TRUNC, MSG_CTRUNC ...
export const MSGHDR_SIZE: u32 = 32;

// ---- record of a connection request that waits for the host, REQ_SIZE bytes (sys_request_take writes, sys_request_answer reads) ----
/** sockaddr_in6: where the peer wants to go (IPv4 as ::ffff:a.b.c.d). */
export const REQ_LOCAL: u32 = 0;
/** sockaddr_in6: the peer. */
export const REQ_PEER: u32 = 28;
/** u32: sequence number of its SYN. */
export const REQ_ISN: u32 = 56;
export const REQ_SIZE: u32 = 60;

/** What usage() tells: slots in use of a pool, bytes carved at init, armed timers. */
export const enum Usage {
  SOCKETS, PACKETS, CHUNKS, BYTES, PACKETS_SMALL, PACKETS_LARGE, CHUNKS_SMALL, CHUNKS_LARGE, DEVICES, ADDRESSES, NEIGHBOURS, ROUTES, FRAGMENTS,
  GROUPS, IN6, TCP, TCP_SEGMENTS, TCP_REQUESTS, TIME_WAIT, DATAGRAM, MEMBERSHIPS, FILTERS, TIMERS, GROUP_FILTERS, TCP_AUTHS, TCP_KEYS, COUNT,
}

/** Socket readiness, as Linux poll(2). */
export const enum Poll {
  IN = 0x1,
  PRI = 0x2,
  OUT = 0x4,
  ERR = 0x8,
  HUP = 0x10,
  RDHUP = 0x2000,
}

export const enum Errno {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EACCES = 13,
  EFAULT = 14, EBUSY = 16, EEXIST = 17, ENODEV = 19, EINVAL = 22, EMFILE = 24, ENOTTY = 25, EPIPE = 32,
  EDOM = 33, ERANGE = 34, ENOSYS = 38, ENODATA = 61, EPROTO = 71, EBADMSG = 74, EOVERFLOW = 75,
  ENOTSOCK = 88, EDESTADDRREQ = 89, EMSGSIZE = 90, EPROTOTYPE = 91, ENOPROTOOPT = 92,
  EPROTONOSUPPORT = 93, ESOCKTNOSUPPORT = 94, EOPNOTSUPP = 95, EPFNOSUPPORT = 96, EAFNOSUPPORT = 97,
  EADDRINUSE = 98, EADDRNOTAVAIL = 99, ENETDOWN = 100, ENETUNREACH = 101, ENETRESET = 102,
  ECONNABORTED = 103, ECONNRESET = 104, ENOBUFS = 105, EISCONN = 106, ENOTCONN = 107, ESHUTDOWN = 108,
  ETIMEDOUT = 110, ECONNREFUSED = 111, EHOSTDOWN = 112, EHOSTUNREACH = 113, EALREADY = 114,
  EINPROGRESS = 115, ESTALE = 116, EKEYREJECTED = 129,
}
