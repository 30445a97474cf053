// The peer of the TCP marks: two kernels joined by a plain copy loop between two TAPs (IFF_VNET_HDR, TSO): what
// a program between two TAP devices costs at least. relay NETNS1 TAP1 NETNS2 TAP2; prints "ready", ends on a signal.
#define _GNU_SOURCE
#include "tap.h"
#include <poll.h>

enum { FRAME = 70000, BURST = 64, VNET_HDR = 12 };

static int offloading(const char *netns, const char *name) {
  int fd = tap(netns, name, IFF_VNET_HDR), size = VNET_HDR;
  if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("offload");
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "relay NETNS1 TAP1 NETNS2 TAP2\n");
    return 2;
  }
  struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
  p[0].fd = offloading(argv[1], argv[2]);
  p[1].fd = offloading(argv[3], argv[4]);
  puts("ready");
  fflush(stdout);
  static char frame[FRAME];
  while (poll(p, 2, -1) >= 0)
    for (int i = 0; i < 2; i++)
      for (int k = 0; k < BURST; k++) {
        ssize_t n = read(p[i].fd, frame, sizeof frame);
        if (n <= 0) break;
        // A full or absent device drops the frame, as a wire would.
        if (write(p[1 - i].fd, frame, (size_t)n) < 0 && errno != EAGAIN && errno != EIO) fail("write");
      }
  return 0;
}
