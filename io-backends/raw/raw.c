/*
 * RAW: frames of an existing host interface through AF_PACKET, in batches, with virtio_net_hdr: received super-
 * segments and partial checksums arrive as such (veth, GRO), sent ones are segmented by the host if need be.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "vif.h"

#define SOCKET_BUFFER (8 << 20)

struct aux {
  struct cmsghdr h;
  struct tpacket_auxdata data;
  char room[64];
};

/* Per-burst arrays of the system calls. */
struct raw {
  struct mmsghdr msgs[BURST];
  struct iovec iov[BURST];
  struct aux aux[BURST];
};

static int membership(int fd, int ifindex, int type) {
  struct packet_mreq r = { .mr_ifindex = ifindex, .mr_type = (unsigned short)type };
  return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &r, sizeof r);
}

/* Take nothing, until the socket is a member of its group: what it got before would be others', twice. */
static int hush(int fd) {
  struct sock_filter nothing = { .code = BPF_RET | BPF_K };
  struct sock_fprog f = { 1, &nothing };
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f);
}

/* Become a member of the device's fanout group; members are numbered in the order of their coming, and the first makes the group and its program. */
static int join(struct vif *v, const struct vif_config *c) {
  int none = 0, fd = v->fd, program = -1, group = (int)c->group | PACKET_FANOUT_EBPF << 16;
  socklen_t size = sizeof group;
  if (!c->steer.index) {
    group = (PACKET_FANOUT_EBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    program = steer_program(&c->steer, 0);
    if (program < 0) return program;
  }
  int e = setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof group) < 0 ? -errno : 0;
  if (!e && program >= 0 && setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program) < 0) e = -errno;
  if (!e && getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, &size) < 0) e = -errno;
  if (program >= 0) close(program);
  v->group = (uint32_t)group & 0xffff;
  return e || setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none) == 0 ? e : -errno;
}

/* UDP segmentation through virtio_net_hdr came with Linux 6.2. */
static bool has_uso(void) {
  struct utsname u;
  int major = 0, minor = 0;
  return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 2));
}

static int configure(struct vif *v, const struct vif_config *c, const char *dev) {
  struct ifreq r = {0};
  int one = 1, big = SOCKET_BUFFER, fd = v->fd;
  set_ifname(&r, dev);
  if (ioctl(fd, SIOCGIFINDEX, &r) < 0) return -errno;
  struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = r.ifr_ifindex };
  if (ioctl(fd, SIOCGIFMTU, &r) < 0) return -errno;
  v->mtu = c->mtu ? c->mtu : (uint32_t)r.ifr_mtu;
  if (ioctl(fd, SIOCGIFHWADDR, &r) < 0) return -errno;
  memcpy(v->mac, c->has_mac ? c->mac : (uint8_t *)r.ifr_hwaddr.sa_data, 6);
  v->has_mac = true;
  bool foreign = memcmp(v->mac, r.ifr_hwaddr.sa_data, 6) != 0;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) return -errno;
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) < 0) return -errno;
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big) < 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big) < 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
  if (membership(fd, at.sll_ifindex, PACKET_MR_ALLMULTI) < 0) return -errno;
  if (foreign && membership(fd, at.sll_ifindex, PACKET_MR_PROMISC) < 0) return -errno;
  if (c->steer.count && hush(fd) < 0) return -errno;
  return bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0;
}

static int raw_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  const char *dev = c->dev[0] ? c->dev : c->name;
  v->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (v->fd < 0) return vif_fail(err, n, errno, "RAW %s: packet socket (needs CAP_NET_RAW)", dev);
  struct raw *p = calloc(1, sizeof *p);
  int e = p ? configure(v, c, dev) : -ENOMEM;
  if (e) {
    close(v->fd);
    free(p);
    return vif_fail(err, n, -e, e == -ENODEV ? "RAW %s: no such interface in this namespace" : "RAW %s", dev);
  }
  e = c->steer.count ? join(v, c) : 0;
  if (e) {
    close(v->fd);
    free(p);
    return steer_refused("RAW", dev, -e, err, n);
  }
  v->priv = p;
  v->poll_out = v->join = true;
  v->features = c->offload & (FEATURE_CSUM | FEATURE_TSO4 | FEATURE_TSO6 | (has_uso() ? FEATURE_USO : 0));
  if (!(v->features & FEATURE_CSUM)) v->features = 0;
  strcpy(v->dev, dev);
  return 0;
}

