// The guardian: a sibling of the runtime that shares its memory and its descriptors (clone CLONE_VM | CLONE_FILES)
// and sleeps until the runtime is gone, even by SIGKILL. Then it fails the calls that wait for an answer and resets
// the data descriptors, so that programs get ECONNRESET instead of hanging or taking a cut stream for a whole one. For GRACE_S
// it answers the calls they make upon that: the network is down, everything else is the kernel's. It ends with the last
// program or after that time, since it keeps the runtime's memory: whoever is left gets ENOSYS of the kernel.
//
// After the runtime's death nobody else touches this memory; but its threads may have died holding locks: nothing
// here allocates or uses stdio.
#include "posix.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/** Data descriptors above this number are not guarded. */
#define MAX_FD 65536
/** Calls waiting at one time; ids count up, so id modulo this is a free slot unless more wait. */
#define MAX_CALLS 4096
#define STACK_SIZE 65536
/** How long the calls of a dead runtime's programs are answered, s. */
#define GRACE_S 3

/** Data descriptor -> where a program holds the other end. */
static struct {
  uint64_t inode; // 0 = not guarded
  int32_t tid, fd;
} guarded[MAX_FD];

static struct {
  uint64_t id;
  int32_t notify;
  uint32_t waiting;
} calls[MAX_CALLS];

/** Notification descriptors at one time; of more programs later calls fail with ENOSYS. */
#define MAX_NOTIFY 256
/** Notification descriptor or -1; and whether it is the guardian's by now. */
static struct {
  int fd;
  int adopted;
} notifiers[MAX_NOTIFY];
static int notifier_count;

static int runtime = -1; // pidfd
static int wake = -1;    // eventfd: look at the notifiers again
static pid_t runtime_pid;
static int started;

void guardian_call_begin(int notify, uint64_t id) {
  calls[id % MAX_CALLS].notify = notify;
  calls[id % MAX_CALLS].id = id;
  calls[id % MAX_CALLS].waiting = 1;
}

void guardian_call_end(uint64_t id) {
  if (calls[id % MAX_CALLS].id == id) calls[id % MAX_CALLS].waiting = 0;
}

struct dirent64_head {
  uint64_t ino;
  int64_t off;
  uint16_t len;
  uint8_t type;
  char name[];
};

