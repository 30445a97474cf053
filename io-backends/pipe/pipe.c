/*
 * PIPE: frames between two stacks of this host, over a unix SOCK_SEQPACKET socket at a path (one message = one
 * virtio_net_hdr and one frame), or over a pair of FIFOs when the path is a FIFO (fifo.c). Either end may start first and
 * may come back: the first one listens, the next connects; while there is no peer, frames are dropped as on a cable
 * without a carrier. `fd` is an epoll instance over the listener or connection and a retry timer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>
#include "pipe.h"

#define SOCKET_BUFFER (4 << 20)
#define RETRY_NS 100000000
/** Lock attempts of 1 ms each before giving up. */
#define LOCK_TRIES 200

enum { EV_LISTEN = 1, EV_CONN, EV_RETRY };

struct pipe_end {
  int epfd, listener, conn, retry;
  /** The path's socket file when it is ours. */
  dev_t dev;
  ino_t ino;
  bool armed;
  char path[108];
};

static int watch(struct pipe_end *p, int op, int fd, uint32_t events, uint32_t tag) {
  struct epoll_event ev = { .events = events, .data = { .u32 = tag } };
  return epoll_ctl(p->epfd, op, fd, &ev) < 0 ? -errno : 0;
}

int lock_folder(const char *path) {
  char dir[108];
  snprintf(dir, sizeof dir, "%s", path);
  char *slash = strrchr(dir, '/');
  if (!slash) strcpy(dir, ".");
  else slash[slash == dir] = 0;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  for (int i = 0; i < LOCK_TRIES; i++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    usleep(1000);
  }
  close(fd);
  return -EBUSY;
}

static int new_socket(void) {
  int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return s < 0 ? -errno : s;
}

static void use_connection(struct pipe_end *p, int s) {
  int big = SOCKET_BUFFER;
  if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big) < 0) setsockopt(s, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
  p->conn = s;
  p->armed = false;
  watch(p, EPOLL_CTL_ADD, s, EPOLLIN | EPOLLRDHUP, EV_CONN);
  // While a peer is here, others wait in the listener's queue.
  if (p->listener >= 0) watch(p, EPOLL_CTL_DEL, p->listener, 0, 0);
}

static int listen_at(struct pipe_end *p, int s, const struct sockaddr_un *at) {
  struct stat st;
  if (bind(s, (const struct sockaddr *)at, sizeof *at) < 0 || listen(s, 1) < 0 || lstat(p->path, &st) < 0) return -errno;
  p->listener = s;
  p->dev = st.st_dev;
  p->ino = st.st_ino;
  return watch(p, EPOLL_CTL_ADD, s, EPOLLIN, EV_LISTEN);
}

/* Connect to the peer's socket, or become the one that listens. 0 or -errno. */
static int join(struct pipe_end *p) {
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  struct stat st;
  strcpy(at.sun_path, p->path);
  int lock = lock_folder(p->path), s = lock < 0 ? lock : new_socket(), e = s < 0 ? s : 0;
  if (!e && connect(s, (struct sockaddr *)&at, sizeof at) == 0) use_connection(p, s);
  else if (!e) {
    e = -errno;
    bool stale = e == -ECONNREFUSED && lstat(p->path, &st) == 0 && S_ISSOCK(st.st_mode);
    if (stale) unlink(p->path);
    if (stale || e == -ENOENT) e = listen_at(p, s, &at);
    if (e) {
      close(s);
      if (p->listener == s) p->listener = -1;
    }
  }
  if (lock >= 0) close(lock);
  return e;
}

static void retry_later(struct pipe_end *p) {
  struct itimerspec t = { .it_value = { .tv_nsec = RETRY_NS } };
  timerfd_settime(p->retry, 0, &t, NULL);
}

/* The peer is gone: take the next in the queue, or look for another. */
static void hang_up(struct pipe_end *p) {
  close(p->conn);
  p->conn = -1;
  if (p->listener >= 0) watch(p, EPOLL_CTL_ADD, p->listener, EPOLLIN, EV_LISTEN);
  else if (p->retry >= 0) retry_later(p);
}

static void take_peer(struct pipe_end *p) {
  int s = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (s >= 0) use_connection(p, s);
}

/* Bring the link's state up to date; true when there is a peer. */
static bool carrier(struct pipe_end *p) {
  uint64_t n;
  if (p->conn < 0 && p->listener < 0 && p->retry >= 0 && read(p->retry, &n, sizeof n) > 0 && join(p) < 0) retry_later(p);
  if (p->conn < 0 && p->listener >= 0) take_peer(p);
  return p->conn >= 0;
}

