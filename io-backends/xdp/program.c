/*
 * The program is five instructions: bpf_redirect_map(sockets, rx_queue_index, XDP_PASS). A queue without a socket is the host's as before.
 * A BPF link attaches it, so that it goes with the process that holds it, however that ends.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../native/vif.h"
#include "xdp.h"

#define NAME "nuse_xsk"
#define ATTEMPTS 100
#define ATTEMPT_NS 10000000
/** Links looked at in the search for one. */
#define LINKS_MAX 65536

static int bpf(int command, union bpf_attr *attr) {
  int r = (int)syscall(SYS_bpf, command, attr, sizeof *attr);
  return r < 0 ? -errno : r;
}

bool xdp_again(int *attempt) {
  struct timespec t = { .tv_nsec = ATTEMPT_NS };
  if (++*attempt > ATTEMPTS) return false;
  nanosleep(&t, NULL);
  return true;
}

static int make_map(void) {
  union bpf_attr a = { .map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = XDP_QUEUES };
  memcpy(a.map_name, NAME, sizeof NAME);
  return bpf(BPF_MAP_CREATE, &a);
}

static int put_socket(int map, uint32_t queue, int xsk) {
  union bpf_attr a = { .map_fd = (uint32_t)map, .key = (uintptr_t)&queue, .value = (uintptr_t)&xsk };
  return bpf(BPF_MAP_UPDATE_ELEM, &a);
}

static int load_program(int map) {
  const struct bpf_insn code[] = {
    { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = offsetof(struct xdp_md, rx_queue_index) },
    { .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
    { .imm = 0 }, // the upper half of the one before
    { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS },
    { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
    { .code = BPF_JMP | BPF_EXIT },
  };
  union bpf_attr a = {
    .prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)code, .insn_cnt = sizeof code / sizeof *code, .license = (uintptr_t) "Apache-2.0",
    .expected_attach_type = BPF_XDP,
  };
  memcpy(a.prog_name, NAME, sizeof NAME);
  return bpf(BPF_PROG_LOAD, &a);
}

static int attach(int program, int ifindex, uint32_t mode) {
  union bpf_attr a = { .link_create = { .prog_fd = (uint32_t)program, .target_ifindex = (uint32_t)ifindex, .attach_type = BPF_XDP, .flags = mode } };
  return bpf(BPF_LINK_CREATE, &a);
}

static bool taken(int e) { return e == -EBUSY || e == -EEXIST; }

/* A program of our own on the device: the link or -errno. */
static int attach_own(int ifindex, uint32_t queue, int xsk) {
  int map = make_map(), program = map < 0 ? map : load_program(map), link = program;
  if (program >= 0) {
    int e = put_socket(map, queue, xsk);
    link = e ? e : attach(program, ifindex, XDP_FLAGS_DRV_MODE);
    // Drivers refuse for reasons of their own: too large an MTU, too few queues, no native mode at all.
    if (link < 0 && !e && !taken(link) && link != -EPERM) link = attach(program, ifindex, XDP_FLAGS_SKB_MODE);
    close(program);
  }
  if (map >= 0) close(map);
  return link;
}

/* The attribute `type` of a run of them, or null. */
static const struct rtattr *attribute(const struct rtattr *a, size_t left, unsigned type) {
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
    if ((a->rta_type & NLA_TYPE_MASK) == type) return a;
  return NULL;
}

/* The id of the XDP program on a device of this namespace, 0 when there is none, or -errno. */
static int64_t program_of(int ifindex) {
  struct { struct nlmsghdr h; struct ifinfomsg i; } ask = {
    .h = { .nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST }, .i = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex },
  };
  union { struct nlmsghdr h; char bytes[32768]; } answer;
  int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (s < 0) return -errno;
  ssize_t n = send(s, &ask, sizeof ask, 0) < 0 ? -1 : recv(s, &answer, sizeof answer, 0);
  int e = errno;
  close(s);
  if (n < 0) return -e;
  size_t fixed = NLMSG_LENGTH(sizeof(struct ifinfomsg));
  if (!NLMSG_OK(&answer.h, (size_t)n) || answer.h.nlmsg_type != RTM_NEWLINK || answer.h.nlmsg_len < fixed) return -ENODEV;
  const struct rtattr *xdp = attribute(IFLA_RTA(NLMSG_DATA(&answer.h)), answer.h.nlmsg_len - NLMSG_ALIGN(fixed), IFLA_XDP);
  for (unsigned type = IFLA_XDP_PROG_ID; xdp && type <= IFLA_XDP_SKB_PROG_ID; type++) {
    const struct rtattr *id = attribute(RTA_DATA(xdp), RTA_PAYLOAD(xdp), type);
    if (id && RTA_PAYLOAD(id) >= 4) return ld32(RTA_DATA(id));
  }
  return 0;
}

