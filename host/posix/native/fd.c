// Data descriptors: socket pairs, and bytes between them and linear memory.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

/** Pieces of one transfer, as IOV_MAX of the ABI. */
#define PIECES 512

static napi_value result(napi_env env, int64_t rc) {
  return posix_number(env, rc < 0 ? -errno : rc);
}

static double inode_of(int fd) {
  struct stat st;
  return fstat(fd, &st) ? -errno : (double)st.st_ino;
}

/** posixPair(type, out: Int32Array): out[0] for the program, out[1] ours (non-blocking); the inode of out[0], or -errno. */
static napi_value fd_pair(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *out = posix_bytes(&c, 1, 0, 8);
  if (!out) return posix_number(env, -EINVAL);
  int type = posix_int(&c, 0), pair[2], one = 1;
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair)) return posix_number(env, -errno);
  // With credentials on every message an empty one is not mistaken for the end.
  if (fcntl(pair[1], F_SETFL, O_NONBLOCK) || (type != SOCK_STREAM && setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one))) {
    int error = errno;
    close(pair[0]);
    close(pair[1]);
    return posix_number(env, -error);
  }
  memcpy(out, pair, sizeof pair);
  return posix_number(env, inode_of(pair[0]));
}

/** posixStream(out: Int32Array): a unix stream socket without a peer; its inode, or -errno. */
static napi_value fd_stream(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *out = posix_bytes(&c, 0, 0, sizeof(int));
  if (!out) return posix_number(env, -EINVAL);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return posix_number(env, -errno);
  memcpy(out, &fd, sizeof fd);
  return posix_number(env, inode_of(fd));
}

/** Where posixJoin connects to: a listener with a name that the kernel chose; -errno. `self`: this process. */
static int join_listener(struct sockaddr_un *name, socklen_t *size, pid_t *self) {
  static _Thread_local int listener = -1;
  static _Thread_local struct sockaddr_un own;
  static _Thread_local socklen_t length;
  static _Thread_local pid_t pid;
  if (listener < 0) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    if (fd < 0) return -errno;
    length = sizeof own;
    if (bind(fd, (struct sockaddr *)&any, sizeof any.sun_family) || listen(fd, SOMAXCONN) || getsockname(fd, (struct sockaddr *)&own, &length)) {
      int error = errno;
      close(fd);
      return -error;
    }
    listener = fd;
    pid = getpid();
  }
  *self = pid;
  *name = own;
  *size = length;
  return listener;
}

static void set_timeout(int fd, int option, int64_t us) {
  struct timeval tv = {us / 1000000, us % 1000000};
  setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

/** More than a socket with the smallest send buffer takes: what a short write leaves has met the limit. */
#define FILLING 16384

/**
 * Make the program's end look unconnected: full, and when `quiet`, with time limits that end every wait at once. The bytes
 * in it, or -errno.
 */
static int prepare(int end, int quiet) {
  static const char junk[FILLING];
  int one = 1, filled = 0;
  ssize_t n;
  if (quiet) {
    set_timeout(end, SO_SNDTIMEO, 1);
    set_timeout(end, SO_RCVTIMEO, 1);
  }
  if (setsockopt(end, SOL_SOCKET, SO_SNDBUF, &one, sizeof one)) return -errno;
  do {
    n = send(end, junk, sizeof junk, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) filled += n;
  } while (n == (ssize_t)sizeof junk && filled < 16 * FILLING);
  return filled;
}

/** posixPrepare(end, quiet): see prepare(). */
static napi_value fd_prepare(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, prepare(posix_int(&c, 0), posix_int(&c, 1)));
}

/** Our copy of the program's end, `found` when it is the caller's to close; -ENOENT. */
static int end_of(struct call *c, int *found) {
  int tid = posix_int(c, 0), fd = posix_int(c, 1);
  int64_t inode = posix_int(c, 2);
  int end = posix_task_current(tid, fd, inode);
  *found = end < 0;
  return end < 0 ? posix_find_end(tid, fd, inode) : end;
}