/* Put back a VLAN tag that the host took off: between the addresses and the EtherType. New length, 0 if it does not fit. */
static uint32_t retag(struct rx_slot *s, uint32_t len, const struct tpacket_auxdata *a, uint8_t *vnet) {
  if (len < 14 || len + 4 > s->cap) return 0;
  memmove(s->buf + 16, s->buf + 12, len - 12);
  uint16_t tpid = htons(a->tp_status & TP_STATUS_VLAN_TPID_VALID ? a->tp_vlan_tpid : ETH_P_8021Q), tci = htons(a->tp_vlan_tci);
  memcpy(s->buf + 12, &tpid, 2);
  memcpy(s->buf + 14, &tci, 2);
  if (vnet[0] & 1) st16(vnet + 6, (uint16_t)(ld16(vnet + 6) + 4));
  if (vnet[1]) st16(vnet + 2, (uint16_t)(ld16(vnet + 2) + 4));
  return len + 4;
}

static int raw_rx(struct vif *v, struct rx_slot *slots, uint32_t n) {
  struct raw *p = v->priv;
  if (n > BURST) n = BURST;
  for (uint32_t i = 0; i < n; i++) {
    p->iov[i] = (struct iovec){ slots[i].buf - VNET_HDR, slots[i].cap + VNET_HDR };
    p->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov[i], .msg_iovlen = 1, .msg_control = &p->aux[i], .msg_controllen = sizeof p->aux[i] };
  }
  int r = recvmmsg(v->fd, p->msgs, n, MSG_DONTWAIT, NULL);
  for (int tries = 0; r < 0 && errno != EAGAIN && tries < 3; tries++) // a pending error (link went down) is told once
    r = recvmmsg(v->fd, p->msgs, n, MSG_DONTWAIT, NULL);
  if (r < 0) return -errno;
  v->more = true; // a short batch may have ended at an error: only EAGAIN tells that nothing is left
  int k = 0;
  for (int i = 0; i < r; i++) {
    struct msghdr *h = &p->msgs[i].msg_hdr;
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    uint32_t len = p->msgs[i].msg_len < VNET_HDR ? 0 : p->msgs[i].msg_len - VNET_HDR;
    uint8_t *vnet = slots[i].buf - VNET_HDR;
    if (h->msg_flags & MSG_TRUNC) len = 0;
    if (len && c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA && c->cmsg_len >= CMSG_LEN(sizeof(struct tpacket_auxdata))) {
      struct tpacket_auxdata a;
      memcpy(&a, CMSG_DATA(c), sizeof a);
      if (a.tp_status & TP_STATUS_VLAN_VALID) len = retag(&slots[i], len, &a, vnet);
    }
    if (!len) {
      v->stats.rx_dropped++;
      continue;
    }
    if (k != i) {
      /* A frame before this one was lost: the descriptors must stay dense, so this one moves up. */
      if (len > slots[k].cap) {
        v->stats.rx_dropped++;
        continue;
      }
      memcpy(slots[k].buf - VNET_HDR, vnet, len + VNET_HDR);
      vnet = slots[k].buf - VNET_HDR;
    }
    rx_done(v, &slots[k], len, vnet);
    k++;
  }
  return k;
}

static uint32_t raw_tx(struct vif *v, struct tx_frame *frames, uint32_t n, enum tx_result *results) {
  struct raw *p = v->priv;
  for (uint32_t i = 0; i < n; i++)
    p->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = frames[i].gather, .msg_iovlen = frames[i].pieces };
  uint32_t done = 0;
  while (done < n) {
    int r = sendmmsg(v->fd, p->msgs + done, n - done, MSG_DONTWAIT);
    if (r < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      results[done++] = TX_DROPPED; // ENOBUFS: the host's queue; ENETDOWN; EMSGSIZE; EINVAL
      continue;
    }
    for (int i = 0; i < r; i++) results[done++] = TX_SENT;
  }
  return done;
}

static void raw_close(struct vif *v) {
  close(v->fd);
  free(v->priv);
}

/* Frames that found the socket's buffer full; the kernel resets its count at each reading. */
static void raw_count(struct vif *v) {
  struct tpacket_stats s;
  socklen_t n = sizeof s;
  if (getsockopt(v->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0) v->stats.rx_dropped += s.tp_drops;
}

const struct vif_ops raw_ops = { "RAW", raw_open, raw_rx, raw_tx, raw_close, raw_count };