/** Call fn with every decimal entry of a directory until it returns >= 0; that, or -ENOENT. */
static int each_number(const char *dir, int (*fn)(int number, uint64_t a, int b), uint64_t a, int b) {
  char buffer[4096];
  int found = -ENOENT;
  int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return -ENOENT;
  long n;
  while (found < 0 && (n = syscall(SYS_getdents64, d, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < n && found < 0;) {
      struct dirent64_head *e = (struct dirent64_head *)(buffer + at);
      if (e->name[0] >= '0' && e->name[0] <= '9') found = fn(atoi(e->name), a, b);
      at += e->len;
    }
  }
  close(d);
  return found;
}

static int look_at_fd(int fd, uint64_t inode, int pid) {
  char path[64], target[64], want[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return -ENOENT;
  target[n] = 0;
  snprintf(want, sizeof want, "socket:[%llu]", (unsigned long long)inode);
  return strcmp(target, want) ? -ENOENT : posix_task_fd(pid, fd);
}

static int look_at_process(int pid, uint64_t inode, int own) {
  char path[64];
  if (pid == own) return -ENOENT;
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  return each_number(path, look_at_fd, inode, pid);
}

int posix_find_end(int tid, int fd, uint64_t inode) {
  struct stat st;
  int own = posix_task_fd(tid, fd);
  if (own >= 0) {
    if (!fstat(own, &st) && st.st_ino == inode) return own;
    close(own);
  }
  return each_number("/proc", look_at_process, inode, getpid());
}

/** Close a data descriptor so that the program's next read fails with ECONNRESET: one unread byte of its own does that. */
static void reset(int data, int tid, int fd, uint64_t inode) {
  char byte;
  int type = SOCK_STREAM;
  socklen_t size = sizeof type;
  getsockopt(data, SOL_SOCKET, SO_TYPE, &type, &size);
  if (type == SOCK_DGRAM || recv(data, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
    int end = posix_find_end(tid, fd, inode);
    if (end >= 0) {
      if (type == SOCK_DGRAM) {
        posix_raise(data, end);
        shutdown(end, SHUT_RDWR); // nothing hangs up such a socket by going away
      } else {
        send(end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
      close(end);
    }
  }
  close(data);
}

/** Whether a program's descriptor is a socket of the stack: the other half was the runtime's. */
static int is_stacks(int tid, int fd) {
  struct ucred peer = {0};
  socklen_t size = sizeof peer;
  int own = posix_task_fd(tid, fd);
  if (own < 0) return 0;
  int found = !getsockopt(own, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.pid == runtime_pid;
  close(own);
  return found;
}

/** What a call gets when there is no stack any more: an error, or 0 to let the kernel do it. */
static int without_stack(const struct seccomp_notif *n) {
  switch (n->data.nr) {
  case SYS_socket: return -ENETDOWN;
  case SYS_recvfrom:
  case SYS_recvmsg:
  case SYS_recvmmsg:
  case SYS_getsockopt: return 0; // the reset itself is told by the descriptor
  default: return is_stacks(n->pid, (int)n->data.args[0]) ? -ENETDOWN : 0;
  }
}

static void answer_one(int notify) {
  struct seccomp_notif n;
  memset(&n, 0, sizeof n);
  if (ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0) return;
  struct seccomp_notif_resp r = {.id = n.id, .error = without_stack(&n)};
  if (!r.error) r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ioctl(notify, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/** Answer the calls of adopted programs until one of the first two descriptors of `p` is ready; the number of adopted that are left. */
static int serve(struct pollfd *p) {
  int slots[MAX_NOTIFY];
  for (;;) {
    int n = 2;
    for (int i = 0; i < notifier_count; i++) {
      if (notifiers[i].fd < 0 || !notifiers[i].adopted) continue;
      slots[n - 2] = i;
      p[n++] = (struct pollfd){notifiers[i].fd, POLLIN, 0};
    }
    if (n == 2 && p[1].fd < 0) return 0; // the runtime is gone, and so are they
    if (syscall(SYS_poll, p, n, -1) < 0) continue;
    for (int i = 2; i < n; i++) {
      if (p[i].revents & POLLIN) answer_one(p[i].fd);
      else if (p[i].revents) {
        close(p[i].fd);
        notifiers[slots[i - 2]].fd = -1;
      }
    }
    if (p[0].revents || p[1].revents) return n - 2;
  }
}

/** Nothing of the runtime but what the programs' calls come by stays open. */
static void close_others(void) {
  int keep = 0;
  for (int fd = 0; fd < MAX_FD; fd = keep + 1) {
    keep = MAX_FD;
    for (int i = 0; i < notifier_count; i++)
      if (notifiers[i].fd >= fd && notifiers[i].fd < keep) keep = notifiers[i].fd;
    if (keep > fd) syscall(SYS_close_range, fd, keep - 1, 0);
  }
}

static int guard(void *unused) {
  (void)unused;
  static struct pollfd p[2 + MAX_NOTIFY];
  prctl(PR_SET_NAME, "nuse-guardian");
  p[0] = (struct pollfd){runtime, POLLIN, 0};
  p[1] = (struct pollfd){wake, POLLIN, 0};
  do {
    uint64_t count;
    p[0].revents = p[1].revents = 0;
    serve(p);
    if (p[1].revents) (void)!read(wake, &count, sizeof count);
  } while (!p[0].revents);
  for (int i = 0; i < MAX_CALLS; i++) {
    if (!calls[i].waiting) continue;
    struct seccomp_notif_resp r = {.id = calls[i].id, .error = -ECONNRESET};
    ioctl(calls[i].notify, SECCOMP_IOCTL_NOTIF_SEND, &r);
  }
  for (int fd = 0; fd < MAX_FD; fd++) {
    if (guarded[fd].inode) reset(fd, guarded[fd].tid, guarded[fd].fd, guarded[fd].inode);
  }
  for (int i = 0; i < notifier_count; i++) notifiers[i].adopted = 1;
  close_others();
  struct itimerspec grace = {.it_value.tv_sec = GRACE_S};
  p[0].fd = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
  p[1].fd = -1;
  p[0].revents = 0;
  if (p[0].fd >= 0 && !syscall(SYS_timerfd_settime, p[0].fd, 0, &grace, NULL))
    while (serve(p) > 0 && !p[0].revents) continue;
  syscall(SYS_exit, 0);
  return 0;
}

/** posixGuardianStart(): its pid (the same at every call), or -errno. */
static napi_value guardian_start(napi_env env, napi_callback_info info) {
  (void)info;
  if (started > 0) return posix_number(env, started);
  runtime_pid = getpid();
  if (runtime < 0) runtime = syscall(SYS_pidfd_open, getpid(), 0);
  if (runtime < 0) return posix_number(env, -errno);
  if (wake < 0) wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return posix_number(env, -errno);
  char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return posix_number(env, -errno);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old); // the runtime's handlers must never run in the guardian
  int pid = clone(guard, stack + STACK_SIZE, CLONE_VM | CLONE_FILES, NULL);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (pid < 0) {
    munmap(stack, STACK_SIZE);
    return posix_number(env, -error);
  }
  return posix_number(env, started = pid);
}

/** posixGuard(data fd, tid, fd there, inode): reset this socket if the runtime dies; inode 0 = no longer. */
static napi_value guardian_guard(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t data = posix_int(&c, 0);
  if (data < 0 || data >= MAX_FD) return posix_number(env, -EINVAL);
  guarded[data].tid = posix_int(&c, 1);
  guarded[data].fd = posix_int(&c, 2);
  guarded[data].inode = posix_int(&c, 3);
  return posix_number(env, 0);
}

/** posixGuardNotify(notification descriptor, adopt): 0: this program's calls are the guardian's when the runtime is gone; 1: from now on. -ENOSPC, -ESRCH: no guardian. */
static napi_value guardian_notify(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int fd = posix_int(&c, 0), adopt = posix_int(&c, 1), at = 0;
  if (started <= 0) return posix_number(env, -ESRCH);
  while (at < notifier_count && notifiers[at].fd != fd) at++;
  if (at == notifier_count)
    for (at = 0; at < notifier_count && notifiers[at].fd >= 0; at++);
  if (at == MAX_NOTIFY) return posix_number(env, -ENOSPC);
  notifiers[at].adopted = adopt;
  notifiers[at].fd = fd;
  if (at == notifier_count) notifier_count++;
  uint64_t one = 1;
  if (adopt && write(wake, &one, sizeof one) < 0) return posix_number(env, -errno);
  return posix_number(env, 0);
}

/** posixGuardForget(notification descriptor): its programs have gone; it may be closed. */
static napi_value guardian_forget(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int fd = posix_int(&c, 0);
  for (int i = 0; i < notifier_count; i++)
    if (notifiers[i].fd == fd) notifiers[i].fd = -1;
  return posix_number(env, 0);
}

/** posixFindEnd(tid, fd, inode): a copy of a program's descriptor of that socket; -ENOENT when no program has it. */
static napi_value guardian_find_end(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, posix_find_end(posix_int(&c, 0), posix_int(&c, 1), posix_int(&c, 2)));
}

const struct posix_function POSIX_GUARDIAN[] = {
    {"posixGuardianStart", guardian_start}, {"posixGuard", guardian_guard}, {"posixFindEnd", guardian_find_end},
    {"posixGuardNotify", guardian_notify}, {"posixGuardForget", guardian_forget}, {NULL, NULL},
};