static int pipe_rx(struct vif *v, struct rx_slot *slots, uint32_t n) {
  struct pipe_end *p = v->priv;
  uint32_t k = 0;
  if (!carrier(p)) return 0;
  while (k < n) {
    struct rx_slot *s = &slots[k];
    struct iovec io = { s->buf - VNET_HDR, s->cap + VNET_HDR };
    struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };
    ssize_t r = recvmsg(p->conn, &h, MSG_DONTWAIT);
    if (r < 0 && errno == EINTR) continue;
    if (r < 0 && errno == EAGAIN) break;
    if (r <= 0) {
      hang_up(p);
      v->more = carrier(p);
      return (int)k;
    }
    if (r <= (ssize_t)VNET_HDR || (h.msg_flags & MSG_TRUNC)) {
      v->stats.rx_dropped++;
      continue;
    }
    rx_done(v, s, (uint32_t)r - VNET_HDR, s->buf - VNET_HDR);
    k++;
  }
  v->more = k == n;
  // Room to send again was waited for: told, so wait for frames only.
  if (p->armed && watch(p, EPOLL_CTL_MOD, p->conn, EPOLLIN | EPOLLRDHUP, EV_CONN) == 0) p->armed = false;
  return (int)k;
}

static uint32_t pipe_tx(struct vif *v, struct tx_frame *frames, uint32_t n, enum tx_result *results) {
  struct pipe_end *p = v->priv;
  bool up = carrier(p);
  for (uint32_t i = 0; i < n; i++) {
    struct msghdr h = { .msg_iov = frames[i].gather, .msg_iovlen = frames[i].pieces };
    ssize_t r = -1;
    errno = EPIPE;
    if (up) while ((r = sendmsg(p->conn, &h, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
    if (r < 0 && errno == EAGAIN) {
      if (!p->armed && watch(p, EPOLL_CTL_MOD, p->conn, EPOLLIN | EPOLLOUT | EPOLLRDHUP, EV_CONN) == 0) p->armed = true;
      return i;
    }
    results[i] = r < 0 ? TX_DROPPED : TX_SENT;
  }
  return n;
}

static void pipe_close(struct vif *v) {
  struct pipe_end *p = v->priv;
  if (p->listener >= 0) {
    struct stat st;
    int lock = lock_folder(p->path);
    if (lstat(p->path, &st) == 0 && st.st_dev == p->dev && st.st_ino == p->ino) unlink(p->path);
    if (lock >= 0) close(lock);
    close(p->listener);
  }
  if (p->conn >= 0) close(p->conn);
  if (p->retry >= 0) close(p->retry);
  if (p->epfd >= 0) close(p->epfd);
  free(p);
}

/* What an end takes over from its configuration, whatever it is made of. */
static void configure(struct vif *v, const struct vif_config *c) {
  v->mtu = c->mtu ? c->mtu : 1500;
  memcpy(v->mac, c->mac, 6);
  v->has_mac = c->has_mac;
  v->features = c->offload & FEATURE_CSUM ? c->offload & (FEATURE_CSUM | FEATURE_TSO4 | FEATURE_TSO6 | FEATURE_USO) : 0;
}

int pipe_adopt(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  struct pipe_end *p = calloc(1, sizeof *p);
  if (p) *p = (struct pipe_end){ .listener = -1, .conn = -1, .retry = -1, .epfd = epoll_create1(EPOLL_CLOEXEC) };
  if (!p || p->epfd < 0) {
    int e = p ? errno : ENOMEM;
    free(p);
    close(c->fd);
    return vif_fail(err, n, e, "%s %s", c->type, c->name);
  }
  configure(v, c);
  v->ops = &pipe_ops;
  v->priv = p;
  v->fd = p->epfd;
  use_connection(p, c->fd);
  return 0;
}

static int pipe_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  struct stat st;
  if (!c->path[0]) return vif_fail(err, n, EINVAL, "PIPE %s: needs pipepath", c->name);
  snprintf(v->dev, sizeof v->dev, "%s", c->path);
  configure(v, c);
  if (stat(c->path, &st) == 0 && S_ISFIFO(st.st_mode)) {
    v->ops = &fifo_ops;
    return fifo_ops.open(v, c, err, n);
  }
  struct pipe_end *p = calloc(1, sizeof *p);
  if (!p) return vif_fail(err, n, ENOMEM, "PIPE %s", c->path);
  *p = (struct pipe_end){ .listener = -1, .conn = -1, .epfd = epoll_create1(EPOLL_CLOEXEC), .retry = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
  strcpy(p->path, c->path);
  v->priv = p;
  int e = p->epfd < 0 || p->retry < 0 ? -errno : watch(p, EPOLL_CTL_ADD, p->retry, EPOLLIN, EV_RETRY);
  if (!e) e = join(p);
  if (e == -EAGAIN || e == -EBUSY) { // the listener's queue is full, or the folder's lock is held: as if nobody were there yet
    retry_later(p);
    e = 0;
  }
  if (e) {
    pipe_close(v);
    return vif_fail(err, n, -e, e == -ENOTSOCK || e == -ECONNREFUSED ? "PIPE %s: a file of another kind is there" : "PIPE %s", c->path);
  }
  v->fd = p->epfd;
  return 0;
}

const struct vif_ops pipe_ops = { "PIPE", pipe_open, pipe_rx, pipe_tx, pipe_close, NULL };
