// The guardian: a sibling of the runtime that shares its memory and its descriptors (clone CLONE_VM | CLONE_FILES)
// and sleeps until the runtime is gone, even by SIGKILL. Then it fails the calls that wait for an answer and resets
// the data descriptors, so that programs get ECONNRESET instead of hanging or taking a cut stream for a whole one.
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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/** Data descriptors above this number are not guarded. */
#define MAX_FD 65536
/** Calls waiting at one time; ids count up, so id modulo this is a free slot unless more wait. */
#define MAX_CALLS 4096
#define STACK_SIZE 65536

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

static int runtime = -1; // pidfd
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

static int guard(void *unused) {
  (void)unused;
  prctl(PR_SET_NAME, "nuse-guardian");
  struct pollfd p = {runtime, POLLIN, 0};
  while (syscall(SYS_poll, &p, 1, -1) < 0 && errno == EINTR);
  for (int i = 0; i < MAX_CALLS; i++) {
    if (!calls[i].waiting) continue;
    struct seccomp_notif_resp r = {.id = calls[i].id, .error = -ECONNRESET};
    ioctl(calls[i].notify, SECCOMP_IOCTL_NOTIF_SEND, &r);
  }
  for (int fd = 0; fd < MAX_FD; fd++) {
    if (guarded[fd].inode) reset(fd, guarded[fd].tid, guarded[fd].fd, guarded[fd].inode);
  }
  syscall(SYS_exit, 0);
  return 0;
}

/** posixGuardianStart(): its pid (the same at every call), or -errno. */
static napi_value guardian_start(napi_env env, napi_callback_info info) {
  (void)info;
  if (started > 0) return posix_number(env, started);
  if (runtime < 0) runtime = syscall(SYS_pidfd_open, getpid(), 0);
  if (runtime < 0) return posix_number(env, -errno);
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

/** posixFindEnd(tid, fd, inode): a copy of a program's descriptor of that socket; -ENOENT when no program has it. */
static napi_value guardian_find_end(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  return posix_number(env, posix_find_end(posix_int(&c, 0), posix_int(&c, 1), posix_int(&c, 2)));
}

const struct posix_function POSIX_GUARDIAN[] = {
    {"posixGuardianStart", guardian_start}, {"posixGuard", guardian_guard}, {"posixFindEnd", guardian_find_end}, {NULL, NULL},
};
