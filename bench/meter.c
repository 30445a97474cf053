// The services that a stack under measure offers, as an ordinary program, and the clients that measure them. A client prints one line of JSON.
//   meter serve                       prints "listening", runs until it is killed; the services are those of PORT_ below
//   meter tcp-in|tcp-out HOST SECONDS         bulk into or out of HOST: {"bytes","seconds"}, all of them arrived
//   meter udp-in|udp-out HOST SECONDS SIZE    datagrams as fast as they can be sent: {"received","seconds"}; into HOST also "sent"
//   meter exchange HOST SECONDS               one byte there and back over TCP, one at a time: {"count","seconds"}
//   meter connect HOST SECONDS                connect, one byte there and back, close, one after the other: {"count","seconds"}
// What goes wrong ends the program with a message: a figure is of bytes that were moved.
#define _GNU_SOURCE
#include "meter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Bytes of one write or read, and of a datagram at most; datagrams of one recvmmsg; socket buffers for datagrams, bytes; s a client waits for an answer.
enum { PIECE = 128 << 10, DATAGRAM = 2048, BATCH = 64, BUFFER = 4 << 20, PATIENCE = 10 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int open_socket(int type) {
  int s = socket(AF_INET, type, 0), on = 1, size = BUFFER;
  if (s < 0) fail("socket");
  if (type == SOCK_STREAM) setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  else
    for (int option = 0; option < 2; option++) setsockopt(s, SOL_SOCKET, option ? SO_SNDBUF : SO_RCVBUF, &size, sizeof size);
  return s;
}
static void limit_wait(int s, double seconds) {
  struct timeval t = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
  if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) < 0) fail("SO_RCVTIMEO");
}

// ---- services ----

static int bound(int type, int port) {
  int s = open_socket(type), on = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || (type == SOCK_STREAM && listen(s, 1024) < 0)) fail("bind");
  return s;
}

// The peer may go at any time: that is the end of the connection and nothing else.
static void sink(int c) {
  char *piece = malloc(PIECE);
  while (piece && recv(c, piece, PIECE, 0) > 0);
  free(piece);
}
static void source(int c) {
  char *piece = calloc(1, PIECE);
  while (piece && send(c, piece, PIECE, MSG_NOSIGNAL) > 0);
  free(piece);
}
static void echo(int c) {
  char b[64];
  for (ssize_t n; (n = recv(c, b, sizeof b, 0)) > 0;)
    if (send(c, b, (size_t)n, MSG_NOSIGNAL) != n) return;
}

struct service {
  int port;
  void (*serve)(int);
  int listener;
};
struct connection {
  void (*serve)(int);
  int fd;
};
static void *run_connection(void *arg) {
  struct connection c = *(struct connection *)arg;
  free(arg);
  c.serve(c.fd);
  close(c.fd);
  return NULL;
}
static void *accept_all(void *arg) {
  const struct service *s = arg;
  for (;;) {
    struct connection *c = malloc(sizeof *c);
    pthread_t thread;
    if (!c) fail("malloc");
    c->serve = s->serve;
    if ((c->fd = accept(s->listener, NULL, NULL)) < 0) fail("accept");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Short exchanges are served here: making a thread would be half of what is measured.
    if (s->serve == echo) {
      run_connection(c);
      continue;
    }
    if (pthread_create(&thread, NULL, run_connection, c)) fail("pthread_create");
    pthread_detach(thread);
  }
  return NULL;
}

// Counts datagrams; one of a single byte is answered with the count so far.
static void *udp_sink(void *arg) {
  static char bytes[BATCH][DATAGRAM];
  static struct sockaddr_in from[BATCH];
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  uint64_t count = 0;
  int s = *(int *)arg;
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      v[i] = (struct iovec){bytes[i], DATAGRAM};
      m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &v[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL);
    if (n < 0 && errno != ECONNREFUSED && errno != EINTR) fail("recvmmsg");
    for (int i = 0; i < n; i++)
      if (m[i].msg_len > 1) count++;
      else sendto(s, &count, sizeof count, 0, (struct sockaddr *)&from[i], sizeof from[i]);
  }
  return NULL;
}

