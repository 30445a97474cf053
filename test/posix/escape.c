// Ways around the filter: each line tells how one ends. On the kernel alone most of them succeed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *what, long r) {
  printf("%s: %s\n", what, r < 0 ? strerrorname_np(errno) : "done");
}

int main(void) {
  char params[256] = {0};
  tell("io_uring", syscall(SYS_io_uring_setup, 8, params));
  tell("vsock", socket(40, SOCK_STREAM, 0));
  tell("bluetooth", socket(31, SOCK_RAW, 0));
  tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
#ifdef __x86_64__
  tell("x32 socket", syscall(0x40000000 | SYS_socket, AF_INET, SOCK_DGRAM, 0));
  // socketcall(SYS_SOCKET) of the 32-bit table; its arguments must lie in the low 4 GiB.
  unsigned *args = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  args[0] = AF_INET;
  args[1] = SOCK_DGRAM;
  args[2] = 0;
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(102), "b"(1), "c"(args) : "memory", "r8", "r9", "r10", "r11");
  errno = r < 0 ? -r : 0;
  tell("socketcall", r);
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(359), "b"(AF_INET), "c"(SOCK_DGRAM), "d"(0) : "memory", "r8", "r9", "r10", "r11");
  errno = r < 0 ? -r : 0;
  tell("32-bit socket", r);
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
  tell("32-bit getpid", r);
#endif
  return 0;
}
