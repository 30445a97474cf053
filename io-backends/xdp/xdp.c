/*
 * XDP: the frames of one receive queue of a host interface through AF_XDP, without the host's stack. The socket's chunks (UMEM) are memory
 * of their own and not the core's: a received frame is copied once into the slot that the core posted, a sent one gathered once into a
 * chunk. So the kernel never writes linear memory behind the core's back (host/debug/record.ts relies on that), and holds more frames than
 * the core has posted slots; copying 1514 bytes takes some 40 ns of the 700 ns and more that a frame costs.
 * There is no checksum and no segmentation offload.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "../native/vif.h"
#include "xdp.h"

/** Chunks that the kernel may fill, and chunks for frames to send; powers of two. */
#define RX_CHUNKS 2048u
#define TX_CHUNKS 512u
/** XDP_PACKET_HEADROOM: what the kernel keeps free at the start of a chunk it fills. */
#define HEADROOM 256u
#define CHUNK_MAX 4096u
/** Ethernet header and two VLAN tags. */
#define LINK_HEADER (ETH_HLEN + 8u)
#define SOCKET_BUFFER (4 << 20)
/** Frames that the kernel sends in one call (TX_BATCH_SIZE in net/xdp/xsk.c). */
#define KERNEL_BATCH 32u
/** When to look again after a device that takes no more, ns: nothing tells when it does. */
#define RETRY_NS 100000
/** How long a link that was up is believed to be, ns. */
#define LINK_FRESH_NS 1000000u

/** A ring shared with the kernel; one side moves each index. */
struct ring {
  uint32_t *producer, *consumer, *flags;
  void *entries;
  uint32_t size;
  void *map;
  size_t bytes;
};

struct xdp {
  uint8_t *umem;
  size_t bytes;
  uint32_t chunk;
  struct ring rx, tx, fill, completion;
  int socket, link, epfd, timer;
  /** Holds the membership of all groups, and of all addresses, while it is open. */
  int filter;
  /** The kernel sends in our calls only, by copying (no zero-copy mode). */
  bool copy;
  /** Frames are left in the ring that a call of ours must push. */
  bool stalled;
  bool down;
  uint64_t seen_up;
  /** Stack of the transmit chunks that are free, and whether each is not. */
  uint32_t unused[TX_CHUNKS], free;
  bool busy[TX_CHUNKS];
  /** What XDP_STATISTICS has told already. */
  uint64_t counted;
};

