// Seccomp user notification (seccomp_unotify(2)): receive a call, answer it, give it a descriptor.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1
#endif

/** A call as JavaScript keeps it (host/posix/call.ts): the kernel's record, and the socket its first argument means. */
struct record {
  struct seccomp_notif n;
  double inode; // 0 = no socket, -errno
};
#define RECORD ((int64_t)sizeof(struct record))

static napi_value result(napi_env env, int rc) {
  return posix_number(env, rc < 0 ? -errno : rc);
}

/**
 * posixNotifyReceive(fd, record: 88 bytes, wait: µs, at most): 0; -EAGAIN when no call waits, -EPIPE when every program has gone, -ENOENT when the
 * one that waited was interrupted. A negative wait: the descriptor has been seen readable. An interrupted call leaves its count behind, so
 * that receiving does not block then (kernel/seccomp.c).
 */
static napi_value notify_receive(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int fd = posix_int(&c, 0);
  uint8_t *record = posix_bytes(&c, 1, 0, RECORD);
  if (!record) return posix_number(env, -EINVAL);
  int64_t us = posix_int(&c, 2);
  if (us >= 0) {
    struct pollfd p = {fd, POLLIN, 0};
    struct timespec wait = {.tv_nsec = us * 1000 % 1000000000};
    if (ppoll(&p, 1, &wait, NULL) < 0) return posix_number(env, errno == EINTR ? -EAGAIN : -errno);
    if (!(p.revents & POLLIN)) return posix_number(env, p.revents & POLLHUP ? -EPIPE : -EAGAIN);
  }
  struct record r;
  memset(&r, 0, sizeof r);
  if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &r.n) < 0) return posix_number(env, -errno);
  guardian_call_begin(fd, r.n.id);
  if (r.n.data.nr != SYS_socket) {
    int same;
    r.inode = posix_task_socket(r.n.pid, (int)r.n.data.args[0], &same);
    // The thread was still there when its descriptor was looked up: a pidfd of before has shown that, too.
    if (!same && ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &r.n.id) < 0) {
      guardian_call_end(r.n.id);
      posix_task_release();
      return posix_number(env, -ENOENT);
    }
  }
  memcpy(record, &r, sizeof r);
  return posix_number(env, 0);
}

static uint64_t id_of(const uint8_t *record) {
  uint64_t id;
  memcpy(&id, record, sizeof id);
  return id;
}

/** posixNotifyAnswer(fd, record, value, errno, flags): 0, or -ENOENT when the call was interrupted. flags 1 = let the kernel do it. */
static napi_value notify_answer(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *record = posix_bytes(&c, 1, 0, RECORD);
  if (!record) return posix_number(env, -EINVAL);
  struct seccomp_notif_resp r = {
      .id = id_of(record),
      .val = posix_int(&c, 2),
      .error = -(int)posix_int(&c, 3),
      .flags = posix_int(&c, 4),
  };
  int rc = ioctl(posix_int(&c, 0), SECCOMP_IOCTL_NOTIF_SEND, &r);
  int saved = errno;
  guardian_call_end(r.id);
  posix_task_release();
  errno = saved;
  return result(env, rc);
}

/** posixNotifyGiveFd(fd, record, own fd, close-on-exec): the call returns a copy of the descriptor; its number there, or -errno (nothing given). */
static napi_value notify_give_fd(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *record = posix_bytes(&c, 1, 0, RECORD);
  if (!record) return posix_number(env, -EINVAL);
  struct seccomp_notif_addfd a = {
      .id = id_of(record),
      .flags = SECCOMP_ADDFD_FLAG_SEND,
      .srcfd = posix_int(&c, 2),
      .newfd_flags = posix_int(&c, 3) ? O_CLOEXEC : 0,
  };
  int rc = ioctl(posix_int(&c, 0), SECCOMP_IOCTL_NOTIF_ADDFD, &a);
  int saved = errno;
  if (rc >= 0 || saved == ENOENT) guardian_call_end(a.id);
  posix_task_release();
  errno = saved;
  return result(env, rc);
}

/** posixNotifyReplaceFd(fd, record, own fd, number there, close-on-exec): put a descriptor in the place of another; the call stays open. */
static napi_value notify_replace_fd(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *record = posix_bytes(&c, 1, 0, RECORD);
  if (!record) return posix_number(env, -EINVAL);
  struct seccomp_notif_addfd a = {
      .id = id_of(record),
      .flags = SECCOMP_ADDFD_FLAG_SETFD,
      .srcfd = posix_int(&c, 2),
      .newfd = posix_int(&c, 3),
      .newfd_flags = posix_int(&c, 4) ? O_CLOEXEC : 0,
  };
  return result(env, ioctl(posix_int(&c, 0), SECCOMP_IOCTL_NOTIF_ADDFD, &a));
}

int posix_notify_valid(int fd, const uint8_t *record) {
  uint64_t id = id_of(record);
  return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

/** posixNotifyValid(fd, record): 0 while the call still waits; -ENOENT: what was read from its task may be another's. */
static napi_value notify_valid(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  uint8_t *record = posix_bytes(&c, 1, 0, RECORD);
  if (!record) return posix_number(env, -EINVAL);
  return result(env, posix_notify_valid(posix_int(&c, 0), record));
}

/** posixNotifySync(fd): wake the caller and us on one processor (since Linux 6.6); -errno where that is not known. */
static napi_value notify_sync(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return result(env, ioctl(posix_int(&c, 0), SECCOMP_IOCTL_NOTIF_SET_FLAGS, (unsigned long)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
}

const struct posix_function POSIX_NOTIFY[] = {
    {"posixNotifyReceive", notify_receive}, {"posixNotifyAnswer", notify_answer}, {"posixNotifyGiveFd", notify_give_fd},
    {"posixNotifyReplaceFd", notify_replace_fd}, {"posixNotifyValid", notify_valid}, {"posixNotifySync", notify_sync}, {NULL, NULL},
};
