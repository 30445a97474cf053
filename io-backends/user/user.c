/*
 * USER: frames between a stack and its gateway (host/gateway), another thread of this process. The link is one end of a socket pair
 * that the owner of both has made; apart from how it comes about it is a PIPE.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../pipe/pipe.h"

static int user_open(struct vif *v, const struct vif_config *c, char *err, size_t n) {
  if (c->fd < 0) return vif_fail(err, n, EINVAL, "USER %s: has no gateway", c->name);
  snprintf(v->dev, sizeof v->dev, "gateway");
  return pipe_adopt(v, c, err, n);
}

/* Once open, the vif has the operations of a PIPE. */
const struct vif_ops user_ops = { .type = "USER", .open = user_open };

/* linkPair(): [fd, fd], the two ends of a link. Each belongs to the vif it is given to. Throws. */
static napi_value user_link_pair(napi_env env, napi_callback_info info) {
  (void)info;
  int pair[2];
  napi_value list, fd;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return throw_errno(env, errno, "socketpair");
  if (napi_create_array_with_length(env, 2, &list) != napi_ok) return NULL;
  for (uint32_t i = 0; i < 2; i++)
    if (napi_create_int32(env, pair[i], &fd) != napi_ok || napi_set_element(env, list, i, fd) != napi_ok) return NULL;
  return list;
}

/* pingOpen(address): an ICMP socket connected to it, non-blocking; fd or -errno (EACCES: net.ipv4.ping_group_range says no). */
static napi_value user_ping_open(napi_env env, napi_callback_info info) {
  napi_value v[1];
  size_t argc = 1, len;
  char text[INET6_ADDRSTRLEN];
  struct sockaddr_in in = { .sin_family = AF_INET };
  struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
  if (napi_get_cb_info(env, info, &argc, v, NULL, NULL) != napi_ok || argc < 1 || napi_get_value_string_utf8(env, v[0], text, sizeof text, &len) != napi_ok)
    return ret_i32(env, -EINVAL);
  bool v4 = inet_pton(AF_INET, text, &in.sin_addr) == 1;
  if (!v4 && inet_pton(AF_INET6, text, &in6.sin6_addr) != 1) return ret_i32(env, -EINVAL);
  int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, v4 ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
  if (fd < 0) return ret_i32(env, -errno);
  if (connect(fd, v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6, v4 ? sizeof in : sizeof in6) < 0) {
    int e = errno;
    close(fd);
    return ret_i32(env, -e);
  }
  return ret_i32(env, fd);
}

void user_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "linkPair", user_link_pair);
  export_fn(env, exports, "pingOpen", user_ping_open);
}
