// nuse-exec: start a program whose network is the runtime's.
//
//   nuse-exec CONTROL-FD [--join PID] [--bind SOURCE TARGET]... [--link NAME INDEX MAC MTU ADDRESSES]... -- PROGRAM [ARGUMENT]...
//
// Unshares the network (and mounts; and users, when not root), hides the local sockets of system services that reach
// the real network, puts the given files in place, makes shadows of the stack's interfaces, installs the filter, sends the notification
// descriptor and those of the shadows over CONTROL-FD (SCM_RIGHTS), waits for one byte, and becomes the program.
// What goes wrong before that is said on stderr; exit status 125, or 126/127 as of a shell for the program itself.
#include "filter.h"
#include "shadow.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NUSE 125
#define MAX_BINDS 8
#define MAX_LINKS 64
/** Descriptors sent at most: the notification descriptor and the shadows'. */
#define MAX_FDS (1 + MAX_LINKS)
/** Depth and number of entries looked at under /run for sockets to hide. */
#define SCAN_DEPTH 3
#define SCAN_MAX 4096

struct bind {
  const char *source;
  const char *target;
};

struct link {
  const char *name, *mac, *addresses;
  int index, mtu;
};

static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("nuse: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  _exit(EXIT_NUSE);
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail("%s: %s", path, strerror(errno));
  if (write(fd, text, strlen(text)) < 0) fail("%s: %s", path, strerror(errno));
  close(fd);
}

/** New namespaces. Not root: a user namespace in which the caller keeps its own ids. */
static void unshare_all(void) {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  int flags = CLONE_NEWNET | CLONE_NEWNS;
  if (uid != 0) flags |= CLONE_NEWUSER;
  if (unshare(flags)) {
    if (uid != 0) fail("cannot make namespaces as an ordinary user: %s (is kernel.unprivileged_userns_clone or user.max_user_namespaces 0?)", strerror(errno));
    fail("cannot make namespaces: %s", strerror(errno));
  }
  if (uid != 0) {
    char map[64];
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_file("/proc/self/gid_map", map);
  }
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) fail("cannot make mounts private: %s", strerror(errno));
}

static int enter(pid_t pid, const char *what, int type) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, what);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int r = setns(fd, type) ? -errno : 0;
  close(fd);
  return r;
}

/** The network (and, when not root, the users) of another program of the stack; mounts of our own. */
static void join_namespaces(pid_t pid) {
  int r = geteuid() == 0 ? 0 : enter(pid, "user", CLONE_NEWUSER);
  if (r == 0) r = enter(pid, "net", CLONE_NEWNET);
  if (r < 0) fail("cannot enter the stack's namespaces: %s", strerror(-r));
  if (unshare(CLONE_NEWNS)) fail("cannot make namespaces: %s", strerror(errno));
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) fail("cannot make mounts private: %s", strerror(errno));
}

/** Services reached by local sockets that would look up names or open connections on the program's behalf. */
static const char *const HIDDEN_DIRS[] = {
    "/run/dbus", "/run/systemd/resolve", "/run/systemd/private", "/run/nscd", "/run/avahi-daemon",
    "/run/containerd", "/run/podman", "/run/docker", "/run/user",
};

static int scanned;

/** Cover every socket file under `dir` by /dev/null. */
static void hide_sockets(const char *dir, int depth) {
  DIR *d = opendir(dir);
  if (!d) return;
  struct dirent *e;
  while ((e = readdir(d)) && scanned++ < SCAN_MAX) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path) continue;
    if (e->d_type == DT_SOCK) mount("/dev/null", path, NULL, MS_BIND, NULL);
    else if (e->d_type == DT_DIR && depth > 1) hide_sockets(path, depth - 1);
  }
  closedir(d);
}