static uint32_t index_of(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static void publish(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
/* Entries between the indices, whatever the other side has written. */
static uint32_t held(const struct ring *r) {
  uint32_t n = index_of(r->producer) - index_of(r->consumer);
  return n > r->size ? r->size : n;
}
static bool wants_wakeup(const struct ring *r) { return __atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP; }

static int set_option(int fd, int option, uint32_t value) {
  return setsockopt(fd, SOL_XDP, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int map_ring(int fd, struct ring *r, off_t at, const struct xdp_ring_offset *o, uint32_t size, size_t entry) {
  size_t bytes = o->desc + size * entry;
  uint8_t *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);
  if (m == MAP_FAILED) return -errno;
  *r = (struct ring){
    .producer = (uint32_t *)(m + o->producer), .consumer = (uint32_t *)(m + o->consumer), .flags = (uint32_t *)(m + o->flags),
    .entries = m + o->desc, .size = size, .map = m, .bytes = bytes,
  };
  return 0;
}

/* Chunks and the four rings; every receive chunk is given to the kernel. */
static int make_rings(struct xdp *p) {
  struct xdp_mmap_offsets o;
  socklen_t n = sizeof o;
  p->bytes = (size_t)(RX_CHUNKS + TX_CHUNKS) * p->chunk;
  uint8_t *m = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m == MAP_FAILED) return -errno;
  p->umem = m;
  struct xdp_umem_reg region = { .addr = (uintptr_t)m, .len = p->bytes, .chunk_size = p->chunk };
  if (setsockopt(p->socket, SOL_XDP, XDP_UMEM_REG, &region, sizeof region) < 0) return -errno;
  int e = set_option(p->socket, XDP_UMEM_FILL_RING, RX_CHUNKS);
  if (!e) e = set_option(p->socket, XDP_UMEM_COMPLETION_RING, TX_CHUNKS);
  if (!e) e = set_option(p->socket, XDP_RX_RING, RX_CHUNKS);
  if (!e) e = set_option(p->socket, XDP_TX_RING, TX_CHUNKS);
  if (!e && getsockopt(p->socket, SOL_XDP, XDP_MMAP_OFFSETS, &o, &n) < 0) e = -errno;
  if (!e && n != sizeof o) e = -ENOTSUP; // before Linux 5.4
  if (!e) e = map_ring(p->socket, &p->fill, (off_t)XDP_UMEM_PGOFF_FILL_RING, &o.fr, RX_CHUNKS, sizeof(uint64_t));
  if (!e) e = map_ring(p->socket, &p->completion, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, &o.cr, TX_CHUNKS, sizeof(uint64_t));
  if (!e) e = map_ring(p->socket, &p->rx, XDP_PGOFF_RX_RING, &o.rx, RX_CHUNKS, sizeof(struct xdp_desc));
  if (!e) e = map_ring(p->socket, &p->tx, XDP_PGOFF_TX_RING, &o.tx, TX_CHUNKS, sizeof(struct xdp_desc));
  if (e) return e;
  for (uint32_t i = 0; i < RX_CHUNKS; i++) ((uint64_t *)p->fill.entries)[i] = (uint64_t)i * p->chunk;
  publish(p->fill.producer, RX_CHUNKS);
  for (uint32_t i = 0; i < TX_CHUNKS; i++) p->unused[i] = RX_CHUNKS + i;
  p->free = TX_CHUNKS;
  return 0;
}

/* Without XDP_COPY the kernel takes zero-copy mode where the driver has it. It frees the queue of a socket some time after its end. */
static int bind_queue(struct xdp *p, int ifindex, uint32_t queue) {
  struct sockaddr_xdp at = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_USE_NEED_WAKEUP, .sxdp_ifindex = (uint32_t)ifindex, .sxdp_queue_id = queue };
  struct xdp_options options = {0};
  socklen_t n = sizeof options;
  for (int attempt = 0; bind(p->socket, (struct sockaddr *)&at, sizeof at) < 0;) {
    int e = errno;
    if (e == EBUSY && xdp_again(&attempt)) continue;
    if (e == EBUSY || e == ENODEV || e == EPERM || at.sxdp_flags & XDP_COPY) return -e;
    at.sxdp_flags |= XDP_COPY;
  }
  p->copy = getsockopt(p->socket, SOL_XDP, XDP_OPTIONS, &options, &n) < 0 || !(options.flags & XDP_OPTIONS_ZEROCOPY);
  return 0;
}

static int membership(int fd, int ifindex, int type) {
  struct packet_mreq r = { .mr_ifindex = ifindex, .mr_type = (unsigned short)type };
  return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &r, sizeof r) < 0 ? -errno : 0;
}

/* The device's number, MTU and address. */
static int ask_device(struct vif *v, const struct vif_config *c, struct xdp *p, int *ifindex) {
  struct ifreq r = {0};
  set_ifname(&r, v->dev);
  if (ioctl(p->filter, SIOCGIFINDEX, &r) < 0) return -errno;
  *ifindex = r.ifr_ifindex;
  if (ioctl(p->filter, SIOCGIFMTU, &r) < 0) return -errno;
  v->mtu = c->mtu ? c->mtu : (uint32_t)r.ifr_mtu;
  if (ioctl(p->filter, SIOCGIFHWADDR, &r) < 0) return -errno;
  memcpy(v->mac, c->has_mac ? c->mac : (uint8_t *)r.ifr_hwaddr.sa_data, 6);
  v->has_mac = true;
  int e = membership(p->filter, *ifindex, PACKET_MR_ALLMULTI);
  return e || memcmp(v->mac, r.ifr_hwaddr.sa_data, 6) == 0 ? e : membership(p->filter, *ifindex, PACKET_MR_PROMISC);
}

static int watch(struct xdp *p) {
  struct epoll_event ev = { .events = EPOLLIN };
  p->epfd = epoll_create1(EPOLL_CLOEXEC);
  p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (p->epfd < 0 || p->timer < 0) return -errno;
  return epoll_ctl(p->epfd, EPOLL_CTL_ADD, p->socket, &ev) < 0 || epoll_ctl(p->epfd, EPOLL_CTL_ADD, p->timer, &ev) < 0 ? -errno : 0;
}

static void xdp_close(struct vif *v) {
  struct xdp *p = v->priv;
  const int fds[] = { p->link, p->epfd, p->timer, p->filter, p->socket };
  struct ring *rings[] = { &p->rx, &p->tx, &p->fill, &p->completion };
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  for (size_t i = 0; i < sizeof rings / sizeof *rings; i++)
    if (rings[i]->map) munmap(rings[i]->map, rings[i]->bytes);
  if (p->umem) munmap(p->umem, p->bytes);
  free(p);
}