static int info_of(int fd, void *info, uint32_t size) {
  union bpf_attr a = { .info = { .bpf_fd = (uint32_t)fd, .info_len = size, .info = (uintptr_t)info } };
  return bpf(BPF_OBJ_GET_INFO_BY_FD, &a);
}

/* The link by which a program is attached to a device, or -errno. Program ids tell devices of the same number in other namespaces apart. */
static int link_of(uint32_t program, int ifindex) {
  union bpf_attr next = { .start_id = 0 };
  for (int i = 0; i < LINKS_MAX && bpf(BPF_LINK_GET_NEXT_ID, &next) == 0; i++) {
    union bpf_attr a = { .link_id = next.next_id };
    struct bpf_link_info info = {0};
    next.start_id = next.next_id;
    int fd = bpf(BPF_LINK_GET_FD_BY_ID, &a);
    if (fd < 0) continue; // gone since
    if (info_of(fd, &info, sizeof info) == 0 && info.type == BPF_LINK_TYPE_XDP && info.prog_id == program && info.xdp.ifindex == (uint32_t)ifindex) return fd;
    close(fd);
  }
  return -ENOENT;
}

/* Put the socket into the map of our program that is attached already: its link, -EBUSY when the program is not ours, -EAGAIN when it has just gone. */
static int join(int ifindex, uint32_t queue, int xsk) {
  int64_t id = program_of(ifindex);
  if (id <= 0) return -EAGAIN;
  uint32_t map_id = 0;
  struct bpf_prog_info info = { .nr_map_ids = 1, .map_ids = (uintptr_t)&map_id };
  union bpf_attr of_program = { .prog_id = (uint32_t)id };
  int program = bpf(BPF_PROG_GET_FD_BY_ID, &of_program);
  if (program < 0) return -EAGAIN;
  int e = info_of(program, &info, sizeof info);
  close(program);
  if (e || strcmp(info.name, NAME) != 0 || info.nr_map_ids != 1) return -EBUSY;
  union bpf_attr of_map = { .map_id = map_id };
  int map = bpf(BPF_MAP_GET_FD_BY_ID, &of_map);
  if (map < 0) return -EAGAIN;
  int link = link_of((uint32_t)id, ifindex);
  e = link < 0 ? -EAGAIN : put_socket(map, queue, xsk);
  close(map);
  if (e && link >= 0) close(link);
  return e ? e : link;
}

int xdp_steer(const char *dev, int ifindex, uint32_t queue, int xsk, char *err, size_t n) {
  int link = -EAGAIN;
  for (int attempt = 0; link == -EAGAIN;) {
    link = attach_own(ifindex, queue, xsk);
    if (taken(link)) link = join(ifindex, queue, xsk);
    if (link == -EAGAIN && !xdp_again(&attempt)) break;
  }
  if (link >= 0) return link;
  if (link == -EBUSY) return vif_fail(err, n, EBUSY, "XDP %s: another XDP program is attached (see `ip link show dev %s`); remove it with `ip link set dev %s xdp off`", dev, dev, dev);
  if (link == -EPERM)
    return vif_fail(err, n, EPERM, "XDP %s: loading a BPF program needs CAP_BPF and CAP_NET_ADMIN of the machine, not only of a user namespace: run nuse with sudo, or write `viftype RAW`", dev);
  return vif_fail(err, n, -link, "XDP %s: the XDP program could not be attached; `viftype RAW` works with every device", dev);
}