static void hide_services(void) {
  for (size_t i = 0; i < sizeof HIDDEN_DIRS / sizeof *HIDDEN_DIRS; i++) {
    struct stat st;
    if (stat(HIDDEN_DIRS[i], &st) || !S_ISDIR(st.st_mode)) continue;
    if (mount("tmpfs", HIDDEN_DIRS[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")) fail("cannot hide %s: %s", HIDDEN_DIRS[i], strerror(errno));
  }
  hide_sockets("/run", SCAN_DEPTH);
}

/** Make the directories of `path` that are missing. */
static void make_parents(char *path) {
  for (char *p = path + 1; (p = strchr(p, '/')); p++) {
    *p = 0;
    mkdir(path, 0755);
    *p = '/';
  }
}

/** Put the file `source` where programs read `target` (a link is followed, even into what was just hidden). */
static void bind_file(const char *source, const char *target) {
  char path[PATH_MAX], link[PATH_MAX];
  snprintf(path, sizeof path, "%s", target);
  for (int hop = 0; hop < 8; hop++) {
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n < 0) break;
    link[n] = 0;
    if (link[0] == '/') {
      snprintf(path, sizeof path, "%s", link);
    } else {
      char *slash = strrchr(path, '/');
      size_t dir = slash ? (size_t)(slash - path) + 1 : 0;
      snprintf(path + dir, sizeof path - dir, "%s", link);
    }
  }
  struct stat st;
  if (stat(path, &st)) {
    make_parents(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return; // nowhere to put it, and so nothing that reads it
    close(fd);
  }
  if (mount(source, path, NULL, MS_BIND, NULL)) fail("cannot put %s in place: %s", target, strerror(errno));
}

/** One supervisor per task is all the kernel allows; found out by a child, before anything is changed. */
static void refuse_second_supervisor(void) {
  pid_t child = fork();
  if (child < 0) fail("fork: %s", strerror(errno));
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    _exit(nuse_install_filter() == -EBUSY);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR);
  if (WIFEXITED(status) && WEXITSTATUS(status)) fail("this process is already supervised (nuse inside nuse, or a container tool that watches system calls)");
}

/** Send n descriptors over the unix socket `control`. */
static int send_fds(int control, const int *fds, size_t n) {
  char byte = 'n', buffer[CMSG_SPACE(MAX_FDS * sizeof *fds)] = {0};
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(n * sizeof *fds);
  memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
  return sendmsg(control, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/**
 * Install the filter and hand its descriptor over, followed by those of the shadows. Once it is installed this task may no longer call sendmsg (nobody
 * answers yet), so a child that shares the descriptor table, made before, sends it.
 */
static void install_and_send(int control, const int *shadows, size_t count) {
  int number[2];
  if (pipe2(number, O_CLOEXEC)) fail("pipe: %s", strerror(errno));
  pid_t sender = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (sender < 0) fail("clone: %s", strerror(errno));
  if (sender == 0) {
    int fds[MAX_FDS];
    if (read(number[0], &fds[0], sizeof fds[0]) != sizeof fds[0]) _exit(1);
    memcpy(fds + 1, shadows, count * sizeof *shadows);
    _exit(fds[0] >= 0 && send_fds(control, fds, 1 + count) == 0 ? 0 : 1);
  }
  int fd = nuse_install_filter();
  if (write(number[1], &fd, sizeof fd) != sizeof fd) fail("pipe: %s", strerror(errno));
  int status;
  while (waitpid(sender, &status, 0) < 0 && errno == EINTR);
  close(number[0]);
  close(number[1]);
  if (fd < 0) fail("seccomp: %s", strerror(-fd));
  if (!WIFEXITED(status) || WEXITSTATUS(status)) fail("the runtime did not take the notification descriptor");
  close(fd);
}

static void wait_for_go(int control) {
  char byte;
  ssize_t n;
  while ((n = read(control, &byte, 1)) < 0 && errno == EINTR);
  if (n != 1) _exit(EXIT_NUSE); // the runtime has gone and has said why
}

int main(int argc, char **argv) {
  struct bind binds[MAX_BINDS];
  struct link links[MAX_LINKS];
  int nbinds = 0, nlinks = 0, i = 2, joined = 0;
  if (argc < 4) fail("usage: nuse-exec CONTROL-FD [--join PID] [--bind SOURCE TARGET]... [--link NAME INDEX MAC MTU ADDRESSES]... -- PROGRAM [ARGUMENT]...");
  int control = atoi(argv[1]);
  if (!strcmp(argv[2], "--join")) {
    joined = atoi(argv[3]);
    if (joined <= 0) fail("bad argument %s", argv[3]);
    i = 4;
  }
  while (i < argc && strcmp(argv[i], "--")) {
    if (!strcmp(argv[i], "--bind") && i + 2 < argc && nbinds < MAX_BINDS) {
      binds[nbinds++] = (struct bind){argv[i + 1], argv[i + 2]};
      i += 3;
    } else if (!strcmp(argv[i], "--link") && i + 5 < argc && nlinks < MAX_LINKS) {
      links[nlinks++] = (struct link){.name = argv[i + 1], .index = atoi(argv[i + 2]), .mac = argv[i + 3], .mtu = atoi(argv[i + 4]), .addresses = argv[i + 5]};
      i += 6;
    } else {
      fail("bad argument %s", argv[i]);
    }
  }
  char **command = argv + i + 1;
  if (i >= argc || !*command) fail("no program given");
  // A connection made by node is non-blocking; here it is waited for.
  if (fcntl(control, F_SETFD, FD_CLOEXEC) || fcntl(control, F_SETFL, 0)) fail("descriptor %d: %s", control, strerror(errno));

  int root = geteuid() == 0;
  refuse_second_supervisor();
  if (joined) join_namespaces(joined);
  else unshare_all();
  hide_services();
  for (int b = 0; b < nbinds; b++) bind_file(binds[b].source, binds[b].target);
  // Without /dev/net/tun or the right to mount sysfs some files tell less; calls are not affected.
  int shadows[MAX_LINKS], made = 0;
  if (!joined) shadow_loopback();
  int mute = joined ? 0 : shadow_mute();
  // All of them, or the runtime is told of none: it knows them by their order. One that could be answered by this kernel is not made.
  for (int l = 0; l < nlinks && !joined && !mute; l++) {
    int fd = shadow_link(links[l].name, links[l].index, links[l].mac, links[l].mtu, links[l].addresses);
    if (fd < 0) break;
    shadows[made++] = fd;
  }
  shadow_sysfs();

  // Root's filter does not need it, and set-uid programs and file capabilities go on working without it.
  if (!root && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs: %s", strerror(errno));
  install_and_send(control, shadows, made == nlinks ? (size_t)made : 0);
  wait_for_go(control);
  execvp(*command, command);
  int error = errno;
  fprintf(stderr, "nuse: %s: %s\n", *command, strerror(error));
  return error == ENOENT ? 127 : 126;
}
