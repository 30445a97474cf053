/* The vifs of an environment: descriptors checked and turned into slots and gather lists for the back end. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "vif.h"

static const struct vif_ops *const BACKENDS[] = { &tap_ops, &raw_ops, &pipe_ops, &user_ops, &xdp_ops };

int vif_fail(char *out, size_t n, int err, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(out, n, format, ap);
  va_end(ap);
  return -err;
}

static struct vif *vif_at(napi_env env, uint32_t handle) {
  struct vif *v = handle < MAX_VIFS ? nuse_env_of(env)->vifs[handle] : NULL;
  return v && v->mem->base ? v : NULL;
}

void rx_done(struct vif *v, struct rx_slot *s, uint32_t len, const uint8_t *vnet) {
  uint8_t *d = s->desc;
  st32(d + RXD_LEN, len);
  d[RXD_FLAGS] = vnet[0];
  d[RXD_GSO_TYPE] = vnet[1];
  st16(d + RXD_HDR_LEN, ld16(vnet + 2));
  st16(d + RXD_GSO_SIZE, ld16(vnet + 4));
  st16(d + RXD_CSUM_START, ld16(vnet + 6));
  st16(d + RXD_CSUM_OFFSET, ld16(vnet + 8));
  v->stats.rx_frames++;
  v->stats.rx_bytes += len;
}

/*
 * rxBurst(vif, slot, first, max): receive into descriptors first.. of the posted ones; the number of frames (0..64),
 * plus RX_MORE when more may be waiting; else its fd becomes readable again with the next frame. -errno: the device failed.
 */
static napi_value rx_burst(napi_env env, napi_callback_info info) {
  int32_t a[4];
  if (!args_i32(env, info, 4, a)) return ret_i32(env, -EINVAL);
  struct vif *v = vif_at(env, (uint32_t)a[0]);
  uint32_t first = (uint32_t)a[2], max = (uint32_t)a[3];
  if (!v) return ret_i32(env, -EBADF);
  if ((uint32_t)a[1] >= VIF_MAX || first >= RX_RING) return ret_i32(env, -EINVAL);
  if (max > RX_RING - first) max = RX_RING - first;
  struct rx_slot slots[RX_RING];
  for (uint32_t i = 0; i < max; i++) {
    uint8_t *d = v->mem->base + RX_DESC + (first + i) * RX_DESC_SIZE;
    uint32_t buf = ld32(d + RXD_BUF), cap = ld32(d + RXD_CAP);
    if (buf < STATIC_BASE + RX_HEADROOM || cap < 64 || !mem_has(v->mem, buf, cap)) return ret_i32(env, -EFAULT);
    slots[i] = (struct rx_slot){ v->mem->base + buf, cap, d };
    st16(d + RXD_VIF, (uint16_t)a[1]);
  }
  if (!max) return ret_i32(env, RX_MORE);
  v->more = false;
  int r = v->ops->rx_burst(v, slots, max);
  return ret_i32(env, r == -EAGAIN ? 0 : r < 0 ? r : r | (v->more ? RX_MORE : 0));
}

/* The descriptor at d as a gather list in the room at `gather`; false when it does not add up. */
static bool tx_load(const struct nuse_mem *m, const uint8_t *d, struct iovec *gather, struct tx_frame *f) {
  uint32_t n = ld16(d + TXD_NFRAGS), total = 0;
  if (n < 1 || n > TXD_MAX_FRAGS) return false;
  f->vnet[0] = d[TXD_FLAGS];
  f->vnet[1] = d[TXD_GSO_TYPE];
  memcpy(f->vnet + 2, d + TXD_HDR_LEN, 2);
  memcpy(f->vnet + 4, d + TXD_GSO_SIZE, 2);
  memcpy(f->vnet + 6, d + TXD_CSUM_START, 4);
  f->gather = gather;
  f->count = 1;
  f->gather[0] = (struct iovec){ f->vnet, VNET_HDR };
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at = ld32(d + TXD_FRAGS + 8 * i), len = ld32(d + TXD_FRAGS + 8 * i + 4);
    if (!mem_has(m, at, len) || len > FRAME_MAX) return false;
    f->gather[i + 1] = (struct iovec){ m->base + at, len };
    total += len;
  }
  f->pieces = n + 1;
  f->len = total;
  return total == ld32(d + TXD_LEN) && total >= 1 && total <= FRAME_MAX;
}

/* Count frames[0..n); the descriptors they were made of. */
static uint32_t tx_count(struct vif *v, const struct tx_frame *frames, const enum tx_result *results, uint32_t n) {
  uint32_t done = 0;
  for (uint32_t i = 0; i < n; done += frames[i++].count) {
    if (results[i] == TX_SENT) {
      v->stats.tx_frames += frames[i].count;
      v->stats.tx_bytes += frames[i].len;
    } else v->stats.tx_dropped += frames[i].count;
  }
  return done;
}

