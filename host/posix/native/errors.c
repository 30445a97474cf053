// Pending errors that poll tells of: on a datagram socket that asks for errors (IP_RECVERR) the program's end is one half of
// a SOCK_DGRAM pair. When our half, with a datagram unread, leaves its peer, the kernel marks that peer ECONNRESET
// (unix_dgram_disconnected): its poll says ERR without HUP, and nothing it has to read is lost. Then we connect again.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int posix_raise(int own, int end) {
  struct sockaddr_un name;
  struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  socklen_t size = sizeof name;
  if (getsockname(end, (struct sockaddr *)&name, &size)) return -errno;
  ssize_t n = send(end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && errno == ECONNRESET) n = send(end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); // it was marked already, which that has taken
  if (n < 0 && errno != EAGAIN) return -errno;
  if (connect(own, &nobody, sizeof nobody)) return -errno;
  return connect(own, (struct sockaddr *)&name, size) ? -errno : 0;
}

/** posixRaise(our end, the program's end): mark the latter; what it has sent and we have not read is lost. 0 or -errno. */
static napi_value errors_raise(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, posix_raise(posix_int(&c, 0), posix_int(&c, 1)));
}

/** posixTakeError(fd): its SO_ERROR, cleared with that; or -errno. */
static napi_value errors_take(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int error = 0;
  socklen_t size = sizeof error;
  return posix_number(env, getsockopt(posix_int(&c, 0), SOL_SOCKET, SO_ERROR, &error, &size) ? -errno : error);
}

static void copy_option(int from, int to, int option) {
  char value[sizeof(struct timeval)];
  socklen_t size = sizeof value;
  if (getsockopt(from, SOL_SOCKET, option, value, &size)) return;
  int bytes; // SO_SNDBUF stores twice what it is given
  if (option == SO_SNDBUF) {
    memcpy(&bytes, value, sizeof bytes);
    bytes /= 2;
    memcpy(value, &bytes, sizeof bytes);
  }
  setsockopt(to, SOL_SOCKET, option, value, size);
}

/** posixErrorPair(our end, the program's end, new end of ours, of the program): give the pair that replaces another its settings and a name; 0 or -errno. */
static napi_value errors_pair(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  static const int copied[] = {SO_SNDBUF, SO_RCVTIMEO, SO_SNDTIMEO};
  int end = posix_int(&c, 3);
  for (int i = 0; i < 2; i++)
    for (size_t o = 0; o < sizeof copied / sizeof *copied; o++) copy_option(posix_int(&c, i), posix_int(&c, 2 + i), copied[o]);
  int flags = fcntl(posix_int(&c, 1), F_GETFL);
  struct sockaddr_un any = {.sun_family = AF_UNIX};
  if (flags < 0 || fcntl(end, F_SETFL, flags & O_NONBLOCK) || bind(end, (struct sockaddr *)&any, sizeof any.sun_family)) return posix_number(env, -errno);
  return posix_number(env, 0);
}

/** posixTaskCloexec(tid, fd): 1 when the task's descriptor is closed by exec, 0, or -errno. */
static napi_value errors_cloexec(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)posix_int(&c, 0), (int)posix_int(&c, 1));
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return posix_number(env, -errno);
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n < 0 ? 0 : n] = 0;
  const char *line = strstr(text, "flags:\t");
  return posix_number(env, line ? (strtol(line + 7, NULL, 8) & O_CLOEXEC) != 0 : -EIO);
}

const struct posix_function POSIX_ERRORS[] = {
    {"posixRaise", errors_raise}, {"posixTakeError", errors_take}, {"posixErrorPair", errors_pair}, {"posixTaskCloexec", errors_cloexec}, {NULL, NULL},
};
