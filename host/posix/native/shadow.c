// Shadow interfaces: TAPs without a user, so that files which tell about interfaces tell about the stack's.
// The calls of programs are answered by the stack itself; this is for those that read /proc/net and /sys/class/net.
#include "shadow.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_up(int sock, const char *name) {
  struct ifreq r = {0};
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  if (ioctl(sock, SIOCGIFFLAGS, &r)) return -errno;
  r.ifr_flags |= IFF_UP;
  return ioctl(sock, SIOCSIFFLAGS, &r) ? -errno : 0;
}

/** "address/prefix" onto an interface, without duplicate address detection. */
static int add_address(int index, const char *text) {
  char address[64];
  const char *slash = strchr(text, '/');
  if (!slash || (size_t)(slash - text) >= sizeof address) return -EINVAL;
  memcpy(address, text, slash - text);
  address[slash - text] = 0;
  struct {
    struct nlmsghdr h;
    struct ifaddrmsg a;
    char attributes[64];
  } m = {
      .h = {.nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
      .a = {.ifa_prefixlen = atoi(slash + 1), .ifa_flags = IFA_F_NODAD, .ifa_index = index},
  };
  m.a.ifa_family = strchr(address, ':') ? AF_INET6 : AF_INET;
  size_t size = m.a.ifa_family == AF_INET6 ? 16 : 4, used = 0;
  for (int type = IFA_ADDRESS; type <= IFA_LOCAL; type++) {
    struct rtattr *attribute = (struct rtattr *)(m.attributes + used);
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (inet_pton(m.a.ifa_family, address, RTA_DATA(attribute)) != 1) return -EINVAL;
    used += RTA_SPACE(size);
  }
  m.h.nlmsg_len = NLMSG_LENGTH(sizeof m.a) + used;
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (nl < 0) return -errno;
  struct {
    struct nlmsghdr h;
    struct nlmsgerr e;
    char rest[128];
  } answer;
  int rc = send(nl, &m, m.h.nlmsg_len, 0) < 0 || recv(nl, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.h + sizeof answer.e) ? -errno : answer.e.error;
  close(nl);
  return rc;
}

static int make_tap(int sock, const char *name, const char *mac, int mtu) {
  struct ifreq r = {0};
  unsigned char bytes[6];
  if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]) != 6) return -EINVAL;
  if (strlen(name) >= sizeof r.ifr_name) return -EINVAL;
  int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (tun < 0) return -errno;
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  r.ifr_flags = IFF_TAP | IFF_NO_PI;
  int rc = ioctl(tun, TUNSETIFF, &r) || ioctl(tun, TUNSETPERSIST, 1) ? -errno : 0;
  close(tun);
  if (rc) return rc;
  r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(r.ifr_hwaddr.sa_data, bytes, sizeof bytes);
  if (ioctl(sock, SIOCSIFHWADDR, &r)) return -errno;
  r.ifr_mtu = mtu;
  if (ioctl(sock, SIOCSIFMTU, &r)) return -errno;
  return set_up(sock, name);
}

int shadow_link(const char *name, const char *mac, int mtu, const char *addresses) {
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return -errno;
  int rc = make_tap(sock, name, mac, mtu);
  close(sock);
  char list[1024];
  if (rc == 0 && strlen(addresses) >= sizeof list) rc = -EINVAL;
  if (rc || !strcmp(addresses, "-")) return rc;
  strcpy(list, addresses);
  char *rest = NULL;
  for (char *one = strtok_r(list, ",", &rest); one && rc == 0; one = strtok_r(NULL, ",", &rest)) rc = add_address(if_nametoindex(name), one);
  return rc;
}

int shadow_loopback(void) {
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return -errno;
  int rc = set_up(sock, "lo");
  close(sock);
  return rc;
}

void shadow_sysfs(void) {
  // The entries of /sys/class/net are links into /sys/devices/virtual/net, so both are taken from a sysfs of this namespace.
  static const char *const parts[] = {"class/net", "devices/virtual/net"};
  char dir[] = "/tmp/nuse-sys-XXXXXX", from[64], to[64];
  if (!mkdtemp(dir)) return;
  if (!mount("sysfs", dir, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
      snprintf(from, sizeof from, "%s/%s", dir, parts[i]);
      snprintf(to, sizeof to, "/sys/%s", parts[i]);
      mount(from, to, NULL, MS_BIND, NULL);
    }
    umount2(dir, MNT_DETACH);
  }
  rmdir(dir);
}