/* Give frames[0..n) to the back end, whatever it takes to get past refused ones; how many are done. */
static uint32_t tx_give(struct vif *v, struct tx_frame *frames, uint32_t n) {
  enum tx_result results[BURST];
  if (v->join && v->features & FEATURE_USO) n = uso_join(frames, n);
  return tx_count(v, frames, results, n ? v->ops->tx_burst(v, frames, n, results) : 0);
}

/*
 * txBurst(vif, slot, max): send at most `max` frames of the slot's ring and advance VIF_TX_TAIL over those that were
 * sent or lost; frames, or -errno. Fewer than max with the ring not empty: the device is full. HDR_NOW becomes the time at which
 * they had been given away: behind a TAP or veth the kernel has answered by then.
 */
static napi_value tx_burst(napi_env env, napi_callback_info info) {
  int32_t a[3];
  if (!args_i32(env, info, 3, a)) return ret_i32(env, -EINVAL);
  struct vif *v = vif_at(env, (uint32_t)a[0]);
  if (!v) return ret_i32(env, -EBADF);
  if ((uint32_t)a[1] >= VIF_MAX || a[2] < 0) return ret_i32(env, -EINVAL);
  uint8_t *h = v->mem->base + VIF + (uint32_t)a[1] * VIF_STRIDE;
  uint32_t ring = ld32(h + VIF_TX_RING), size = ld32(h + VIF_TX_SIZE), head = ld32(h + VIF_TX_HEAD), tail = ld32(h + VIF_TX_TAIL);
  if (size != TX_RING || !mem_has(v->mem, ring, size * TX_DESC_SIZE) || head - tail > size) return ret_i32(env, -EFAULT);
  struct tx_frame frames[BURST];
  struct iovec gathers[BURST][TXD_MAX_FRAGS + 1];
  uint32_t left = (uint32_t)a[2] < head - tail ? (uint32_t)a[2] : head - tail, done = 0;
  bool blocked = false;
  while (done < left && !blocked) {
    uint32_t n = 0;
    while (n < BURST && done + n < left && tx_load(v->mem, v->mem->base + ring + ((tail + done + n) & (size - 1)) * TX_DESC_SIZE, gathers[n], &frames[n])) n++;
    uint32_t k = tx_give(v, frames, n);
    done += k;
    blocked = k < n;
    if (!blocked && n < BURST && done < left) {
      v->stats.tx_invalid++;
      done++;
    }
  }
  st32(h + VIF_TX_TAIL, tail + done);
  if (done) mem_stamp(v->mem);
  return ret_i32(env, done);
}

/* A string that may be absent, but not too long. */
static bool optional(napi_env env, napi_value o, const char *key, char *out, size_t size) {
  napi_value v;
  napi_valuetype t;
  if (get_string(env, o, key, out, size)) return true;
  out[0] = 0;
  return napi_get_named_property(env, o, key, &v) == napi_ok && napi_typeof(env, v, &t) == napi_ok && t == napi_undefined;
}

/* `worker` of `workers`, and `key`: 160 hexadecimal digits. */
static bool read_steering(napi_env env, napi_value o, struct steering *s) {
  int32_t index = 0, count = 0;
  char key[2 * sizeof s->key + 1];
  if (!get_i32(env, o, "workers", &count)) return true;
  if (!get_i32(env, o, "worker", &index) || count < 2 || (uint32_t)count > STEER_MAX || index < 0 || index >= count) return false;
  if (!get_string(env, o, "key", key, sizeof key) || strlen(key) != sizeof key - 1) return false;
  for (size_t i = 0; i < sizeof s->key; i++)
    if (sscanf(key + 2 * i, "%2hhx", (uint8_t *)s->key + i) != 1) return false;
  s->index = (uint32_t)index;
  s->count = (uint32_t)count;
  return true;
}

static bool read_config(napi_env env, napi_value o, struct vif_config *c) {
  int32_t mtu = 0, offload = 0, fd = -1, queue = 0, group = 0;
  char mac[18];
  memset(c, 0, sizeof *c);
  if (!get_string(env, o, "type", c->type, sizeof c->type) || !get_string(env, o, "name", c->name, sizeof c->name)) return false;
  if (!optional(env, o, "dev", c->dev, sizeof c->dev) || !optional(env, o, "path", c->path, sizeof c->path)) return false;
  if (!optional(env, o, "mac", mac, sizeof mac)) return false;
  if (get_i32(env, o, "mtu", &mtu) && (mtu < 0 || mtu > 65535)) return false;
  if (get_i32(env, o, "queue", &queue) && queue < 0) return false;
  get_i32(env, o, "offload", &offload);
  get_i32(env, o, "fd", &fd);
  get_i32(env, o, "group", &group);
  if (!read_steering(env, o, &c->steer)) return false;
  c->group = (uint32_t)group;
  c->fd = fd;
  c->queue = (uint32_t)queue;
  if (mac[0]) {
    int end = 0;
    uint8_t *m = c->mac;
    if (sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) != 6 || end != 17) return false;
    c->has_mac = true;
  }
  c->mtu = (uint32_t)mtu;
  c->offload = (uint32_t)offload;
  return true;
}

