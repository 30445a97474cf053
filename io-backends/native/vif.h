/*
 * One interface for every packet back end. Frames live in linear memory: received into the descriptors that the
 * core posted, sent from the vif's transmit ring. Nothing here blocks, allocates after open, or trusts an offset.
 */
#ifndef NUSE_VIF_H
#define NUSE_VIF_H

#include <net/if.h>
#include <sys/uio.h>
#include "native.h"
#include "../steer/steer.h"

/** virtio_net_hdr, little-endian, without num_buffers. */
#define VNET_HDR 10u
/** The longest frame a back end takes: a 64 KiB IP packet, Ethernet and two VLAN tags. */
#define FRAME_MAX (65535u + 14u + 8u)

struct vif_config {
  char type[8];
  /** The interface's name inside the stack. */
  char name[16];
  /** Host device, or "" for the back end's own choice. */
  char dev[16];
  /** PIPE: path of the socket or FIFO. */
  char path[108];
  /** USER: this end of the link, else -1. */
  int fd;
  /** XDP: the receive queue of dev. */
  uint32_t queue;
  uint8_t mac[6];
  bool has_mac;
  /** 0 = the device's own. */
  uint32_t mtu;
  /** FEATURE_* bits that may be used. */
  uint32_t offload;
  /** TAP, RAW: one of several queues of the device. */
  struct steering steer;
  /** RAW, a later worker: the fanout group of the first. */
  uint32_t group;
};

struct vif_stats {
  uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
  /** Frames lost here: too long or malformed on receive; refused by the device or by a descriptor that lies on transmit. */
  uint64_t rx_dropped, tx_dropped, tx_invalid;
};

struct vif_ops;
struct vif {
  const struct vif_ops *ops;
  struct nuse_mem *mem;
  /** What to wait on: readable when frames (or a change of the peer) are there; -1 = none. */
  int fd;
  /** Whether EPOLLOUT on fd tells that transmission can go on; else fd's readability tells that too. */
  bool poll_out;
  /** Each frame costs the device a system call or a walk through the host's stack: datagrams may be joined (uso_join). */
  bool join;
  uint32_t features;
  uint32_t mtu;
  uint8_t mac[6];
  bool has_mac;
  /** RAW: the fanout group. */
  uint32_t group;
  /** Set by rx_burst: frames may be left. Cleared before each burst. */
  bool more;
  /** Host device or path in use. */
  char dev[108];
  struct vif_stats stats;
  void *priv;
};

/** A posted receive descriptor, checked. */
struct rx_slot {
  /** Where the frame goes; RX_HEADROOM bytes before it may be used. */
  uint8_t *buf;
  uint32_t cap;
  uint8_t *desc;
};

/** Headers of Ethernet, IPv6 and UDP. */
#define USO_HEADERS 62u
#define VNET_NEEDS_CSUM 1u
#define VNET_GSO_UDP_L4 5u

/** Transmit descriptors, checked: gather[0] is the vnet header (of a super-segment made here also those of the frame, see uso_join), then the pieces. */
struct tx_frame {
  uint8_t vnet[VNET_HDR + USO_HEADERS];
  struct iovec *gather;
  uint32_t pieces;
  /** Frame length without the vnet header. */
  uint32_t len;
  /** Descriptors it was made of. */
  uint32_t count;
};

/** What became of a frame given to a device. */
enum tx_result { TX_SENT, TX_BLOCKED, TX_DROPPED };

struct vif_ops {
  const char *type;
  /** 0 or -errno with a message in err (n bytes). Sets fd, poll_out, features, mtu, mac, dev, priv; on failure nothing stays open. */
  int (*open)(struct vif *, const struct vif_config *, char *err, size_t n);
  /** Receive into slots[0..n); frames stored (rx_done called for each, in order), or -errno when there was none.
   *  Sets `more` unless the device said that nothing is left. */
  int (*rx_burst)(struct vif *, struct rx_slot *slots, uint32_t n);
  /** Send frames[0..n) in order; results[i] set for the first k, k returned; the rest stays. -errno never. */
  uint32_t (*tx_burst)(struct vif *, struct tx_frame *frames, uint32_t n, enum tx_result *results);
  void (*close)(struct vif *);
  /** Bring stats up to date with what the kernel counts; may be null. */
  void (*count)(struct vif *);
};

/** Flag in the result of rxBurst: call again, frames may be left. */
#define RX_MORE 0x10000

/** Most frames in one call of rx_burst or tx_burst. */
#define BURST 64u

extern const struct vif_ops tap_ops, raw_ops, pipe_ops, user_ops, xdp_ops;

/** What the USER back end offers besides: links and ICMP sockets. */
void user_exports(napi_env env, napi_value exports);

/** Join runs of datagrams of one flow among frames[0..n), whose gathers have their room one after the other in memory: frames left. */
uint32_t uso_join(struct tx_frame *frames, uint32_t n);

/** Complete a descriptor: frame of `len` bytes at buf, offload fields from a virtio_net_hdr. */
void rx_done(struct vif *v, struct rx_slot *s, uint32_t len, const uint8_t *vnet);
/** Name the device of an interface request. */
static inline void set_ifname(struct ifreq *r, const char *name) {
  memcpy(r->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
}
/** Write a message with the errno's text; -err. */
int vif_fail(char *out, size_t n, int err, const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