static int join(int end) {
  struct sockaddr_un name;
  socklen_t size = sizeof name;
  pid_t self = 0;
  int listener = join_listener(&name, &size, &self);
  if (listener < 0) return listener;
  if (connect(end, (struct sockaddr *)&name, size)) return -errno;
  for (;;) {
    int own = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred who;
    socklen_t n = sizeof who;
    if (own < 0) return -errno;
    if (getsockopt(own, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.pid == self) return own;
    close(own); // another process has found the name
  }
}

/**
 * posixJoin(tid, fd there, inode, quiet, out: Int32Array): give a socket of posixStream a peer, as if both had come from one socketpair,
 * and prepare() it; the peer, non-blocking, or -errno. out[0]: the bytes in it. The file stays the same, and with it every
 * duplicate and epoll registration of the program. Not quiet: only for one that is non-blocking.
 */
static napi_value fd_join(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *out = posix_bytes(&c, 4, 0, sizeof(int));
  if (!out) return posix_number(env, -EINVAL);
  int found, end = end_of(&c, &found), quiet = posix_int(&c, 3);
  if (end < 0) return posix_number(env, end);
  if (quiet) set_timeout(end, SO_SNDTIMEO, 1); // the peer is there at once, or not at all
  int own = join(end), filled = own < 0 ? 0 : prepare(end, quiet);
  if (found) close(end);
  if (filled < 0) {
    close(own);
    own = filled;
  }
  memcpy(out, &filled, sizeof filled);
  return posix_number(env, own);
}

/** Build an iovec from `count` pairs (u32 address, u32 length) at offset `at` of linear memory; 0 or -errno. */
static int pieces(struct call *c, size_t memory, int64_t at, int64_t count, struct iovec *iov) {
  if (count < 0 || count > PIECES) return -EINVAL;
  uint8_t *list = posix_bytes(c, memory, at, count * 8);
  if (!list) return -EFAULT;
  for (int64_t i = 0; i < count; i++) {
    uint32_t pair[2];
    memcpy(pair, list + i * 8, sizeof pair);
    iov[i].iov_base = posix_bytes(c, memory, pair[0], pair[1]);
    iov[i].iov_len = pair[1];
    if (!iov[i].iov_base) return -EFAULT;
  }
  return 0;
}

/** posixReadv(fd, memory, at, count, limit): bytes read into the pieces listed at `at`, at most limit; 0 at the end, -errno. */
static napi_value fd_readv(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct iovec iov[PIECES];
  int64_t count = posix_int(&c, 3), limit = posix_int(&c, 4), room = 0, used = 0;
  int rc = pieces(&c, 1, posix_int(&c, 2), count, iov);
  if (rc < 0) return posix_number(env, rc);
  while (used < count && room < limit) {
    if ((int64_t)iov[used].iov_len > limit - room) iov[used].iov_len = limit - room;
    room += iov[used++].iov_len;
  }
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = used};
  return result(env, recvmsg(posix_int(&c, 0), &msg, MSG_DONTWAIT));
}

