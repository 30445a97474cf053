/*
 * Many small writes as few large ones: a run of datagrams of one flow, which the core put into the ring one after the other, goes to a device that
 * segments UDP (USO) as one super-segment. Nothing is held back for it, and datagrams that do not come in long runs stay as they are.
 */
#include <linux/if_ether.h>
#include "vif.h"

/** A run shorter than this is not worth the loss of being seen one by one in a capture on the host. */
#define RUN_MIN 8u
/** The longest run: segments the kernel accepts of one frame (UDP_MAX_SEGMENTS before Linux 6.9). */
#define RUN_MAX 64u

enum { ETHERTYPE = 12, UDP_PROTO = 17, UDP_HEADER = 8, UDP_LENGTH = 4, UDP_CHECK = 6, IPV4_HEADER = 20, IPV6_HEADER = 40, DONT_FRAGMENT = 0x40 };

/** The headers of a frame that may be one of a run; `length` 0 = it may not. `ip`: length of the IP header; `payload`: bytes of the datagram. */
struct headers {
  uint8_t bytes[USO_HEADERS];
  uint32_t length, ip, payload;
};

static uint16_t be(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
}

/** The first bytes of a frame, as many as there are, at most n: how many. */
static uint32_t copy_head(const struct tx_frame *f, uint8_t *out, uint32_t n) {
  uint32_t at = 0;
  for (uint32_t i = 1; i < f->pieces && at < n; i++) {
    uint32_t k = f->gather[i].iov_len < n - at ? (uint32_t)f->gather[i].iov_len : n - at;
    memcpy(out + at, f->gather[i].iov_base, k);
    at += k;
  }
  return at;
}

static bool plain_ipv4(const uint8_t *ip, uint32_t bytes) {
  return ip[0] == 0x45 && be(ip + 2) == bytes && !(be(ip + 6) & ~(DONT_FRAGMENT << 8)) && ip[9] == UDP_PROTO;
}
static bool plain_ipv6(const uint8_t *ip, uint32_t bytes) {
  return ip[0] >> 4 == 6 && be(ip + 4) + IPV6_HEADER == (int)bytes && ip[6] == UDP_PROTO;
}

static void read_headers(const struct tx_frame *f, struct headers *h) {
  h->length = 0;
  if (f->vnet[0] != VNET_NEEDS_CSUM || f->vnet[1] || f->len < ETH_HLEN + IPV4_HEADER + UDP_HEADER) return;
  uint32_t got = copy_head(f, h->bytes, USO_HEADERS), type = be(h->bytes + ETHERTYPE);
  const uint8_t *ip = h->bytes + ETH_HLEN;
  if (type == ETH_P_IP && plain_ipv4(ip, f->len - ETH_HLEN)) h->ip = IPV4_HEADER;
  else if (type == ETH_P_IPV6 && got == USO_HEADERS && plain_ipv6(ip, f->len - ETH_HLEN)) h->ip = IPV6_HEADER;
  else return;
  uint32_t length = ETH_HLEN + h->ip + UDP_HEADER;
  if (f->len <= length || be(ip + h->ip + UDP_LENGTH) != f->len - ETH_HLEN - h->ip) return;
  if (ld16(f->vnet + 6) != ETH_HLEN + h->ip || ld16(f->vnet + 8) != UDP_CHECK) return;
  h->length = length;
  h->payload = f->len - length;
}

/** Whether `b` is what segmentation makes of a super-segment that begins with `a`, k datagrams behind it, but for the length of its payload. */
static bool follows(const struct headers *a, const struct headers *b, uint32_t k) {
  if (!b->length || a->ip != b->ip) return false;
  const uint8_t *x = a->bytes, *y = b->bytes;
  if (a->ip == IPV6_HEADER) return !memcmp(x, y, 18) && !memcmp(x + 20, y + 20, 38);
  const uint8_t *ip = x + ETH_HLEN;
  // Of a datagram that is not fragmented the identification means nothing (RFC 6864 4.1).
  if (!(ip[6] & DONT_FRAGMENT) && be(y + 18) != (uint16_t)(be(x + 18) + k)) return false;
  return !memcmp(x, y, 16) && !memcmp(x + 20, y + 20, 4) && !memcmp(x + 26, y + 26, 12);
}