static napi_value describe(napi_env env, uint32_t slot, const struct vif *v) {
  napi_value o, b;
  char mac[18] = "";
  if (napi_create_object(env, &o) != napi_ok) return NULL;
  if (v->has_mac) snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2], v->mac[3], v->mac[4], v->mac[5]);
  set_number(env, o, "handle", slot);
  set_number(env, o, "fd", v->fd);
  set_number(env, o, "mtu", v->mtu);
  set_number(env, o, "features", v->features);
  set_number(env, o, "group", v->group);
  set_string(env, o, "mac", mac);
  set_string(env, o, "dev", v->dev);
  napi_get_boolean(env, v->poll_out, &b);
  napi_set_named_property(env, o, "pollOut", b);
  return o;
}

/* vifOpen(memory, {type, name, dev, path, fd, queue, mac, mtu, offload, worker, workers, key, group}): {handle, fd, mtu, features, group, mac, dev, pollOut}. Throws. */
static napi_value vif_open(napi_env env, napi_callback_info info) {
  napi_value a[2];
  size_t argc = 2;
  uint32_t memory;
  struct vif_config c;
  char why[256] = "";
  if (napi_get_cb_info(env, info, &argc, a, NULL, NULL) != napi_ok || argc < 2 || napi_get_value_uint32(env, a[0], &memory) != napi_ok ||
      !read_config(env, a[1], &c))
    return throw_errno(env, EINVAL, "vifOpen: a name, address or path is missing, malformed or too long");
  struct nuse_mem *mem = nuse_mem_at(env, memory);
  if (!mem) return throw_errno(env, EBADF, "vifOpen");
  struct nuse_env *e = nuse_env_of(env);
  const struct vif_ops *ops = NULL;
  for (size_t i = 0; i < sizeof BACKENDS / sizeof *BACKENDS; i++)
    if (!strcmp(BACKENDS[i]->type, c.type)) ops = BACKENDS[i];
  if (!ops || (c.steer.count && ops != &tap_ops && ops != &raw_ops)) return throw_errno(env, ENOTSUP, "vifOpen: unknown vif type, or one without queues for workers");
  uint32_t slot = 0;
  while (slot < MAX_VIFS && e->vifs[slot]) slot++;
  if (slot == MAX_VIFS) return throw_errno(env, EMFILE, "vifOpen: too many vifs");
  struct vif *v = calloc(1, sizeof *v);
  if (!v) return throw_errno(env, ENOMEM, "vifOpen");
  v->ops = ops;
  v->mem = mem;
  v->fd = -1;
  int err = ops->open(v, &c, why, sizeof why);
  if (err) {
    free(v);
    return throw_errno(env, -err, why);
  }
  e->vifs[slot] = v;
  return describe(env, slot, v);
}

/* vifStats(vif): counters since it was opened. */
static napi_value vif_stats(napi_env env, napi_callback_info info) {
  int32_t a[1];
  napi_value o;
  struct vif *v = args_i32(env, info, 1, a) ? vif_at(env, (uint32_t)a[0]) : NULL;
  if (!v) return throw_errno(env, EBADF, "vifStats");
  if (napi_create_object(env, &o) != napi_ok) return NULL;
  const struct vif_stats *s = &v->stats;
  if (v->ops->count) v->ops->count(v);
  set_number(env, o, "rxFrames", (double)s->rx_frames);
  set_number(env, o, "rxBytes", (double)s->rx_bytes);
  set_number(env, o, "rxDropped", (double)s->rx_dropped);
  set_number(env, o, "txFrames", (double)s->tx_frames);
  set_number(env, o, "txBytes", (double)s->tx_bytes);
  set_number(env, o, "txDropped", (double)s->tx_dropped);
  set_number(env, o, "txInvalid", (double)s->tx_invalid);
  return o;
}

static void vif_free(struct vif *v) {
  v->ops->close(v);
  free(v);
}

/* vifClose(vif): 0 or -errno. */
static napi_value vif_close(napi_env env, napi_callback_info info) {
  int32_t a[1];
  struct nuse_env *e = nuse_env_of(env);
  if (!args_i32(env, info, 1, a)) return ret_i32(env, -EINVAL);
  if ((uint32_t)a[0] >= MAX_VIFS || !e->vifs[a[0]]) return ret_i32(env, -EBADF);
  vif_free(e->vifs[a[0]]);
  e->vifs[a[0]] = NULL;
  return ret_i32(env, 0);
}

void vif_cleanup(struct nuse_env *e) {
  for (int i = 0; i < MAX_VIFS; i++)
    if (e->vifs[i]) vif_free(e->vifs[i]);
}

void vif_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "vifOpen", vif_open);
  export_fn(env, exports, "rxBurst", rx_burst);
  export_fn(env, exports, "txBurst", tx_burst);
  export_fn(env, exports, "vifStats", vif_stats);
  export_fn(env, exports, "vifClose", vif_close);
  user_exports(env, exports);
}