/** posixWritev(fd, memory, at, count): bytes written from the pieces listed at `at`, or -errno. */
static napi_value fd_writev(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct iovec iov[PIECES];
  int64_t count = posix_int(&c, 3);
  int rc = pieces(&c, 1, posix_int(&c, 2), count, iov);
  if (rc < 0) return posix_number(env, rc);
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
  return result(env, sendmsg(posix_int(&c, 0), &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** posixReceive(fd, memory, offset, room, flags): bytes, or -errno. Never blocks. */
static napi_value fd_receive(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t room = posix_int(&c, 3);
  uint8_t *dst = posix_bytes(&c, 1, posix_int(&c, 2), room);
  if (!dst) return posix_number(env, -EFAULT);
  return result(env, recv(posix_int(&c, 0), dst, room, posix_int(&c, 4) | MSG_DONTWAIT));
}

/** posixSend(fd, memory, offset, length, flags): bytes, or -errno. Never blocks, never signals. */
static napi_value fd_send(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t len = posix_int(&c, 3);
  uint8_t *src = posix_bytes(&c, 1, posix_int(&c, 2), len);
  if (!src) return posix_number(env, -EFAULT);
  return result(env, send(posix_int(&c, 0), src, len, posix_int(&c, 4) | MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** posixQueued(fd, command): the int an ioctl (FIONREAD, SIOCOUTQ, SIOCATMARK) stores, or -errno. */
static napi_value fd_queued(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int value = 0;
  int rc = ioctl(posix_int(&c, 0), posix_int(&c, 1), &value);
  return result(env, rc < 0 ? rc : value);
}

/** posixPoll(fd, events): what is ready now, or -errno. */
static napi_value fd_poll(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct pollfd p = {posix_int(&c, 0), posix_int(&c, 1), 0};
  int rc = poll(&p, 1, 0);
  return result(env, rc < 0 ? rc : p.revents);
}

/** posixSetInt(fd, option, value): an int option of SOL_SOCKET. */
static napi_value fd_set_int(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int value = posix_int(&c, 2);
  return result(env, setsockopt(posix_int(&c, 0), SOL_SOCKET, posix_int(&c, 1), &value, sizeof value));
}

/** posixSetTimeout(fd, option, microseconds): SO_RCVTIMEO or SO_SNDTIMEO; 0 = for ever. */
static napi_value fd_set_timeout(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t us = posix_int(&c, 2);
  struct timeval tv = {us / 1000000, us % 1000000};
  return result(env, setsockopt(posix_int(&c, 0), SOL_SOCKET, posix_int(&c, 1), &tv, sizeof tv));
}

/**
 * posixOpenPair(tid, fd there, inode, our end, send buffer, filling, SO_RCVLOWAT or 0, SO_RCVTIMEO, SO_SNDTIMEO: µs, negative = as it is): give the
 * program's end, if it has one, its real settings and take the filling out; bytes taken. One call, so that a program that waits
 * for the edge (EPOLLET) sees one. Exactly the filling is taken: with the buffer raised the program may already be writing behind it.
 */
static napi_value fd_open_pair(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int found, end = end_of(&c, &found), own = posix_int(&c, 3), size = posix_int(&c, 4), left = posix_int(&c, 5), low = posix_int(&c, 6);
  char junk[FILLING];
  int64_t taken = 0;
  if (end >= 0) {
    if (posix_int(&c, 7) >= 0) set_timeout(end, SO_RCVTIMEO, posix_int(&c, 7));
    if (posix_int(&c, 8) >= 0) set_timeout(end, SO_SNDTIMEO, posix_int(&c, 8));
    if (low) setsockopt(end, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (found) close(end);
  }
  while (left > 0) {
    ssize_t n = recv(own, junk, (size_t)left < sizeof junk ? (size_t)left : sizeof junk, MSG_DONTWAIT);
    if (n <= 0) break;
    taken += n;
    left -= (int)n;
  }
  return posix_number(env, taken);
}

static napi_value fd_nonblock(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return result(env, fcntl(posix_int(&c, 0), F_SETFL, O_NONBLOCK));
}

static napi_value fd_shutdown(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return result(env, shutdown(posix_int(&c, 0), posix_int(&c, 1)));
}

static napi_value fd_close(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return result(env, close(posix_int(&c, 0)));
}

/** posixOwnInode(fd): the inode behind one of our descriptors. */
static napi_value fd_inode(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, inode_of(posix_int(&c, 0)));
}

/** Most descriptors of one message (SCM_MAX_FD). */
#define FDS_MAX 253

/**
 * posixReceiveFds(unix socket, milliseconds, out: Int32Array): how many descriptors were sent over it (SCM_RIGHTS), at least 1;
 * -EPIPE when the sender has gone, -ETIMEDOUT. Those that `out` has no room for are closed.
 */
static napi_value fd_receive_fds(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int sock = posix_int(&c, 0), rc;
  struct pollfd p = {sock, POLLIN, 0};
  while ((rc = poll(&p, 1, posix_int(&c, 1))) < 0 && errno == EINTR);
  if (rc <= 0) return posix_number(env, rc < 0 ? -errno : -ETIMEDOUT);
  char byte, control[CMSG_SPACE(FDS_MAX * sizeof(int))];
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  if (n < 0) return posix_number(env, -errno);
  struct cmsghdr *m = n ? CMSG_FIRSTHDR(&msg) : NULL;
  if (!m || m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS) return posix_number(env, -EPIPE);
  size_t sent = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int), room = 0;
  while (room < sent && posix_bytes(&c, 2, 0, (room + 1) * sizeof(int))) room++;
  uint8_t *out = posix_bytes(&c, 2, 0, room * sizeof(int));
  if (out) memcpy(out, CMSG_DATA(m), room * sizeof(int));
  for (size_t i = room; i < sent; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
    close(fd);
  }
  return posix_number(env, room ? (double)room : -EINVAL);
}

/** posixFrameRead(fd, memory, offset, room): bytes of the next frame of a TAP, or -errno. */
static napi_value frame_read(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t room = posix_int(&c, 3);
  uint8_t *dst = posix_bytes(&c, 1, posix_int(&c, 2), room);
  if (!dst) return posix_number(env, -EFAULT);
  return result(env, read(posix_int(&c, 0), dst, room));
}

/** posixFrameWrite(fd, memory, offset, length): bytes written as one frame of a TAP, or -errno. */
static napi_value frame_write(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t length = posix_int(&c, 3);
  uint8_t *src = posix_bytes(&c, 1, posix_int(&c, 2), length);
  if (!src) return posix_number(env, -EFAULT);
  return result(env, write(posix_int(&c, 0), src, length));
}

/** posixUnixAlive(inode): 1 while some process holds the unix socket with this inode, 0, or -errno (no unix_diag). */
static napi_value fd_unix_alive(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  static _Thread_local int diag = -1;
  if (diag < 0) diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (diag < 0) return posix_number(env, -errno);
  struct {
    struct nlmsghdr h;
    struct unix_diag_req r;
  } request = {
      .h = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
      .r = {.sdiag_family = AF_UNIX, .udiag_states = -1u, .udiag_ino = posix_int(&c, 0), .udiag_cookie = {-1u, -1u}},
  };
  union {
    struct nlmsghdr h;
    char bytes[1024];
  } answer;
  ssize_t n = send(diag, &request, sizeof request, 0);
  if (n > 0) n = recv(diag, &answer, sizeof answer, MSG_DONTWAIT);
  int rc = n < (ssize_t)sizeof answer.h ? -EIO : 1;
  if (rc == 1 && answer.h.nlmsg_type == NLMSG_ERROR) {
    rc = ((struct nlmsgerr *)NLMSG_DATA(&answer.h))->error;
    if (rc == -ENOENT) rc = 0;
  }
  return posix_number(env, rc);
}

/** posixEpoll(): an epoll descriptor. */
static napi_value fd_epoll(napi_env env, napi_callback_info info) {
  (void)info;
  return result(env, epoll_create1(EPOLL_CLOEXEC));
}

/** posixEpollControl(epoll, operation, fd, events, id) */
static napi_value fd_epoll_control(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct epoll_event e = {.events = posix_int(&c, 3), .data.u32 = posix_int(&c, 4)};
  return result(env, epoll_ctl(posix_int(&c, 0), posix_int(&c, 1), posix_int(&c, 2), &e));
}

/** posixEpollReady(epoll, ready: Uint32Array, pairs): number of pairs (id, events) that are ready now. */
static napi_value fd_epoll_ready(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct epoll_event events[PIECES];
  int64_t max = posix_int(&c, 2);
  uint8_t *out = posix_bytes(&c, 1, 0, max * 8);
  if (!out || max < 1 || max > PIECES) return posix_number(env, -EINVAL);
  int n = epoll_wait(posix_int(&c, 0), events, max, 0);
  for (int i = 0; i < n; i++) {
    uint32_t pair[2] = {events[i].data.u32, events[i].events};
    memcpy(out + i * sizeof pair, pair, sizeof pair);
  }
  return result(env, n);
}

const struct posix_function POSIX_FD[] = {
    {"posixPair", fd_pair}, {"posixStream", fd_stream}, {"posixJoin", fd_join}, {"posixReadv", fd_readv}, {"posixWritev", fd_writev}, {"posixReceive", fd_receive},
    {"posixSend", fd_send}, {"posixQueued", fd_queued}, {"posixPoll", fd_poll},
    {"posixSetInt", fd_set_int}, {"posixSetTimeout", fd_set_timeout}, {"posixPrepare", fd_prepare}, {"posixOpenPair", fd_open_pair}, {"posixNonblock", fd_nonblock},
    {"posixShutdown", fd_shutdown}, {"posixClose", fd_close}, {"posixOwnInode", fd_inode}, {"posixReceiveFds", fd_receive_fds},
    {"posixFrameRead", frame_read}, {"posixFrameWrite", frame_write},
    {"posixUnixAlive", fd_unix_alive}, {"posixEpoll", fd_epoll},
    {"posixEpollControl", fd_epoll_control}, {"posixEpollReady", fd_epoll_ready}, {NULL, NULL},
};