// Sends datagrams back to whoever asks.
static void *udp_source(void *arg) {
  static char bytes[DATAGRAM];
  int s = *(int *)arg;
  for (;;) {
    struct udp_request q;
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    if (recvfrom(s, &q, sizeof q, 0, (struct sockaddr *)&to, &length) != sizeof q || q.size > DATAGRAM) continue;
    int out = open_socket(SOCK_DGRAM);
    if (connect(out, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    for (double end = now() + q.milliseconds / 1e3; now() < end;)
      for (int i = 0; i < 16; i++) send(out, bytes, q.size, 0);
    close(out);
  }
  return NULL;
}

static int serve(void) {
  static struct service tcp[] = {{PORT_ECHO, echo, 0}, {PORT_SINK, sink, 0}, {PORT_SOURCE, source, 0}};
  static int udp[2];
  pthread_t thread;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 3; i++) {
    tcp[i].listener = bound(SOCK_STREAM, tcp[i].port);
    if (pthread_create(&thread, NULL, accept_all, &tcp[i])) fail("pthread_create");
  }
  for (int i = 0; i < 2; i++) {
    udp[i] = bound(SOCK_DGRAM, i ? PORT_SOURCE : PORT_SINK);
    if (pthread_create(&thread, NULL, i ? udp_source : udp_sink, &udp[i])) fail("pthread_create");
  }
  puts("listening");
  fflush(stdout);
  for (;;) pause();
  return 0;
}

// ---- clients ----

static int dial(const char *host, int port, int type) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int s = open_socket(type);
  if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
    fprintf(stderr, "meter: %s is no IPv4 address\n", host);
    exit(2);
  }
  limit_wait(s, PATIENCE);
  if (connect(s, (struct sockaddr *)&a, sizeof a) < 0) fail("connect");
  return s;
}

static void tcp_in(const char *host, double seconds) {
  static char piece[PIECE];
  int s = dial(host, PORT_SINK, SOCK_STREAM);
  uint64_t bytes = 0;
  double start = now();
  while (now() < start + seconds) {
    ssize_t n = send(s, piece, PIECE, 0);
    if (n <= 0) fail("send");
    bytes += (uint64_t)n;
  }
  // The sink closes when it has read everything.
  if (shutdown(s, SHUT_WR) < 0 || recv(s, piece, 1, 0) != 0) fail("the sink's end");
  printf("{\"bytes\":%lu,\"seconds\":%.6f}\n", bytes, now() - start);
}
static void tcp_out(const char *host, double seconds) {
  static char piece[PIECE];
  int s = dial(host, PORT_SOURCE, SOCK_STREAM);
  uint64_t bytes = 0;
  double start = now();
  while (now() < start + seconds) {
    ssize_t n = recv(s, piece, PIECE, 0);
    if (n <= 0) fail("recv");
    bytes += (uint64_t)n;
  }
  printf("{\"bytes\":%lu,\"seconds\":%.6f}\n", bytes, now() - start);
  struct linger at_once = {1, 0};
  setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(s);
}

