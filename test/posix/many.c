// recvmmsg and sendmmsg of many messages at once: prints what each call returned and stored. Run on the kernel and under nuse, the lines are equal.
// many HOST PORT: HOST is an address of the loopback interface.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 64, ROOM = 2048, NAME = 28, CONTROL = 256 };

static char bytes[MANY][ROOM], names[MANY][NAME], controls[MANY][CONTROL];
static struct mmsghdr m[MANY];
static struct iovec v[MANY][3];
static int sender, receiver;
static socklen_t name_size;
static char *nowhere;

static void fail(const char *what) {
  perror(what);
  exit(1);
}
// What stands at `at` does not stay from one message to the next.
static uint32_t sum(const char *at, size_t n) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)at[i]) * 16777619u;
  return h;
}
static void fill(void) {
  memset(bytes, '#', sizeof bytes);
  memset(names, '#', sizeof names);
  memset(controls, '#', sizeof controls);
  for (int i = 0; i < MANY; i++) {
    v[i][0] = (struct iovec){bytes[i], ROOM};
    m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = names[i], .msg_namelen = name_size, .msg_iov = v[i], .msg_iovlen = 1, .msg_flags = 77}, .msg_len = 99};
  }
}
static void with_control(size_t room) {
  for (int i = 0; i < MANY; i++) {
    m[i].msg_hdr.msg_control = controls[i];
    m[i].msg_hdr.msg_controllen = room;
  }
}
static void send_sized(int count, size_t (*size)(int)) {
  static char out[65536];
  for (int i = 0; i < count; i++) {
    size_t n = size(i);
    for (size_t k = 0; k < n; k++) out[k] = (char)(i * 7 + k);
    if (send(sender, out, n, 0) != (ssize_t)n) fail("send");
  }
}
static size_t even(int i) { return 100 + (size_t)i; }
static size_t odd(int i) { return i % 3 ? (size_t)(i * 97 % 1500) : 0; }
static size_t large(int i) { return i % 2 ? 40000 : 9; }

static void show_message(int i) {
  const struct msghdr *h = &m[i].msg_hdr;
  printf("  %d: len %u flags %x name %u %08x control %zu", i, m[i].msg_len, h->msg_flags, h->msg_namelen, h->msg_name ? sum(names[i], NAME) : 0, h->msg_controllen);
  for (struct cmsghdr *c = h->msg_control && h->msg_controllen <= CONTROL ? CMSG_FIRSTHDR((struct msghdr *)h) : NULL; c; c = CMSG_NXTHDR((struct msghdr *)h, c))
    printf(" [%d %d %zu]", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
  printf(" data %08x\n", sum(bytes[i], ROOM));
}
static int call(const char *what, int count, int flags) {
  errno = 0;
  int n = recvmmsg(receiver, m, (unsigned)count, flags, NULL);
  printf("%s: %d %s\n", what, n, n < 0 ? strerrorname_np(errno) : "");
  return n;
}
static void receive(const char *what, int count, int flags) {
  call(what, count, flags);
  for (int i = 0; i < count; i++) show_message(i);
}
// Those that arrived: of others' buffers nothing is promised.
static void receive_bad(const char *what, int count, int flags) {
  int n = call(what, count, flags);
  for (int i = 0; i < n; i++) show_message(i);
}
// What is left, by calls that tell of an error, too.
static void drain(void) {
  static char b[65536];
  struct sockaddr_storage from;
  printf("  left:");
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(receiver, b, sizeof b, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) printf(" %s", strerrorname_np(errno));
    else printf(" %zd", n);
  }
  printf("\n");
}

