/* Bytes between any file descriptor and linear memory: gather lists at IOV, and single ranges. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "native.h"

/* The first `n` (address, length) pairs at IOV; 0 or -errno. */
static int gather(struct nuse_mem *m, uint32_t n, struct iovec *out) {
  if (n < 1 || n > IOV_MAX_PAIRS) return -EINVAL;
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t *p = m->base + IOV + i * 8;
    uint32_t at = ld32(p), len = ld32(p + 4);
    if (!mem_has(m, at, len)) return -EFAULT;
    out[i] = (struct iovec){ m->base + at, len };
  }
  return 0;
}

static napi_value vector(napi_env env, napi_callback_info info, bool out) {
  int32_t a[3];
  struct iovec v[IOV_MAX_PAIRS];
  if (!args_i32(env, info, 3, a)) return ret_i32(env, -EINVAL);
  struct nuse_mem *m = nuse_mem_at(env, (uint32_t)a[0]);
  if (!m) return ret_i32(env, -EBADF);
  int err = gather(m, (uint32_t)a[2], v);
  if (err) return ret_i32(env, err);
  struct msghdr h = { .msg_iov = v, .msg_iovlen = (size_t)a[2] };
  ssize_t r = out ? sendmsg(a[1], &h, MSG_NOSIGNAL | MSG_DONTWAIT) : recvmsg(a[1], &h, MSG_DONTWAIT);
  if (r < 0 && errno == ENOTSOCK) r = out ? writev(a[1], v, a[2]) : readv(a[1], v, a[2]);
  return ret_i32(env, r < 0 ? -errno : r);
}

/* readvInto(memory, fd, pairs): bytes read into the pairs at IOV, 0 at end of file, -errno. Never blocks on a socket. */
static napi_value readv_into(napi_env env, napi_callback_info info) { return vector(env, info, false); }
/* writevFrom(memory, fd, pairs): bytes written from the pairs at IOV, -errno. Never blocks on a socket, no SIGPIPE. */
static napi_value writev_from(napi_env env, napi_callback_info info) { return vector(env, info, true); }

static napi_value single(napi_env env, napi_callback_info info, bool out) {
  int32_t a[5];
  if (!args_i32(env, info, 5, a)) return ret_i32(env, -EINVAL);
  struct nuse_mem *m = nuse_mem_at(env, (uint32_t)a[0]);
  uint32_t at = (uint32_t)a[2], len = (uint32_t)a[3];
  if (!m) return ret_i32(env, -EBADF);
  if (!mem_has(m, at, len) || len > INT32_MAX) return ret_i32(env, -EFAULT);
  ssize_t r = out ? send(a[1], m->base + at, len, a[4] | MSG_NOSIGNAL | MSG_DONTWAIT)
                  : recv(a[1], m->base + at, len, a[4] | MSG_DONTWAIT);
  return ret_i32(env, r < 0 ? -errno : r);
}

/* recvInto(memory, fd, address, length, flags): one message or bytes; flags as recv(2) (MSG_TRUNC tells the full length). */
static napi_value recv_into(napi_env env, napi_callback_info info) { return single(env, info, false); }
/* sendFrom(memory, fd, address, length, flags). */
static napi_value send_from(napi_env env, napi_callback_info info) { return single(env, info, true); }

void stream_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "readvInto", readv_into);
  export_fn(env, exports, "writevFrom", writev_from);
  export_fn(env, exports, "recvInto", recv_into);
  export_fn(env, exports, "sendFrom", send_from);
}
