// The program's side: its memory, its descriptors.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif
/** As IOV_MAX of the kernel. */
#define REMOTE_IOV 1024

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

/** The iovec array of a task; its total length in bytes, or -errno. */
static int64_t remote_iov(int pid, uint64_t address, int64_t count, struct iovec *iov) {
  if (count < 0 || count > REMOTE_IOV) return -EMSGSIZE;
  if (count == 0) return 0;
  size_t bytes = count * sizeof *iov;
  struct iovec local = {iov, bytes}, remote = {(void *)(uintptr_t)address, bytes};
  if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)bytes) return -EFAULT;
  int64_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    if (iov[i].iov_len > SSIZE_MAX - (size_t)total) return -EINVAL;
    total += iov[i].iov_len;
  }
  return total;
}

/** posixGather(pid, iovec address, count, array, offset, room): bytes gathered from the task; -EMSGSIZE when they exceed the room. */
static napi_value task_gather(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct iovec iov[REMOTE_IOV];
  int64_t count = posix_int(&c, 2), room = posix_int(&c, 5);
  uint8_t *dst = posix_bytes(&c, 3, posix_int(&c, 4), room);
  if (!dst) return posix_number(env, -EINVAL);
  int pid = posix_int(&c, 0);
  int64_t total = remote_iov(pid, posix_int(&c, 1), count, iov);
  if (total > room) total = -EMSGSIZE;
  if (total <= 0) return posix_number(env, total);
  struct iovec local = {dst, total};
  return posix_number(env, process_vm_readv(pid, &local, 1, iov, count, 0) == total ? total : -EFAULT);
}

/** posixScatter(pid, iovec address, count, array, offset, length): bytes stored in the task, at most its room. */
static napi_value task_scatter(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct iovec iov[REMOTE_IOV];
  int64_t count = posix_int(&c, 2), len = posix_int(&c, 5);
  uint8_t *src = posix_bytes(&c, 3, posix_int(&c, 4), len);
  if (!src) return posix_number(env, -EINVAL);
  int pid = posix_int(&c, 0);
  int64_t total = remote_iov(pid, posix_int(&c, 1), count, iov);
  if (total > len) total = len;
  if (total <= 0) return posix_number(env, total);
  struct iovec local = {src, total};
  return posix_number(env, process_vm_writev(pid, &local, 1, iov, count, 0) == total ? total : -EFAULT);
}

/** posixInode(tid, fd): inode of the socket behind a task's descriptor, 0 when it is something else, -errno. */
static napi_value task_inode(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)posix_int(&c, 0), (int)posix_int(&c, 1));
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return posix_number(env, errno == ENOENT ? -EBADF : -errno);
  target[n] = 0;
  return posix_number(env, strncmp(target, "socket:[", 8) ? 0 : strtod(target + 8, NULL));
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

int posix_task_fd(int tid, int fd) {
  int task = syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
  if (task < 0 && errno == EINVAL) task = syscall(SYS_pidfd_open, process_of(tid), 0);
  if (task < 0) return -errno;
  int own = syscall(SYS_pidfd_getfd, task, fd, 0);
  int error = errno;
  close(task);
  return own < 0 ? -error : own;
}

/** posixTaskFd(tid, fd): the same open file here, close-on-exec; -errno. */
static napi_value task_fd(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, posix_task_fd(posix_int(&c, 0), posix_int(&c, 1)));
}

/** posixTaskNonblock(tid, fd): 1 when the task's descriptor has O_NONBLOCK, 0, or -errno. */
static napi_value task_nonblock(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int own = posix_task_fd(posix_int(&c, 0), posix_int(&c, 1));
  if (own < 0) return posix_number(env, own);
  int flags = fcntl(own, F_GETFL);
  close(own);
  return posix_number(env, !!(flags & O_NONBLOCK));
}

const struct posix_function POSIX_TASK[] = {
    {"posixRead", task_read}, {"posixWrite", task_write}, {"posixGather", task_gather}, {"posixScatter", task_scatter},
    {"posixInode", task_inode}, {"posixTaskFd", task_fd}, {"posixTaskNonblock", task_nonblock}, {NULL, NULL},
};
