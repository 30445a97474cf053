// A TAP device in a network namespace of `ip netns`, for the programs of bench/ that stand between two kernels.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// Attach to the device, or make it; this process is in the namespace from now on. `flags`: IFF_ flags beside IFF_TAP.
static int tap(const char *netns, const char *name, short flags) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", netns);
  int ns = open(path, O_RDONLY | O_CLOEXEC);
  if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) fail(path);
  close(ns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq r = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &r) < 0) fail(name);
  return fd;
}
