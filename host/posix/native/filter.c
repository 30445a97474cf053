// The seccomp filter of a supervised program (seccomp(2), seccomp_unotify(2)).
//
// Notified: what creates, names, connects or configures a network socket, messages with an address, and the
// socket ioctls. Native: everything that works on the unix socket behind the descriptor (read, write, poll, close ...).
// Refused: other ways to the network: x32 and 32-bit socket calls, io_uring, address families we do not serve.
#include "filter.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG_LO(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]))
#define LOAD_ARG_HI(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]) + 4)
#define IF_EQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define IF_GE(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (yes), (no))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define FAIL(e) RETURN(SECCOMP_RET_ERRNO | (e))
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define NOTIFY RETURN(SECCOMP_RET_USER_NOTIF)
#define NOTIFY_CALL(nr) IF_EQ(nr, 0, 1), NOTIFY

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define COMPAT_ARCH AUDIT_ARCH_I386
#define COMPAT_SOCKETCALL 102
#define COMPAT_SOCKET_FIRST 359 /* i386 socket ... shutdown: 359..373 */
#define COMPAT_SOCKET_LAST 373
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define COMPAT_ARCH AUDIT_ARCH_ARM
#define COMPAT_SOCKETCALL 102
#define COMPAT_SOCKET_FIRST 281 /* arm socket ... recvmsg: 281..297 */
#define COMPAT_SOCKET_LAST 297
#else
#error "nuse-exec knows x86_64 and aarch64"
#endif
#define X32_BIT 0x40000000u
#define IO_URING_SETUP 425 /* the same number on every architecture */
#define FIONREAD_CMD 0x541b
#define TIOCOUTQ_CMD 0x5411

static const struct sock_filter FILTER[] = {
    LOAD(arch),
    IF_EQ(NATIVE_ARCH, 9, 0),
    // Programs of the other word size run, but without sockets of any kind.
    IF_EQ(COMPAT_ARCH, 1, 0),
    FAIL(ENOSYS),
    LOAD(nr),
    IF_EQ(COMPAT_SOCKETCALL, 3, 0),
    IF_EQ(IO_URING_SETUP, 2, 0),
    IF_GE(COMPAT_SOCKET_FIRST, 0, 2),
    IF_GE(COMPAT_SOCKET_LAST + 1, 1, 0),
    FAIL(ENOSYS),
    ALLOW,

    LOAD(nr),
#if defined(__x86_64__)
    IF_GE(X32_BIT, 0, 1),
    FAIL(ENOSYS),
#endif
    IF_EQ(IO_URING_SETUP, 0, 1),
    FAIL(ENOSYS),

    // socket: the families of the stack are ours, local ones the kernel's, the rest does not exist.
    IF_EQ(SYS_socket, 0, 10),
    LOAD_ARG_LO(0),
    IF_EQ(AF_INET, 6, 0),
    IF_EQ(AF_INET6, 5, 0),
    IF_EQ(AF_PACKET, 4, 0),
    IF_EQ(AF_NETLINK, 3, 0),
    IF_EQ(AF_UNIX, 3, 0),
    IF_EQ(AF_ALG, 2, 0),
    FAIL(EAFNOSUPPORT),
    NOTIFY,
    ALLOW,

    // sendto and recvfrom: only with an address pointer, or for the error queue; send() and recv() are native.
    IF_EQ(SYS_sendto, 1, 0),
    IF_EQ(SYS_recvfrom, 0, 8),
    LOAD_ARG_LO(4),
    IF_EQ(0, 0, 4),
    LOAD_ARG_HI(4),
    IF_EQ(0, 0, 2),
    LOAD_ARG_LO(3),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MSG_ERRQUEUE, 0, 1),
    NOTIFY,
    ALLOW,

    // ioctl: the socket range 0x89xx, and the two queue sizes, whose truth lies on both sides.
    IF_EQ(SYS_ioctl, 0, 7),
    LOAD_ARG_LO(1),
    IF_EQ(FIONREAD_CMD, 4, 0),
    IF_EQ(TIOCOUTQ_CMD, 3, 0),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
    IF_EQ(0x8900, 1, 0),
    ALLOW,
    NOTIFY,

    NOTIFY_CALL(SYS_connect),
    NOTIFY_CALL(SYS_bind),
    NOTIFY_CALL(SYS_listen),
    NOTIFY_CALL(SYS_accept),
    NOTIFY_CALL(SYS_accept4),
    NOTIFY_CALL(SYS_getsockname),
    NOTIFY_CALL(SYS_getpeername),
    NOTIFY_CALL(SYS_setsockopt),
    NOTIFY_CALL(SYS_getsockopt),
    NOTIFY_CALL(SYS_shutdown),
    NOTIFY_CALL(SYS_sendmsg),
    NOTIFY_CALL(SYS_recvmsg),
    NOTIFY_CALL(SYS_sendmmsg),
    NOTIFY_CALL(SYS_recvmmsg),
    ALLOW,
};

int nuse_install_filter(void) {
  struct sock_fprog program = {sizeof FILTER / sizeof *FILTER, (struct sock_filter *)FILTER};
  int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return fd < 0 ? -errno : fd;
}
