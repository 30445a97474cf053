// The program's side: its memory, its descriptors.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif
/** Pidfds kept. */
#define KNOWN 16

/** posixRead(pid, address, array, offset, length): length or -EFAULT. */
static napi_value task_read(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t len = posix_int(&c, 4);
  uint8_t *dst = posix_bytes(&c, 2, posix_int(&c, 3), len);
  if (!dst) return posix_number(env, -EINVAL);
  if (len == 0) return posix_number(env, 0);
  struct iovec local = {dst, len}, remote = {(void *)(uintptr_t)posix_int(&c, 1), len};
  ssize_t n = process_vm_readv(posix_int(&c, 0), &local, 1, &remote, 1, 0);
  return posix_number(env, n == len ? n : -EFAULT);
}

/** posixWrite(pid, address, array, offset, length): length or -EFAULT. */
static napi_value task_write(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t len = posix_int(&c, 4);
  uint8_t *src = posix_bytes(&c, 2, posix_int(&c, 3), len);
  if (!src) return posix_number(env, -EINVAL);
  if (len == 0) return posix_number(env, 0);
  struct iovec local = {src, len}, remote = {(void *)(uintptr_t)posix_int(&c, 1), len};
  ssize_t n = process_vm_writev(posix_int(&c, 0), &local, 1, &remote, 1, 0);
  return posix_number(env, n == len ? n : -EFAULT);
}

/** The process of a thread, by /proc. */
static int process_of(int tid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tid;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n < 0 ? 0 : n] = 0;
  const char *line = strstr(text, "\nTgid:");
  return line ? atoi(line + 6) : tid;
}

/** Pidfds of the threads that called last, by thread id modulo their number. A pidfd never means another, later thread. */
static _Thread_local struct {
  int tid, pidfd; // tid 0 = none
} known[KNOWN];

/** A pidfd of the thread; `keep`: it may be kept, as it is the thread's own. -errno. */
static int open_task(int tid, int *keep) {
  int task = syscall(SYS_pidfd_open, tid, PIDFD_THREAD), process = tid;
  if (task < 0 && errno == EINVAL) task = syscall(SYS_pidfd_open, process = process_of(tid), 0);
  *keep = process == tid;
  return task < 0 ? -errno : task;
}

/** As posix_task_fd; `same`: the thread is the one that held this id before the call. */
static int take(int tid, int fd, int *same) {
  unsigned slot = (unsigned)tid % KNOWN;
  *same = 0;
  if (known[slot].tid == tid) {
    int own = syscall(SYS_pidfd_getfd, known[slot].pidfd, fd, 0);
    if (own >= 0) {
      *same = 1;
      return own;
    }
    // A bad descriptor, or that thread has ended and this is another: look again.
    close(known[slot].pidfd);
    known[slot].tid = 0;
  }
  int keep, task = open_task(tid, &keep);
  if (task < 0) return task;
  int own = syscall(SYS_pidfd_getfd, task, fd, 0);
  int error = errno;
  if (own >= 0 && keep) {
    if (known[slot].tid) close(known[slot].pidfd);
    known[slot].tid = tid;
    known[slot].pidfd = task;
  } else {
    close(task);
  }
  return own < 0 ? -error : own;
}

int posix_task_fd(int tid, int fd) {
  int same;
  return take(tid, fd, &same);
}

void posix_task_forget(void) {
  for (size_t i = 0; i < KNOWN; i++) {
    if (known[i].tid) close(known[i].pidfd);
    known[i].tid = 0;
  }
}

/** The link of /proc: for tasks whose descriptors may be looked at but not taken. */
static double inode_by_link(int tid, int fd) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, fd);
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return errno == ENOENT ? -EBADF : -errno;
  target[n] = 0;
  return strncmp(target, "socket:[", 8) ? 0 : strtod(target + 8, NULL);
}

/** A copy of the descriptor that the call being answered means, until posix_task_release: more about it costs no further copy. */
static _Thread_local struct {
  int tid, there, own;
  double inode;
} current = {.own = -1};

double posix_task_socket(int tid, int fd, int *same) {
  posix_task_release();
  int own = take(tid, fd, same);
  struct stat st;
  if (own < 0) return own == -EBADF ? own : inode_by_link(tid, fd);
  current.tid = tid;
  current.there = fd;
  current.own = own;
  return current.inode = fstat(own, &st) ? -errno : S_ISSOCK(st.st_mode) ? (double)st.st_ino : 0;
}

int posix_task_current(int tid, int fd, double inode) {
  return current.own >= 0 && current.tid == tid && current.there == fd && current.inode == inode ? current.own : -1;
}

void posix_task_release(void) {
  if (current.own >= 0) close(current.own);
  current.own = -1;
}

/** posixTaskRelease(): the call is answered later: keep nothing of its descriptor until then. */
static napi_value task_release(napi_env env, napi_callback_info info) {
  (void)info;
  posix_task_release();
  return posix_number(env, 0);
}

/** posixTaskFlags(tid, fd, inode): file status flags of the task's descriptor, or -errno. */
static napi_value task_flags(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int tid = posix_int(&c, 0), fd = posix_int(&c, 1), own = posix_task_current(tid, fd, posix_int(&c, 2));
  if (own >= 0) return posix_number(env, fcntl(own, F_GETFL));
  if ((own = posix_task_fd(tid, fd)) < 0) return posix_number(env, own);
  int flags = fcntl(own, F_GETFL);
  close(own);
  return posix_number(env, flags);
}