/* Everything from the device to the program; 0 or -errno with a message. */
static int set_up(struct vif *v, const struct vif_config *c, struct xdp *p, char *err, size_t n) {
  const char *dev = v->dev;
  const uint32_t most = CHUNK_MAX - HEADROOM - LINK_HEADER;
  int ifindex = 0, big = SOCKET_BUFFER;
  p->filter = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (p->filter < 0) return vif_fail(err, n, errno, "XDP %s: needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF: run nuse with sudo", dev);
  int e = ask_device(v, c, p, &ifindex);
  if (e) return vif_fail(err, n, -e, e == -ENODEV ? "XDP %s: no such interface in this namespace" : "XDP %s", dev);
  if (v->mtu > most)
    return vif_fail(err, n, EMSGSIZE, "XDP %s: an MTU of %u is more than the %u of XDP: write `mtu %u` or less, and let no neighbour send more", dev, v->mtu, most, most);
  p->chunk = v->mtu + LINK_HEADER + HEADROOM > CHUNK_MAX / 2 ? CHUNK_MAX : CHUNK_MAX / 2;
  p->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (p->socket < 0) {
    e = errno;
    return vif_fail(err, n, e, e == EAFNOSUPPORT ? "XDP %s: this kernel has no AF_XDP (CONFIG_XDP_SOCKETS); write `viftype RAW`" : "XDP %s: socket of AF_XDP", dev);
  }
  if (setsockopt(p->socket, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big) < 0) setsockopt(p->socket, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
  e = make_rings(p);
  if (e) return vif_fail(err, n, -e, e == -ENOBUFS || e == -ENOMEM ? "XDP %s: %zu bytes cannot be locked: raise `ulimit -l`" : "XDP %s: chunks and rings (%zu bytes)", dev, p->bytes);
  e = bind_queue(p, ifindex, c->queue);
  if (e) return vif_fail(err, n, -e, e == -EBUSY ? "XDP %s: queue %u belongs to another program's socket: end it, or write another `queue`"
    : e == -EINVAL ? "XDP %s: there is no queue %u (see /sys/class/net/DEVICE/queues)" : "XDP %s: queue %u", dev, c->queue);
  p->link = xdp_steer(dev, ifindex, c->queue, p->socket, err, n);
  if (p->link < 0) return p->link;
  e = watch(p);
  return e ? vif_fail(err, n, -e, "XDP %s: epoll", dev) : 0;
}

static int xdp_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  struct xdp *p = calloc(1, sizeof *p);
  if (!p) return vif_fail(err, n, ENOMEM, "XDP %s", c->name);
  p->socket = p->link = p->epfd = p->timer = p->filter = -1;
  v->priv = p;
  snprintf(v->dev, sizeof v->dev, "%s", c->dev[0] ? c->dev : c->name);
  int e = set_up(v, c, p, err, n);
  if (e) {
    xdp_close(v);
    return e;
  }
  v->fd = p->epfd;
  v->poll_out = false;
  v->features = 0;
  return 0;
}

static void retry_later(struct xdp *p) {
  struct itimerspec t = { .it_value = { .tv_nsec = RETRY_NS } };
  timerfd_settime(p->timer, 0, &t, NULL);
}