static void plain(void) {
  fill();
  send_sized(50, even);
  receive("fewer than asked for", MANY, MSG_WAITFORONE);
  fill();
  send_sized(MANY, odd);
  receive("as many, empty ones too", MANY, MSG_DONTWAIT);
  fill();
  receive("none", MANY, MSG_DONTWAIT);
  fill();
  send_sized(20, even);
  receive("some", 7, 0);
  receive("the next", 7, MSG_PEEK);
  receive("peeked at", 7, 0);
  drain();
}
static void sizes(void) {
  static char wide[4][65536];
  fill();
  for (int i = 0; i < 4; i++) v[i][0] = (struct iovec){wide[i], sizeof wide[i]};
  send_sized(4, large);
  receive("large", 4, 0);
  for (int i = 0; i < 4; i++) printf("  %08x\n", sum(wide[i], sizeof wide[i]));
  fill();
  for (int i = 0; i < MANY; i++) v[i][0].iov_len = 90 + (size_t)(i % 20);
  send_sized(20, even);
  receive("cut", 20, MSG_WAITFORONE);
  fill();
  for (int i = 0; i < MANY; i++) v[i][0].iov_len = 90;
  send_sized(20, even);
  receive("cut, whole length told", 20, MSG_WAITFORONE | MSG_TRUNC);
}
static void vectors(void) {
  fill();
  for (int i = 0; i < MANY; i++) {
    v[i][0] = (struct iovec){bytes[i], 10 + (size_t)i};
    v[i][1] = (struct iovec){bytes[i] + 900, (size_t)(i % 4) * 8};
    v[i][2] = (struct iovec){bytes[i] + 1000, 1000};
    m[i].msg_hdr.msg_iovlen = (size_t)i % 4;
  }
  send_sized(30, even);
  receive("pieces", 30, MSG_WAITFORONE);
}
static void addresses(void) {
  fill();
  for (int i = 0; i < MANY; i++) {
    if (i % 5 == 1) m[i].msg_hdr.msg_name = NULL;
    if (i % 5 == 2) m[i].msg_hdr.msg_namelen = 6;
    if (i % 5 == 3) m[i].msg_hdr.msg_namelen = NAME;
    if (i % 5 == 4) m[i].msg_hdr.msg_namelen = 0;
  }
  send_sized(20, even);
  receive("names", 20, MSG_WAITFORONE);
}
static void ancillary(bool six) {
  int on = 1;
  if (setsockopt(receiver, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on) < 0 ||
      setsockopt(receiver, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof on) < 0)
    fail("setsockopt");
  fill();
  with_control(CONTROL);
  send_sized(20, even);
  receive("ancillary data", 20, MSG_WAITFORONE);
  fill();
  with_control(CMSG_SPACE(4));
  send_sized(20, even);
  receive("ancillary data cut", 20, MSG_WAITFORONE);
}
static void wrong(void) {
  fill();
  send_sized(10, even);
  v[3][0].iov_base = nowhere;
  receive_bad("a bad buffer", 8, MSG_WAITFORONE);
  fill();
  receive("after it", 1, MSG_DONTWAIT);
  drain();
  fill();
  send_sized(10, even);
  m[4].msg_hdr.msg_iov = (void *)nowhere;
  receive_bad("a bad vector", 8, MSG_WAITFORONE);
  fill();
  drain();
  fill();
  send_sized(10, even);
  m[2].msg_hdr.msg_namelen = (socklen_t)-5;
  receive_bad("a bad length", 8, MSG_WAITFORONE);
  fill();
  drain();
  fill();
  send_sized(10, even);
  m[0].msg_hdr.msg_name = nowhere;
  receive_bad("a bad name first", 8, MSG_WAITFORONE);
  fill();
  drain();
  // Headers that end with the mapping.
  fill();
  send_sized(10, even);
  struct mmsghdr *last = (struct mmsghdr *)nowhere - 3;
  memcpy(last, m, 3 * sizeof *last);
  errno = 0;
  int n = recvmmsg(receiver, last, 8, MSG_WAITFORONE, NULL);
  printf("headers that end: %d %s %u %u %u\n", n, n < 0 ? strerrorname_np(errno) : "", last[0].msg_len, last[1].msg_len, last[2].msg_len);
  drain();
}
static void sending(void) {
  fill();
  for (int i = 0; i < MANY; i++) {
    memset(bytes[i], 'a' + i % 26, ROOM);
    v[i][0].iov_len = (size_t)(i * 31 % 1200);
    m[i].msg_hdr.msg_name = NULL;
    m[i].msg_hdr.msg_namelen = 0;
  }
  v[40][0].iov_base = nowhere;
  errno = 0;
  int n = sendmmsg(sender, m, MANY, 0);
  printf("sent: %d\n", n);
  for (int i = 0; i < MANY; i++) printf("%u%c", m[i].msg_len, i == MANY - 1 ? '\n' : ' ');
  fill();
  receive("what was sent", MANY, MSG_WAITFORONE);
  drain();
}

int main(int argc, char **argv) {
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST}, *a;
  if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &a)) fail("many HOST PORT");
  name_size = a->ai_addrlen;
  receiver = socket(a->ai_family, SOCK_DGRAM, 0);
  sender = socket(a->ai_family, SOCK_DGRAM, 0);
  struct sockaddr_storage from;
  memcpy(&from, a->ai_addr, a->ai_addrlen);
  ((struct sockaddr_in *)&from)->sin_port = htons((uint16_t)(atoi(argv[2]) + 1));
  int size = 1 << 20;
  setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (bind(receiver, a->ai_addr, a->ai_addrlen) || bind(sender, (struct sockaddr *)&from, a->ai_addrlen) || connect(sender, a->ai_addr, a->ai_addrlen)) fail("bind, connect");
  long page = sysconf(_SC_PAGESIZE);
  char *two = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (two == MAP_FAILED || munmap(two + page, (size_t)page)) fail("mmap");
  nowhere = two + page;
  // Once as datagrams come to a program that looks now and then, once as to one that waits in such calls.
  for (int round = 0; round < 6; round++) {
    printf("round %d\n", round);
    plain();
    sizes();
    vectors();
    addresses();
    wrong();
    sending();
  }
  ancillary(a->ai_family == AF_INET6);
  return 0;
}