/** posixTaskReceive(tid, fd, array, offset, room, flags): bytes of the next message of the task's descriptor, or -errno. Never blocks. */
static napi_value task_receive(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t room = posix_int(&c, 4);
  uint8_t *dst = posix_bytes(&c, 2, posix_int(&c, 3), room);
  if (!dst) return posix_number(env, -EINVAL);
  int own = posix_task_fd(posix_int(&c, 0), posix_int(&c, 1));
  if (own < 0) return posix_number(env, own);
  ssize_t n = recv(own, dst, room, posix_int(&c, 5) | MSG_DONTWAIT);
  int error = errno;
  close(own);
  return posix_number(env, n < 0 ? -error : n);
}

/**
 * posixCollect(tid, array, data, length, buffer, name, name length, name there, notify, record): what sendto sends, in one read: 0, -EFAULT, or
 * -EINTR when the call had been interrupted by then, and what was read may be another task's.
 */
static napi_value task_collect(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t length = posix_int(&c, 3), named = posix_int(&c, 6);
  uint8_t *data = posix_bytes(&c, 1, posix_int(&c, 2), length), *name = posix_bytes(&c, 1, posix_int(&c, 5), named);
  if (!data || !name) return posix_number(env, -EINVAL);
  struct iovec local[2] = {{name, named}, {data, length}};
  struct iovec remote[2] = {{(void *)(uintptr_t)posix_int(&c, 7), named}, {(void *)(uintptr_t)posix_int(&c, 4), length}};
  if (named + length == 0) return posix_number(env, 0);
  if (process_vm_readv(posix_int(&c, 0), local, 2, remote, 2, 0) != named + length) return posix_number(env, -EFAULT);
  uint8_t *record = posix_bytes(&c, 9, 0, sizeof(uint64_t));
  return posix_number(env, !record ? -EINVAL : posix_notify_valid(posix_int(&c, 8), record) < 0 ? -EINTR : 0);
}

/**
 * posixDeliver(tid, array, data, length, buffer, name, name length, name there, socklen_t there): what recvfrom stores, in
 * one write: 0, -EINVAL (negative room for the name), or -EFAULT. The name is cut to its room; no name there: not stored.
 */
static napi_value task_deliver(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t length = posix_int(&c, 3), named = posix_int(&c, 6);
  uint8_t *data = posix_bytes(&c, 1, posix_int(&c, 2), length), *name = posix_bytes(&c, 1, posix_int(&c, 5), named);
  if (!data || !name) return posix_number(env, -EINVAL);
  int pid = posix_int(&c, 0), full = named, room = 0;
  void *at = (void *)(uintptr_t)posix_int(&c, 7), *size_at = (void *)(uintptr_t)posix_int(&c, 8);
  struct iovec local[3] = {{data, length}}, remote[3] = {{(void *)(uintptr_t)posix_int(&c, 4), length}};
  int pieces = 1;
  if (at) {
    struct iovec to = {&room, sizeof room}, from = {size_at, sizeof room};
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) != sizeof room) return posix_number(env, -EFAULT);
    if (room < 0) return posix_number(env, -EINVAL);
    if (named > room) named = room;
    local[1] = (struct iovec){name, named};
    remote[1] = (struct iovec){at, named};
    local[2] = (struct iovec){&full, sizeof full};
    remote[2] = (struct iovec){size_at, sizeof full};
    pieces = 3;
  }
  ssize_t total = length + (at ? named + (ssize_t)sizeof full : 0);
  if (total == 0) return posix_number(env, 0);
  return posix_number(env, process_vm_writev(pid, local, pieces, remote, pieces, 0) == total ? 0 : -EFAULT);
}

/** posixStore(pid, array, offset, length, address, length address): a value and its length, in one write: 0 or -EFAULT. */
static napi_value task_store(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t len = posix_int(&c, 3);
  uint8_t *src = posix_bytes(&c, 1, posix_int(&c, 2), len);
  if (!src) return posix_number(env, -EINVAL);
  int size = len;
  struct iovec local[2] = {{src, len}, {&size, sizeof size}};
  struct iovec remote[2] = {{(void *)(uintptr_t)posix_int(&c, 4), len}, {(void *)(uintptr_t)posix_int(&c, 5), sizeof size}};
  return posix_number(env, process_vm_writev(posix_int(&c, 0), local, 2, remote, 2, 0) == len + (ssize_t)sizeof size ? 0 : -EFAULT);
}

/** posixForgetTasks(): close what is kept of threads that have called; the next call of each opens it again. */
static napi_value task_forget(napi_env env, napi_callback_info info) {
  (void)info;
  posix_task_forget();
  return posix_number(env, 0);
}

const struct posix_function POSIX_TASK[] = {
    {"posixRead", task_read}, {"posixWrite", task_write}, {"posixTaskReceive", task_receive}, {"posixCollect", task_collect}, {"posixDeliver", task_deliver}, {"posixStore", task_store},
    {"posixTaskFlags", task_flags}, {"posixTaskRelease", task_release},
    {"posixForgetTasks", task_forget}, {NULL, NULL},
};
