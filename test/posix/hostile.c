// A program that means no good: several threads make socket calls with random descriptors, pointers, lengths and flags,
// close and shut down each other's sockets, and take signals all the while. usage: hostile SECONDS SEED
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define THREADS 6
#define MAX_FD 64
static time_t end;
static char *page; // 64 KiB of memory, of which the last page cannot be touched

static uint64_t next(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  *s ^= *s << 17;
  return *s;
}

/** A pointer: good, at the edge of a mapping, null, into the program, or nonsense. */
static void *pointer(uint64_t *s) {
  switch (next(s) % 12) {
  case 0: return NULL;
  case 1: return (void *)8;
  case 2: return (void *)(uintptr_t)next(s);
  case 3: return (void *)pointer;
  case 4: return page + 15 * 4096 - next(s) % 64;
  default: return page + next(s) % (14 * 4096);
  }
}
static long length(uint64_t *s) {
  static const long some[] = {0, 1, 2, 4, 8, 16, 28, 64, 128, 129, 1000, 4096, 65536, 70000, 1 << 20, 0x7fffffff, -1};
  return some[next(s) % (sizeof some / sizeof *some)];
}

static void *work(void *arg) {
  uint64_t s = (uintptr_t)arg;
  static const int families[] = {AF_INET, AF_INET6, AF_INET, AF_NETLINK, AF_PACKET, AF_UNIX};
  while (time(NULL) < end) {
    int fd = next(&s) % MAX_FD;
    if (fd < 3) fd = 3;
    for (int i = 0; i < 64; i++) ((uint64_t *)page)[next(&s) % 6000] = next(&s) % 3 ? next(&s) % 70000 : (uint64_t)(uintptr_t)pointer(&s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5000 + next(&s) % 8), .sin_addr.s_addr = htonl(0x7f000001)};
    memcpy(page + next(&s) % 8 * 128, &a, sizeof a);
    switch (next(&s) % 26) {
    case 0: case 1: case 2:
      fd = socket(families[next(&s) % 6], 1 + next(&s) % 3 + (next(&s) % 8 ? SOCK_NONBLOCK : 0), next(&s) % 4 ? 0 : next(&s) % 256);
      if (fd >= MAX_FD) close(fd);
      break;
    case 3: close(fd); break;
    case 4: case 5: connect(fd, (void *)&a, sizeof a); break;
    case 6: connect(fd, pointer(&s), length(&s)); break;
    case 7: case 8: bind(fd, (void *)&a, sizeof a); break;
    case 9: bind(fd, pointer(&s), length(&s)); break;
    case 10: listen(fd, length(&s)); break;
    case 11: fd = syscall(SYS_accept4, fd, pointer(&s), pointer(&s), next(&s) % 4 ? SOCK_NONBLOCK : next(&s)); if (fd >= MAX_FD) close(fd); break;
    case 12: syscall(SYS_getsockname, fd, pointer(&s), pointer(&s)); break;
    case 13: syscall(SYS_getpeername, fd, pointer(&s), pointer(&s)); break;
    case 14: setsockopt(fd, next(&s) % 3 ? next(&s) % 60 : next(&s), next(&s) % 80, pointer(&s), length(&s)); break;
    case 15: syscall(SYS_getsockopt, fd, next(&s) % 3 ? next(&s) % 60 : next(&s), next(&s) % 80, pointer(&s), pointer(&s)); break;
    case 16: shutdown(fd, next(&s) % 4); break;
    case 17: syscall(SYS_sendto, fd, pointer(&s), length(&s), next(&s) % 2 ? MSG_DONTWAIT : next(&s) | MSG_DONTWAIT, pointer(&s), length(&s)); break;
    case 18: syscall(SYS_recvfrom, fd, pointer(&s), length(&s), next(&s) | MSG_DONTWAIT, pointer(&s), pointer(&s)); break;
    case 19: syscall(SYS_sendmsg, fd, pointer(&s), next(&s) | MSG_DONTWAIT); break;
    case 20: syscall(SYS_recvmsg, fd, pointer(&s), next(&s) | MSG_DONTWAIT); break;
    case 21: syscall(SYS_sendmmsg, fd, pointer(&s), length(&s), next(&s) | MSG_DONTWAIT); break;
    case 22: syscall(SYS_recvmmsg, fd, pointer(&s), length(&s), next(&s) | MSG_DONTWAIT, NULL); break;
    case 23: syscall(SYS_ioctl, fd, 0x8900 + next(&s) % 256, pointer(&s)); break;
    case 24: dup2(fd, 3 + next(&s) % (MAX_FD - 3)); break;
    default: if (send(fd, page, next(&s) % 3000, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) recv(fd, page, 3000, MSG_DONTWAIT);
    }
  }
  return NULL;
}

static void nothing(int signal) { (void)signal; }

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  end = time(NULL) + atoi(argv[1]);
  page = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page + 15 * 4096, 4096, PROT_NONE);
  struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &sa, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGIO, SIG_IGN);
  signal(SIGURG, SIG_IGN);
  struct itimerval tick = {{0, 3000}, {0, 3000}};
  setitimer(ITIMER_REAL, &tick, NULL);
  pthread_t t[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, work, (void *)(0x9e3779b97f4a7c15u * (i + 1) + strtoul(argv[2], NULL, 0)));
  // A thread may wait for ever in a call that nothing ends.
  sleep(atoi(argv[1]) + 1);
  puts("survived");
  fflush(stdout);
  _exit(0);
}
