/*
 * PIPE over a pair of FIFOs, PATH and PATH.back: records of magic "NUF1", u32 length of what follows, virtio_net_hdr,
 * frame. The end that locks PATH first reads PATH and writes PATH.back, the other the opposite. A record cut short by
 * the death of its writer is skipped by looking for the next magic.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pipe.h"

#define MAGIC 0x3146554eu
#define RECORD_HDR 8u
#define RECORD_MAX (RECORD_HDR + VNET_HDR + FRAME_MAX)
#define PIPE_SIZE (1 << 20)

struct fifo {
  int epfd, in, out;
  /** Waiting for room in `out`. */
  bool armed;
  char back[108];
  /** Received bytes [in_at, in_end), and the rest of a record that the FIFO took only in part. */
  uint32_t in_at, in_end, out_at, out_end;
  uint8_t inbuf[2 * RECORD_MAX];
  uint8_t outbuf[RECORD_MAX];
};

static int open_fifo(const char *path) {
  int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

/* Open both directions and take a role. 0 or -errno; called with the folder locked. */
static int choose(struct fifo *f, const char *path) {
  if (mkfifo(f->back, 0600) < 0 && errno != EEXIST) return -errno;
  if ((f->in = open_fifo(path)) < 0) return f->in;
  if ((f->out = open_fifo(f->back)) < 0) return f->out;
  if (flock(f->in, LOCK_EX | LOCK_NB) == 0) return 0;
  int t = f->in;
  f->in = f->out;
  f->out = t;
  return flock(f->in, LOCK_EX | LOCK_NB) == 0 ? 0 : -EBUSY;
}

static int watch_out(struct fifo *f, int op, uint32_t events) {
  struct epoll_event ev = { .events = events };
  return epoll_ctl(f->epfd, op, f->out, &ev);
}

static void fifo_close(struct vif *v) {
  struct fifo *f = v->priv;
  int lock = lock_folder(f->back);
  // Alone: nobody holds the other direction, so nothing needs the FIFO that we may have made.
  if (lock >= 0 && f->out >= 0 && flock(f->out, LOCK_EX | LOCK_NB) == 0) unlink(f->back);
  if (lock >= 0) close(lock);
  if (f->in >= 0) close(f->in);
  if (f->out >= 0) close(f->out);
  if (f->epfd >= 0) close(f->epfd);
  free(f);
}

static int fifo_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  struct fifo *f = calloc(1, sizeof *f);
  if (!f) return vif_fail(err, n, ENOMEM, "PIPE %s", c->path);
  f->in = f->out = -1;
  f->epfd = epoll_create1(EPOLL_CLOEXEC);
  v->priv = f;
  int e = f->epfd < 0 ? -errno : 0;
  if (!e && snprintf(f->back, sizeof f->back, "%s.back", c->path) >= (int)sizeof f->back) e = -ENAMETOOLONG;
  int lock = e ? e : lock_folder(c->path);
  if (lock < 0) e = lock;
  else {
    e = choose(f, c->path);
    close(lock);
  }
  if (!e) {
    struct epoll_event ev = { .events = EPOLLIN };
    if (epoll_ctl(f->epfd, EPOLL_CTL_ADD, f->in, &ev) < 0 || watch_out(f, EPOLL_CTL_ADD, 0) < 0) e = -errno;
  }
  if (e) {
    fifo_close(v);
    return vif_fail(err, n, -e, e == -EBUSY ? "PIPE %s: two ends are attached already" : "PIPE %s", c->path);
  }
  fcntl(f->in, F_SETPIPE_SZ, PIPE_SIZE);
  fcntl(f->out, F_SETPIPE_SZ, PIPE_SIZE);
  // What an earlier peer left is stale.
  while (read(f->in, f->inbuf, sizeof f->inbuf) > 0) continue;
  v->fd = f->epfd;
  return 0;
}

/* More bytes from the FIFO; false when there are none. */
static bool fill(struct fifo *f) {
  ssize_t r;
  memmove(f->inbuf, f->inbuf + f->in_at, f->in_end - f->in_at);
  f->in_end -= f->in_at;
  f->in_at = 0;
  while ((r = read(f->in, f->inbuf + f->in_end, sizeof f->inbuf - f->in_end)) < 0 && errno == EINTR) continue;
  if (r <= 0) return false;
  f->in_end += (uint32_t)r;
  return true;
}

/* Bytes after the header of the record at in_at once it is whole, else 0; garbage before it is skipped. */
static uint32_t record(struct vif *v, struct fifo *f) {
  while (f->in_end - f->in_at >= RECORD_HDR) {
    const uint8_t *p = f->inbuf + f->in_at;
    uint32_t len = ld32(p + 4);
    if (ld32(p) == MAGIC && len > VNET_HDR && len <= VNET_HDR + FRAME_MAX) return f->in_end - f->in_at - RECORD_HDR >= len ? len : 0;
    v->stats.rx_dropped++;
    do f->in_at++;
    while (f->in_end - f->in_at >= RECORD_HDR && ld32(f->inbuf + f->in_at) != MAGIC);
  }
  return 0;
}

/* Write what is left of a record; true when nothing is, else room is waited for. */
static bool flush(struct fifo *f) {
  while (f->out_at < f->out_end) {
    ssize_t r = write(f->out, f->outbuf + f->out_at, f->out_end - f->out_at);
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) {
      if (!f->armed && watch_out(f, EPOLL_CTL_MOD, EPOLLOUT) == 0) f->armed = true;
      return false;
    }
    f->out_at += (uint32_t)r;
  }
  f->out_at = f->out_end = 0;
  if (f->armed && watch_out(f, EPOLL_CTL_MOD, 0) == 0) f->armed = false;
  return true;
}

static int fifo_rx(struct vif *v, struct rx_slot *slots, uint32_t n) {
  struct fifo *f = v->priv;
  uint32_t k = 0;
  flush(f);
  while (k < n) {
    uint32_t len = record(v, f);
    if (!len) {
      if (fill(f)) continue;
      return (int)k;
    }
    const uint8_t *p = f->inbuf + f->in_at + RECORD_HDR;
    f->in_at += RECORD_HDR + len;
    if (len - VNET_HDR > slots[k].cap) {
      v->stats.rx_dropped++;
      continue;
    }
    memcpy(slots[k].buf, p + VNET_HDR, len - VNET_HDR);
    rx_done(v, &slots[k], len - VNET_HDR, p);
    k++;
  }
  v->more = true;
  return (int)k;
}

static uint32_t fifo_tx(struct vif *v, struct tx_frame *frames, uint32_t n, enum tx_result *results) {
  struct fifo *f = v->priv;
  for (uint32_t i = 0; i < n; i++) {
    if (!flush(f)) return i;
    // One copy, so that a record is never mixed with another and a part of it can wait here.
    st32(f->outbuf, MAGIC);
    st32(f->outbuf + 4, VNET_HDR + frames[i].len);
    f->out_end = RECORD_HDR;
    for (uint32_t j = 0; j < frames[i].pieces; j++) {
      memcpy(f->outbuf + f->out_end, frames[i].gather[j].iov_base, frames[i].gather[j].iov_len);
      f->out_end += (uint32_t)frames[i].gather[j].iov_len;
    }
    flush(f);
    results[i] = TX_SENT;
  }
  return n;
}

const struct vif_ops fifo_ops = { "FIFO", fifo_open, fifo_rx, fifo_tx, fifo_close, NULL };
