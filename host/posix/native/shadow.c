// Shadow interfaces: TAPs named as the stack's interfaces, so that files which tell about interfaces tell about the
// stack's, and that packet sockets are the kernel's own, with memory-mapped rings and all (host/posix/packet.ts moves
// the frames). Other calls of programs are answered by the stack itself.
#include "shadow.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
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

/** A request to the kernel of this namespace: header, a family's structure, attributes. */
struct request {
  struct nlmsghdr h;
  char body[192];
};

static struct request request(int type, int flags, const void *fixed, size_t size) {
  struct request m = {.h = {.nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
  memcpy(NLMSG_DATA(&m.h), fixed, size);
  return m;
}

/** Append an attribute; the callers' few and short ones fit. */
static struct rtattr *attribute(struct request *m, int type, const void *value, size_t size) {
  struct rtattr *a = (struct rtattr *)((char *)m + NLMSG_ALIGN(m->h.nlmsg_len));
  a->rta_type = type;
  a->rta_len = RTA_LENGTH(size);
  if (size) memcpy(RTA_DATA(a), value, size);
  m->h.nlmsg_len = NLMSG_ALIGN(m->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
  return a;
}

/** Send it; what the kernel says of it: 0 or -errno. */
static int ask(const struct request *m) {
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (nl < 0) return -errno;
  struct {
    struct nlmsghdr h;
    struct nlmsgerr e;
    char rest[256];
  } answer;
  int rc = send(nl, m, m->h.nlmsg_len, 0) < 0 || recv(nl, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.h + sizeof answer.e) ? -errno : answer.e.error;
  close(nl);
  return rc;
}

/** "address/prefix" onto an interface, without duplicate address detection. */
static int add_address(int index, const char *text) {
  char address[64];
  unsigned char bytes[16];
  const char *slash = strchr(text, '/');
  if (!slash || (size_t)(slash - text) >= sizeof address) return -EINVAL;
  memcpy(address, text, slash - text);
  address[slash - text] = 0;
  struct ifaddrmsg a = {.ifa_prefixlen = atoi(slash + 1), .ifa_flags = IFA_F_NODAD, .ifa_index = index};
  a.ifa_family = strchr(address, ':') ? AF_INET6 : AF_INET;
  if (inet_pton(a.ifa_family, address, bytes) != 1) return -EINVAL;
  struct request m = request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &a, sizeof a);
  for (int type = IFA_ADDRESS; type <= IFA_LOCAL; type++) attribute(&m, type, bytes, a.ifa_family == AF_INET6 ? 16 : 4);
  return ask(&m);
}

/** The kernel makes no link-local address of its own, and solicits no router. */
static void quiet_ipv6(const char *name, int index) {
  struct ifinfomsg link = {.ifi_index = index};
  struct request m = request(RTM_NEWLINK, 0, &link, sizeof link);
  unsigned char none = 1; // IN6_ADDR_GEN_MODE_NONE
  struct rtattr *spec = attribute(&m, IFLA_AF_SPEC, NULL, 0), *inet6 = attribute(&m, AF_INET6, NULL, 0);
  attribute(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
  inet6->rta_len = (char *)&m + m.h.nlmsg_len - (char *)inet6;
  spec->rta_len = (char *)&m + m.h.nlmsg_len - (char *)spec;
  ask(&m); // a kernel without IPv6 has nothing to keep quiet
  char path[96];
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/router_solicitations", name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "0", 1) < 0) perror("nuse: router_solicitations");
  close(fd);
}

int shadow_mute(void) {
  // Every lookup, of packets in and out, ends in a blackhole: nothing is for this kernel, and it has no way to anywhere.
  static const unsigned char families[] = {AF_INET, AF_INET6};
  int worst = 0;
  for (size_t i = 0; i < sizeof families; i++) {
    unsigned first = 0;
    struct fib_rule_hdr black = {.family = families[i], .action = FR_ACT_BLACKHOLE}, local = {.family = families[i], .table = RT_TABLE_LOCAL, .action = FR_ACT_TO_TBL};
    struct request add = request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &black, sizeof black), drop = request(RTM_DELRULE, 0, &local, sizeof local);
    attribute(&add, FRA_PRIORITY, &first, sizeof first);
    attribute(&drop, FRA_PRIORITY, &first, sizeof first);
    int rc = ask(&add);
    if (rc == 0) rc = ask(&drop);
    if (rc && rc != -EAFNOSUPPORT) worst = rc;
  }
  return worst;
}

/** The TAP's descriptor, or -errno. */
static int make_tap(int sock, const char *name, int index, const char *mac, int mtu) {
  struct ifreq r = {0};
  unsigned char bytes[6];
  if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]) != 6) return -EINVAL;
  if (strlen(name) >= sizeof r.ifr_name) return -EINVAL;
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) return -errno;
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  r.ifr_flags = IFF_TAP | IFF_NO_PI;
  int rc = ioctl(tun, TUNSETIFINDEX, &index) || ioctl(tun, TUNSETIFF, &r) ? -errno : 0;
  if (!rc) quiet_ipv6(name, index);
  r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(r.ifr_hwaddr.sa_data, bytes, sizeof bytes);
  if (!rc && ioctl(sock, SIOCSIFHWADDR, &r)) rc = -errno;
  r.ifr_mtu = mtu;
  if (!rc && ioctl(sock, SIOCSIFMTU, &r)) rc = -errno;
  if (!rc) rc = set_up(sock, name);
  if (!rc) return tun;
  close(tun);
  return rc;
}

int shadow_link(const char *name, int index, const char *mac, int mtu, const char *addresses) {
  char list[1024];
  if (strlen(addresses) >= sizeof list) return -EINVAL;
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return -errno;
  int tun = make_tap(sock, name, index, mac, mtu), rc = 0;
  close(sock);
  if (tun < 0 || !strcmp(addresses, "-")) return tun;
  strcpy(list, addresses);
  char *rest = NULL;
  for (char *one = strtok_r(list, ",", &rest); one && rc == 0; one = strtok_r(NULL, ",", &rest)) rc = add_address(index, one);
  if (!rc) return tun;
  close(tun);
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
