// Messages that a program wrote into its end of a pair, many by one system call.
#include "posix.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** Messages of one call; bytes of one behind its slot that are kept (no socket sends longer ones). */
enum { MANY = 32, LONG = 65536 };

/** What did not fit into the slots of the last call, LONG bytes for each message; made at the first call. */
static _Thread_local uint8_t *rest;
/** The last call: its slots and the lengths of its messages. */
static _Thread_local size_t slot, lengths[MANY];

/** With credentials on every real message (posixPair), an empty one without is the end. Descriptors that a program pushes over are not kept. */
static int is_message(struct msghdr *h, size_t length) {
  int real = length > 0;
  for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
    if (m->cmsg_level != SOL_SOCKET) continue;
    if (m->cmsg_type == SCM_CREDENTIALS) real = 1;
    if (m->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= m->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(m) + at, sizeof fd);
      close(fd);
    }
  }
  return real;
}

/**
 * posixWritten(fd, memory, at, size, count, lengths: Uint32Array): messages taken, at most `count`, the first `size` bytes of each into a slot of
 * that size from `at` on; their real lengths go to `lengths`, whose element `count` becomes 1 when the program has closed its end behind them.
 * -EPIPE: that, and no message; -errno. Fewer than `count` and not closed: there are no more.
 */
static napi_value written(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t size = posix_int(&c, 3), count = posix_int(&c, 4);
  if (size < 1 || count < 1 || count > MANY) return posix_number(env, -EINVAL);
  uint8_t *slots = posix_bytes(&c, 1, posix_int(&c, 2), size * count);
  uint32_t *out = (uint32_t *)posix_bytes(&c, 5, 0, (count + 1) * (int64_t)sizeof *out);
  if (!slots || !out) return posix_number(env, -EFAULT);
  if (!rest && !(rest = malloc((size_t)MANY * LONG))) return posix_number(env, -ENOMEM);
  struct mmsghdr list[MANY];
  struct iovec pieces[MANY][2];
  _Alignas(struct cmsghdr) char control[MANY][CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
  for (int64_t i = 0; i < count; i++) {
    pieces[i][0] = (struct iovec){slots + i * size, size};
    pieces[i][1] = (struct iovec){rest + i * LONG, LONG};
    list[i].msg_hdr = (struct msghdr){.msg_iov = pieces[i], .msg_iovlen = 2, .msg_control = control[i], .msg_controllen = sizeof control[i]};
  }
  int n = recvmmsg(posix_int(&c, 0), list, count, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC, NULL), real = 0;
  if (n < 0) return posix_number(env, -errno);
  while (real < n && is_message(&list[real].msg_hdr, list[real].msg_len)) {
    out[real] = list[real].msg_len;
    lengths[real] = list[real].msg_len;
    real++;
  }
  out[count] = real < n;
  slot = size;
  return posix_number(env, real ? real : -EPIPE);
}

void posix_written_forget(void) {
  free(rest);
  rest = NULL;
}

/** posixWrittenWhole(i, memory, its slot, to): message i of the last call, which was longer than its slot, whole at `to`: its bytes, at most LONG. */
static napi_value written_whole(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t i = posix_int(&c, 0);
  if (i < 0 || i >= MANY || lengths[i] <= slot || !rest) return posix_number(env, -EINVAL);
  size_t length = lengths[i] < LONG ? lengths[i] : LONG, head = slot < length ? slot : length;
  uint8_t *from = posix_bytes(&c, 1, posix_int(&c, 2), head), *to = posix_bytes(&c, 1, posix_int(&c, 3), length);
  if (!from || !to) return posix_number(env, -EFAULT);
  memmove(to, from, head);
  memcpy(to + head, rest + i * LONG, length - head);
  return posix_number(env, (double)length);
}

const struct posix_function POSIX_WRITTEN[] = {{"posixWritten", written}, {"posixWrittenWhole", written_whole}, {NULL, NULL}};