// What the sink has counted; it may be busy, and the question lost.
static uint64_t ask(int s) {
  uint64_t count;
  limit_wait(s, 0.25);
  for (int i = 0; i < 40; i++) {
    send(s, "?", 1, 0);
    if (recv(s, &count, sizeof count, 0) == sizeof count) return count;
  }
  errno = ETIMEDOUT;
  fail("the sink's count");
  return 0;
}
static void udp_in(const char *host, double seconds, size_t size) {
  static char bytes[DATAGRAM];
  int s = dial(host, PORT_SINK, SOCK_DGRAM);
  uint64_t before = ask(s), sent = 0;
  double start = now(), end;
  while ((end = now()) < start + seconds)
    for (int i = 0; i < 16; i++) sent += send(s, bytes, size, 0) == (ssize_t)size;
  // What still waits in queues belongs to it.
  uint64_t count = ask(s);
  for (uint64_t last = 0; count != last; usleep(100000)) {
    last = count;
    while (recv(s, bytes, DATAGRAM, MSG_DONTWAIT) > 0);
    count = ask(s);
  }
  printf("{\"sent\":%lu,\"received\":%lu,\"seconds\":%.6f}\n", sent, count - before, end - start);
}
static void udp_out(const char *host, double seconds, size_t size) {
  static char bytes[BATCH][DATAGRAM];
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  int asking = dial(host, PORT_SOURCE, SOCK_DGRAM), s = open_socket(SOCK_DGRAM);
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  // Answers come from another port.
  if (getsockname(asking, (struct sockaddr *)&own, &length) < 0) fail("getsockname");
  close(asking);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT_SOURCE)};
  inet_pton(AF_INET, host, &to.sin_addr);
  if (bind(s, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
  struct udp_request q = {(uint32_t)(seconds * 1000), (uint32_t)size};
  if (sendto(s, &q, sizeof q, 0, (struct sockaddr *)&to, sizeof to) < 0) fail("sendto");
  for (int i = 0; i < BATCH; i++) {
    v[i] = (struct iovec){bytes[i], DATAGRAM};
    m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
  }
  uint64_t received = 0;
  double first = 0, last = 0;
  limit_wait(s, 1);
  for (int n; (n = recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL)) > 0 && last < first + seconds + 2;) {
    last = now();
    if (!first) first = last;
    received += (uint64_t)n;
  }
  if (last <= first) {
    errno = ENODATA;
    fail("datagrams");
  }
  printf("{\"received\":%lu,\"seconds\":%.6f}\n", received, last - first);
}

static void one_exchange(int s, uint64_t n) {
  char out = (char)(n * 7 + 1), in;
  if (send(s, &out, 1, MSG_NOSIGNAL) != 1 || recv(s, &in, 1, 0) != 1) fail("exchange");
  // A byte of an earlier exchange would be a wrong one.
  if (in != out) {
    fprintf(stderr, "meter: another byte came back\n");
    exit(1);
  }
}
static void exchange(const char *host, double seconds, bool fresh) {
  int s = fresh ? -1 : dial(host, PORT_ECHO, SOCK_STREAM);
  uint64_t n = 0;
  double start = now();
  for (; now() < start + seconds; n++) {
    if (fresh) s = dial(host, PORT_ECHO, SOCK_STREAM);
    one_exchange(s, n);
    if (fresh) close(s);
  }
  printf("{\"count\":%lu,\"seconds\":%.6f}\n", n, now() - start);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "", *host = argc > 2 ? argv[2] : "";
  double seconds = argc > 3 ? atof(argv[3]) : 1;
  size_t size = argc > 4 ? (size_t)atoi(argv[4]) : 1024;
  if (!strcmp(what, "serve")) return serve();
  if (!strcmp(what, "tcp-in")) tcp_in(host, seconds);
  else if (!strcmp(what, "tcp-out")) tcp_out(host, seconds);
  else if (!strcmp(what, "udp-in") && size > 1 && size <= DATAGRAM) udp_in(host, seconds, size);
  else if (!strcmp(what, "udp-out") && size > 1 && size <= DATAGRAM) udp_out(host, seconds, size);
  else if (!strcmp(what, "exchange")) exchange(host, seconds, false);
  else if (!strcmp(what, "connect")) exchange(host, seconds, true);
  else {
    fprintf(stderr, "meter serve | tcp-in|tcp-out|exchange|connect HOST SECONDS | udp-in|udp-out HOST SECONDS SIZE\n");
    return 2;
  }
  return 0;
}