/* Have the kernel send what is in the ring. Sets `stalled` and `down`. */
static void kick(struct xdp *p) {
  p->stalled = p->down = false;
  if (!p->copy && !wants_wakeup(&p->tx)) return;
  uint32_t calls = 2 + held(&p->tx) / KERNEL_BATCH;
  while (calls--) {
    if (sendto(p->socket, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0) {
      p->seen_up = clock_ns();
      return;
    }
    p->down = errno == ENETDOWN || errno == ENXIO; // ENXIO: the device is gone
    if (errno != EAGAIN && errno != EINTR) break; // EAGAIN: its batch is done, or the device is full, as with EBUSY and ENOBUFS
  }
  p->stalled = !p->down;
}

/* Chunks whose frames have left are free again. */
static void reap(struct xdp *p) {
  const uint64_t *done = p->completion.entries;
  uint32_t at = *p->completion.consumer, n = held(&p->completion);
  for (uint32_t i = 0; i < n; i++) {
    uint64_t k = done[(at + i) & (TX_CHUNKS - 1)] / p->chunk - RX_CHUNKS;
    if (k >= TX_CHUNKS || !p->busy[k]) continue;
    p->busy[k] = false;
    p->unused[p->free++] = RX_CHUNKS + (uint32_t)k;
  }
  publish(p->completion.consumer, at + n);
}

static int xdp_rx(struct vif *v, struct rx_slot *slots, uint32_t n) {
  static const uint8_t plain[VNET_HDR];
  struct xdp *p = v->priv;
  const struct xdp_desc *d = p->rx.entries;
  uint64_t *fill = p->fill.entries;
  uint32_t at = *p->rx.consumer, have = held(&p->rx), back = *p->fill.producer, room = RX_CHUNKS - held(&p->fill), i = 0, k = 0;
  for (; i < have && k < n; i++) {
    struct xdp_desc got = d[(at + i) & (RX_CHUNKS - 1)];
    uint64_t chunk = got.addr / p->chunk;
    if (chunk >= RX_CHUNKS) {
      v->stats.rx_dropped++;
      continue;
    }
    if (got.len && got.len <= p->chunk - got.addr % p->chunk && got.len <= slots[k].cap) {
      memcpy(slots[k].buf, p->umem + got.addr, got.len);
      rx_done(v, &slots[k++], got.len, plain);
    } else v->stats.rx_dropped++;
    if (room) {
      room--;
      fill[back++ & (RX_CHUNKS - 1)] = chunk * p->chunk;
    }
  }
  publish(p->rx.consumer, at + i);
  publish(p->fill.producer, back);
  if (wants_wakeup(&p->fill)) recvfrom(p->socket, NULL, 0, MSG_DONTWAIT, NULL, NULL);
  if (p->stalled) {
    kick(p);
    if (p->stalled) retry_later(p);
  }
  v->more = i < have;
  if (have) return (int)k;
  int e = 0;
  socklen_t size = sizeof e;
  return getsockopt(p->socket, SOL_SOCKET, SO_ERROR, &e, &size) < 0 ? -errno : -e; // the device has gone
}

/* Gather a frame into a free chunk and the ring's entry. */
static void queue_frame(struct xdp *p, const struct tx_frame *f, struct xdp_desc *d) {
  uint32_t chunk = p->unused[--p->free], at = 0;
  uint8_t *out = p->umem + (size_t)chunk * p->chunk;
  p->busy[chunk - RX_CHUNKS] = true;
  for (uint32_t i = 1; i < f->pieces; at += (uint32_t)f->gather[i++].iov_len) memcpy(out + at, f->gather[i].iov_base, f->gather[i].iov_len);
  *d = (struct xdp_desc){ .addr = (uint64_t)chunk * p->chunk, .len = at };
}

static uint32_t xdp_tx(struct vif *v, struct tx_frame *frames, uint32_t n, enum tx_result *results) {
  struct xdp *p = v->priv;
  struct xdp_desc *d = p->tx.entries;
  // A link that is down takes nothing: what is in the ring would leave when it comes back, however late.
  if (p->down || (p->copy && clock_ns() - p->seen_up > LINK_FRESH_NS)) kick(p);
  reap(p);
  uint32_t at = *p->tx.producer, room = TX_CHUNKS - held(&p->tx), k = 0;
  for (; k < n; k++) {
    const struct tx_frame *f = &frames[k];
    bool fits = f->len >= ETH_HLEN && f->len <= p->chunk - HEADROOM && !(f->vnet[0] & 1) && !f->vnet[1];
    results[k] = fits && !p->down ? TX_SENT : TX_DROPPED;
    if (results[k] == TX_DROPPED) continue;
    if (!room || !p->free) break;
    room--;
    queue_frame(p, f, &d[at++ & (TX_CHUNKS - 1)]);
  }
  publish(p->tx.producer, at);
  if (!p->down) kick(p);
  if (p->stalled || k < n) retry_later(p);
  return k;
}

/* Frames for which there was no chunk, or which fit none. */
static void xdp_count(struct vif *v) {
  struct xdp *p = v->priv;
  struct xdp_statistics s = {0};
  socklen_t n = sizeof s;
  if (getsockopt(p->socket, SOL_XDP, XDP_STATISTICS, &s, &n) < 0) return;
  uint64_t lost = s.rx_dropped + s.rx_ring_full;
  v->stats.rx_dropped += lost - p->counted;
  p->counted = lost;
}

const struct vif_ops xdp_ops = { "XDP", xdp_open, xdp_rx, xdp_tx, xdp_close, xdp_count };
