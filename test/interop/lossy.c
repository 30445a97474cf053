// A faulty wire between two interfaces of one namespace: loses, reorders, duplicates and corrupts frames.
//   lossy IF1 IF2 SEED LOSS REORDER DUPLICATE CORRUPT        probabilities 0..1
// Frames must fit one buffer without offload headers: switch segmentation offload off at both ends.
// On SIGTERM prints {"forwarded":N,"lost":N,...} and exits 0.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 64, FRAME = 65536, HELD = 64 };
#define HOLD_NS 2000000LL /* a reordered frame waits for 3 later ones, or this long */

struct held {
  int to, len, countdown;
  int64_t due;
  uint8_t *data;
};
static struct held held[HELD];
static int nheld;
static uint64_t rng;
static volatile sig_atomic_t stop;
static unsigned long long forwarded, lost, reordered, duplicated, corrupted, refused;
static double p_loss, p_reorder, p_duplicate, p_corrupt;

static void on_signal(int s) { (void)s; stop = 1; }
static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static double uniform(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (rng >> 11) * (1.0 / 9007199254740992.0);
}
static int open_interface(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1, big = 64 << 20;
  struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
  struct packet_mreq m = {.mr_ifindex = a.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  if (fd < 0 || !a.sll_ifindex || bind(fd, (void *)&a, sizeof a) || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one)) {
    perror(name);
    exit(1);
  }
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  return fd;
}
static void put(int fd, const uint8_t *p, int n) {
  while (send(fd, p, n, 0) < 0) {
    if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
      if (stop) return;
      usleep(50);
      continue;
    }
    refused++;
    return;
  }
  forwarded++;
}
static void release(int64_t now, int passed) {
  for (int i = 0; i < nheld; i++) {
    if (passed) held[i].countdown--;
    if (held[i].countdown > 0 && held[i].due > now) continue;
    put(held[i].to, held[i].data, held[i].len);
    free(held[i].data);
    held[i--] = held[--nheld];
  }
}
static void frame(int to, uint8_t *p, int n) {
  int64_t now = now_ns();
  if (uniform() < p_loss) {
    lost++;
    return;
  }
  if (uniform() < p_corrupt && n > 34) {
    p[14 + (int)(uniform() * (n - 14))] ^= 1 << (int)(uniform() * 8);
    corrupted++;
  }
  if (uniform() < p_reorder && nheld < HELD) {
    struct held *h = &held[nheld++];
    *h = (struct held){.to = to, .len = n, .countdown = 1 + (int)(uniform() * 3), .due = now + HOLD_NS, .data = malloc(n)};
    memcpy(h->data, p, n);
    reordered++;
    return;
  }
  put(to, p, n);
  if (uniform() < p_duplicate) {
    put(to, p, n);
    duplicated++;
  }
  release(now, 1);
}

int main(int argc, char **argv) {
  static uint8_t buf[FRAME];
  if (argc != 8) return fprintf(stderr, "usage: lossy IF1 IF2 SEED LOSS REORDER DUPLICATE CORRUPT\n"), 2;
  int fd[2] = {open_interface(argv[1]), open_interface(argv[2])};
  rng = strtoull(argv[3], 0, 0) * 0x9e3779b97f4a7c15ULL + 1;
  p_loss = atof(argv[4]), p_reorder = atof(argv[5]), p_duplicate = atof(argv[6]), p_corrupt = atof(argv[7]);
  struct sigaction sa = {.sa_handler = on_signal};
  sigaction(SIGTERM, &sa, 0);
  sigaction(SIGINT, &sa, 0);
  puts("ready");
  fflush(stdout);
  while (!stop) {
    struct pollfd pf[2] = {{fd[0], POLLIN, 0}, {fd[1], POLLIN, 0}};
    poll(pf, 2, nheld ? 1 : 100);
    for (int i = 0; i < 2; i++)
      for (int k = 0; k < BURST; k++) {
        ssize_t n = recv(fd[i], buf, sizeof buf, MSG_DONTWAIT);
        if (n <= 0) break;
        frame(fd[!i], buf, (int)n);
      }
    release(now_ns(), 0);
  }
  printf("{\"forwarded\":%llu,\"lost\":%llu,\"reordered\":%llu,\"duplicated\":%llu,\"corrupted\":%llu,\"refused\":%llu}\n", forwarded, lost, reordered, duplicated, corrupted, refused);
  return 0;
}
