/* TAP: frames to and from the host's kernel by read and write, with virtio_net_hdr and super-segments. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "vif.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static int in_use(const char *name, char *err, size_t n) { return vif_fail(err, n, EBUSY, "TAP %s: in use by another program", name); }

static int attach(int fd, const char *name, bool queues, char *err, size_t n) {
  struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues ? IFF_MULTI_QUEUE : 0) };
  set_ifname(&r, name);
  if (ioctl(fd, TUNSETIFF, &r) == 0) return 0;
  int e = errno;
  if (e == EPERM) return vif_fail(err, n, e, "TAP %s: needs CAP_NET_ADMIN, or a device made for this user (ip tuntap add dev %s mode tap user NAME)", name, name);
  if (e == EBUSY) return in_use(name, err, n);
  if (e == EINVAL && queues)
    return vif_fail(err, n, e, "TAP %s: a device of this name exists and is no TAP with queues: remove it, or make it with `ip tuntap add dev %s mode tap multi_queue`", name, name);
  if (e == EINVAL) return vif_fail(err, n, e, "TAP %s: a device of this name exists and is no TAP", name);
  return vif_fail(err, n, e, "TAP %s: TUNSETIFF", name);
}

/* Whether somebody has an existing device open, which gives it its carrier: with queues, TUNSETIFF does not refuse a second one. */
static bool has_carrier(const char *name) {
  struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
  struct ifreq r = { .ifr_data = (char *)&link };
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  set_ifname(&r, name);
  bool yes = s >= 0 && ioctl(s, SIOCETHTOOL, &r) == 0 && link.data;
  if (s >= 0) close(s);
  return yes;
}

/* The first worker has the frames of all led to their queues; queues are numbered in the order of their making. */
static int steer(int fd, const char *name, const struct steering *s, char *err, size_t n) {
  if (!s->count || s->index) return 0;
  int program = steer_program(s, ETH_HLEN);
  if (program < 0) return steer_refused("TAP", name, -program, err, n);
  int e = ioctl(fd, TUNSETSTEERINGEBPF, &program) < 0 ? errno : 0;
  close(program);
  return e ? steer_refused("TAP", name, e, err, n) : 0;
}

/* Ask for what is allowed; what the kernel grants. */
static uint32_t offloads(int fd, uint32_t allowed) {
  unsigned f = TUN_F_CSUM;
  if (!(allowed & FEATURE_CSUM)) {
    ioctl(fd, TUNSETOFFLOAD, 0);
    return 0;
  }
  allowed &= FEATURE_CSUM | FEATURE_TSO4 | FEATURE_TSO6 | FEATURE_USO;
  if (allowed & FEATURE_TSO4) f |= TUN_F_TSO4 | TUN_F_TSO_ECN;
  if (allowed & FEATURE_TSO6) f |= TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (allowed & FEATURE_USO) {
    if (ioctl(fd, TUNSETOFFLOAD, f | TUN_F_USO4 | TUN_F_USO6) == 0) return allowed;
    allowed &= ~FEATURE_USO; // before Linux 6.2
  }
  return ioctl(fd, TUNSETOFFLOAD, f) == 0 ? allowed : 0;
}

/* Set the MTU of a device that is ours, and bring it up. */
static int bring_up(const char *name, uint32_t *mtu, bool ours, char *err, size_t n) {
  struct ifreq r = {0};
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return vif_fail(err, n, errno, "TAP %s: socket", name);
  set_ifname(&r, name);
  if (*mtu && ours) {
    r.ifr_mtu = (int)*mtu;
    if (ioctl(s, SIOCSIFMTU, &r) < 0) goto fail;
  }
  if (!*mtu) {
    if (ioctl(s, SIOCGIFMTU, &r) < 0) goto fail;
    *mtu = (uint32_t)r.ifr_mtu;
  }
  if (ioctl(s, SIOCGIFFLAGS, &r) < 0) goto fail;
  if (!(r.ifr_flags & IFF_UP)) {
    r.ifr_flags |= IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &r) < 0) goto fail;
  }
  close(s);
  return 0;
fail:;
  int e = errno;
  close(s);
  return vif_fail(err, n, e, "TAP %s: MTU %u, link up", name, *mtu);
}

static int tap_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  char name[IFNAMSIZ];
  if (c->dev[0]) snprintf(name, sizeof name, "%s", c->dev);
  else snprintf(name, sizeof name, "nuse-%.10s", c->name);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return vif_fail(err, n, errno, "TAP: /dev/net/tun");
  bool existed = if_nametoindex(name) != 0;
  bool taken = existed && c->steer.count && !c->steer.index && has_carrier(name);
  int size = VNET_HDR, little = 1, e = taken ? in_use(name, err, n) : attach(fd, name, c->steer.count != 0, err, n);
  if (!e && (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETVNETLE, &little) < 0)) e = vif_fail(err, n, errno, "TAP %s: virtio_net_hdr", name);
  if (!e) e = steer(fd, name, &c->steer, err, n);
  v->mtu = c->mtu;
  if (!e) v->features = offloads(fd, c->offload);
  if (!e) e = bring_up(name, &v->mtu, !existed, err, n);
  if (e) {
    close(fd);
    return e;
  }
  memcpy(v->mac, c->mac, 6);
  v->has_mac = c->has_mac;
  v->fd = fd;
  v->poll_out = v->join = true;
  strcpy(v->dev, name);
  return 0;
}

static int tap_rx(struct vif *v, struct rx_slot *slots, uint32_t n) {
  uint32_t k = 0;
  while (k < n) {
    struct rx_slot *s = &slots[k];
    ssize_t r = read(v->fd, s->buf - VNET_HDR, s->cap + VNET_HDR);
    if (r < 0) {
      if (errno == EINTR) continue;
      return k ? (int)k : -errno;
    }
    if (r <= (ssize_t)VNET_HDR) {
      v->stats.rx_dropped++;
      continue;
    }
    rx_done(v, s, (uint32_t)r - VNET_HDR, s->buf - VNET_HDR);
    k++;
  }
  v->more = true;
  return (int)k;
}

static uint32_t tap_tx(struct vif *v, struct tx_frame *frames, uint32_t n, enum tx_result *results) {
  for (uint32_t i = 0; i < n; i++) {
    ssize_t r;
    while ((r = writev(v->fd, frames[i].gather, (int)frames[i].pieces)) < 0 && errno == EINTR) continue;
    if (r < 0 && errno == EAGAIN) return i;
    results[i] = r < 0 ? TX_DROPPED : TX_SENT; // EIO: the host took the device down
  }
  return n;
}

static void tap_close(struct vif *v) { close(v->fd); }

const struct vif_ops tap_ops = { "TAP", tap_open, tap_rx, tap_tx, tap_close, NULL };