/** Frames from f[0] on, whose headers are h, that can be one super-segment. */
static uint32_t run_of(const struct tx_frame *f, uint32_t n, const struct headers *h) {
  uint32_t r = 1, bytes = h->payload, limit = UINT16_MAX - UDP_HEADER - (h->ip == IPV4_HEADER ? IPV4_HEADER : 0);
  for (bool last = false; r < n && r < RUN_MAX && !last; r++) {
    struct headers next;
    read_headers(&f[r], &next);
    if (!follows(h, &next, r) || next.payload > h->payload || bytes + next.payload > limit) break;
    bytes += next.payload;
    last = next.payload < h->payload;
  }
  return r;
}

/** Add `more` to a 16-bit number of a header and to the Internet checksum beside it, which is complemented when `finished`. */
static void lengthen(uint8_t *number, uint8_t *check, uint32_t more, bool finished) {
  uint32_t sum = finished ? (uint16_t)~be(check) : be(check), old = be(number);
  put(number, old + more);
  sum += (uint16_t)~old + old + more;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put(check, finished ? ~sum : sum);
}

/** The pieces of a frame without its first n bytes go to `to`: how many there are. */
static uint32_t pieces_behind(const struct tx_frame *f, uint32_t n, struct iovec *to) {
  uint32_t k = 0;
  for (uint32_t i = 1; i < f->pieces; i++) {
    struct iovec v = f->gather[i];
    size_t skip = n < v.iov_len ? n : v.iov_len;
    n -= (uint32_t)skip;
    if (skip < v.iov_len) to[k++] = (struct iovec){ (uint8_t *)v.iov_base + skip, v.iov_len - skip };
  }
  return k;
}

/** Make f[0] the super-segment of f[0..r): its own headers behind its virtio_net_hdr, then the payloads. */
static void join(struct tx_frame *f, uint32_t r, const struct headers *h) {
  struct tx_frame *all = &f[0];
  uint32_t more = 0, pieces = 1 + pieces_behind(all, h->length, all->gather + 1);
  for (uint32_t i = 1; i < r; i++) {
    pieces += pieces_behind(&f[i], h->length, all->gather + pieces);
    more += f[i].len - h->length;
  }
  uint8_t *head = all->vnet + VNET_HDR, *ip = head + ETH_HLEN, *udp = ip + h->ip;
  memcpy(head, h->bytes, h->length);
  if (h->ip == IPV4_HEADER) lengthen(ip + 2, ip + 10, more, true);
  else put(ip + 4, be(ip + 4) + more);
  lengthen(udp + UDP_LENGTH, udp + UDP_CHECK, more, false);
  all->vnet[1] = VNET_GSO_UDP_L4;
  st16(all->vnet + 2, (uint16_t)h->length);
  st16(all->vnet + 4, (uint16_t)h->payload);
  all->gather[0] = (struct iovec){ all->vnet, VNET_HDR + h->length };
  all->pieces = pieces;
  all->len += more;
  all->count = r;
}

uint32_t uso_join(struct tx_frame *frames, uint32_t n) {
  uint32_t out = 0;
  for (uint32_t i = 0; i < n; out++) {
    struct headers h = { .length = 0 };
    if (n - i >= RUN_MIN) read_headers(&frames[i], &h);
    uint32_t r = h.length ? run_of(frames + i, n - i, &h) : 1;
    if (r >= RUN_MIN) join(frames + i, r, &h);
    else r = 1;
    if (out != i) {
      frames[out] = frames[i];
      frames[out].gather[0].iov_base = frames[out].vnet;
    }
    i += r;
  }
  return out;
}
