/*
 * Sockets for C programs built with wasi-libc, which has none: Linux's calls, constants and structures, over the import module
 * `nuse_socket` of the simulator (docs/simulator.md, "Applications"). Include it instead of <sys/socket.h>, <netinet/in.h>,
 * <arpa/inet.h>, <poll.h> and <netdb.h>, or after them; there is nothing to link:
 *
 *     clang --target=wasm32-wasi --sysroot=/usr -O2 -I sdk/wasi -o client.wasm client.c
 *
 * Calls block, in virtual time. close, read, write, fcntl(O_NONBLOCK) and select are those of libc and work on sockets, too.
 * Failures are -1 with errno as <errno.h> names it. There are no signals: writing to a closed connection gives EPIPE.
 */
#ifndef NUSE_SOCKET_H
#define NUSE_SOCKET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

/* wasi-libc has numbers of its own for these. */
#undef AF_INET
#undef AF_INET6
#undef PF_INET
#undef PF_INET6
#undef AF_UNIX
#undef SOCK_STREAM
#undef SOCK_DGRAM
#undef SOCK_RAW
#undef SOCK_NONBLOCK
#undef SOCK_CLOEXEC
#undef SHUT_RD
#undef SHUT_WR
#undef SHUT_RDWR
#undef MSG_PEEK
#undef MSG_TRUNC
#undef MSG_WAITALL
#undef MSG_DONTWAIT
#undef MSG_NOSIGNAL
#undef MSG_MORE
#undef SOL_SOCKET
#undef SO_REUSEADDR
#undef SO_TYPE
#undef SO_ERROR
#undef SO_BROADCAST
#undef SO_SNDBUF
#undef SO_RCVBUF
#undef SO_KEEPALIVE
#undef SO_LINGER
#undef SO_REUSEPORT
#undef SO_RCVTIMEO
#undef SO_SNDTIMEO
#undef POLLIN
#undef POLLPRI
#undef POLLOUT
#undef POLLERR
#undef POLLHUP
#undef POLLNVAL
#undef POLLRDNORM
#undef POLLWRNORM
#undef POLLRDHUP

#define AF_INET 2
#define AF_INET6 10
#define PF_INET AF_INET
#define PF_INET6 AF_INET6
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SO_TYPE 3
#define SO_ERROR 4
#define SO_BROADCAST 6
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_LINGER 13
#define SO_REUSEPORT 15
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#ifndef TCP_NODELAY
#define TCP_NODELAY 1
#endif
#define POLLIN 0x001
#define POLLPRI 0x002
#define POLLOUT 0x004
#define POLLERR 0x008
#define POLLHUP 0x010
#define POLLNVAL 0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
#define POLLRDHUP 0x2000
#ifndef INADDR_ANY
#define INADDR_ANY ((in_addr_t)0x00000000)
#endif
#ifndef INADDR_LOOPBACK
#define INADDR_LOOPBACK ((in_addr_t)0x7f000001)
#endif

#define AI_PASSIVE 0x01
#define EAI_NONAME -2
#define EAI_SERVICE -8
#define EAI_MEMORY -10

struct addrinfo {
    int ai_flags, ai_family, ai_socktype, ai_protocol;
    socklen_t ai_addrlen;
    struct sockaddr *ai_addr;
    char *ai_canonname;
    struct addrinfo *ai_next;
};

#define NUSE_IMPORT(name) __attribute__((import_module("nuse_socket"), import_name(#name))) extern int nuse_##name
/* What libc.a defines as well gives way to the definitions here, and several files of a program may have them. */
#define NUSE_DEFINE __attribute__((weak))

#ifdef __cplusplus
extern "C" {
#endif

NUSE_IMPORT(socket)(int family, int type, int protocol);
NUSE_IMPORT(bind)(int fd, const void *address, socklen_t length);
NUSE_IMPORT(listen)(int fd, int backlog);
NUSE_IMPORT(accept)(int fd, void *address, socklen_t *length, int flags);
NUSE_IMPORT(connect)(int fd, const void *address, socklen_t length);
NUSE_IMPORT(sendto)(int fd, const void *data, size_t length, int flags, const void *address, socklen_t address_length);
NUSE_IMPORT(recvfrom)(int fd, void *data, size_t length, int flags, void *address, socklen_t *address_length);
NUSE_IMPORT(shutdown)(int fd, int how);
NUSE_IMPORT(getsockopt)(int fd, int level, int name, void *value, socklen_t *length);
NUSE_IMPORT(setsockopt)(int fd, int level, int name, const void *value, socklen_t length);
NUSE_IMPORT(getsockname)(int fd, void *address, socklen_t *length);
NUSE_IMPORT(getpeername)(int fd, void *address, socklen_t *length);
NUSE_IMPORT(poll)(struct pollfd *fds, size_t count, int ms);
NUSE_IMPORT(resolve)(const char *name, size_t length, int family, void *addresses, size_t count);
NUSE_IMPORT(format)(int family, const void *address, char *text, size_t room);

/* The host's errors are Linux's numbers, errno is libc's. */
static inline int nuse_errno(int number) {
    switch (number) {
    case 1: return EPERM;
    case 2: return ENOENT;
    case 4: return EINTR;
    case 5: return EIO;
    case 9: return EBADF;
    case 11: return EAGAIN;
    case 12: return ENOMEM;
    case 13: return EACCES;
    case 14: return EFAULT;
    case 16: return EBUSY;
    case 19: return ENODEV;
    case 22: return EINVAL;
    case 24: return EMFILE;
    case 32: return EPIPE;
    case 33: return EDOM;
    case 38: return ENOSYS;
    case 71: return EPROTO;
    case 88: return ENOTSOCK;
    case 89: return EDESTADDRREQ;
    case 90: return EMSGSIZE;
    case 91: return EPROTOTYPE;
    case 92: return ENOPROTOOPT;
    case 93: case 94: return EPROTONOSUPPORT;
    case 95: return EOPNOTSUPP;
    case 96: case 97: return EAFNOSUPPORT;
    case 98: return EADDRINUSE;
    case 99: return EADDRNOTAVAIL;
    case 100: return ENETDOWN;
    case 101: return ENETUNREACH;
    case 103: return ECONNABORTED;
    case 104: return ECONNRESET;
    case 105: return ENOBUFS;
    case 106: return EISCONN;
    case 107: return ENOTCONN;
    case 108: return EPIPE;
    case 110: return ETIMEDOUT;
    case 111: return ECONNREFUSED;
    case 112: case 113: return EHOSTUNREACH;
    case 114: return EALREADY;
    case 115: return EINPROGRESS;
    default: return EIO;
    }
}
static inline int nuse_result(int r) {
    if (r >= 0) return r;
    errno = nuse_errno(-r);
    return -1;
}

NUSE_DEFINE int socket(int family, int type, int protocol) { return nuse_result(nuse_socket(family, type, protocol)); }
NUSE_DEFINE int bind(int fd, const struct sockaddr *address, socklen_t length) { return nuse_result(nuse_bind(fd, address, length)); }
NUSE_DEFINE int listen(int fd, int backlog) { return nuse_result(nuse_listen(fd, backlog)); }
NUSE_DEFINE int accept(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) { return nuse_result(nuse_accept(fd, address, length, 0)); }
NUSE_DEFINE int accept4(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length, int flags) { return nuse_result(nuse_accept(fd, address, length, flags)); }
NUSE_DEFINE int connect(int fd, const struct sockaddr *address, socklen_t length) { return nuse_result(nuse_connect(fd, address, length)); }
NUSE_DEFINE ssize_t send(int fd, const void *data, size_t length, int flags) { return nuse_result(nuse_sendto(fd, data, length, flags, 0, 0)); }
NUSE_DEFINE ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t address_length) {
    return nuse_result(nuse_sendto(fd, data, length, flags, address, address_length));
}
NUSE_DEFINE ssize_t recv(int fd, void *data, size_t length, int flags) { return nuse_result(nuse_recvfrom(fd, data, length, flags, 0, 0)); }
NUSE_DEFINE ssize_t recvfrom(int fd, void *__restrict data, size_t length, int flags, struct sockaddr *__restrict address, socklen_t *__restrict address_length) {
    return nuse_result(nuse_recvfrom(fd, data, length, flags, address, address_length));
}
NUSE_DEFINE int shutdown(int fd, int how) { return nuse_result(nuse_shutdown(fd, how)); }
NUSE_DEFINE int setsockopt(int fd, int level, int name, const void *value, socklen_t length) { return nuse_result(nuse_setsockopt(fd, level, name, value, length)); }
NUSE_DEFINE int getsockopt(int fd, int level, int name, void *__restrict value, socklen_t *__restrict length) {
    int r = nuse_result(nuse_getsockopt(fd, level, name, value, length));
    if (r == 0 && level == SOL_SOCKET && name == SO_ERROR && *(int *)value) *(int *)value = nuse_errno(*(int *)value);
    return r;
}
NUSE_DEFINE int getsockname(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) { return nuse_result(nuse_getsockname(fd, address, length)); }
NUSE_DEFINE int getpeername(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) { return nuse_result(nuse_getpeername(fd, address, length)); }
NUSE_DEFINE int poll(struct pollfd *fds, nfds_t count, int ms) { return nuse_result(nuse_poll(fds, count, ms)); }

/* 28 bytes are a struct sockaddr_in6 of Linux; the one of wasi-libc has padding behind it. */
#define NUSE_ADDRESS 28

NUSE_DEFINE int inet_pton(int family, const char *__restrict text, void *__restrict address) {
    unsigned char found[NUSE_ADDRESS];
    if (family != AF_INET && family != AF_INET6) return errno = EAFNOSUPPORT, -1;
    if (text[strspn(text, "0123456789abcdefABCDEF.:")] || !strpbrk(text, ".:")) return 0;
    if (nuse_resolve(text, strlen(text), family, found, 1) < 1) return 0;
    memcpy(address, found + (family == AF_INET ? 4 : 8), family == AF_INET ? 4 : 16);
    return 1;
}
NUSE_DEFINE const char *inet_ntop(int family, const void *__restrict address, char *__restrict text, socklen_t room) {
    errno = family == AF_INET || family == AF_INET6 ? ENOSPC : EAFNOSUPPORT;
    return errno == EAFNOSUPPORT || nuse_format(family, address, text, room) < 0 ? 0 : text;
}

NUSE_DEFINE void freeaddrinfo(struct addrinfo *list) {
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}
/* Numeric addresses, names of nodes and `localhost`; ports as numbers. IPv4 first. */
NUSE_DEFINE int getaddrinfo(const char *__restrict node, const char *__restrict service, const struct addrinfo *__restrict hints, struct addrinfo **__restrict list) {
    unsigned char found[16][NUSE_ADDRESS];
    int family = hints ? hints->ai_family : 0, type = hints && hints->ai_socktype ? hints->ai_socktype : SOCK_STREAM;
    char *rest = 0;
    unsigned long port = service ? strtoul(service, &rest, 10) : 0;
    if ((rest && *rest) || port > 65535) return EAI_SERVICE;
    if (!node) node = hints && hints->ai_flags & AI_PASSIVE ? (family == AF_INET6 ? "::" : "0.0.0.0") : "localhost";
    int n = nuse_resolve(node, strlen(node), family, found, 16);
    if (n <= 0) return EAI_NONAME;
    *list = 0;
    struct addrinfo **end = list;
    for (int i = 0; i < n; i++) {
        struct addrinfo *a = (struct addrinfo *)calloc(1, sizeof *a + sizeof(struct sockaddr_storage) + 16);
        if (!a) {
            freeaddrinfo(*list);
            *list = 0;
            return EAI_MEMORY;
        }
        a->ai_addr = (struct sockaddr *)(((uintptr_t)(a + 1) + 15) & ~(uintptr_t)15);
        memcpy(a->ai_addr, found[i], NUSE_ADDRESS);
        a->ai_family = a->ai_addr->sa_family;
        a->ai_socktype = type;
        a->ai_addrlen = a->ai_family == AF_INET ? 16 : NUSE_ADDRESS;
        ((struct sockaddr_in *)a->ai_addr)->sin_port = htons((uint16_t)port);
        *end = a;
        end = &a->ai_next;
    }
    return 0;
}
NUSE_DEFINE const char *gai_strerror(int code) {
    return code == EAI_NONAME ? "no such node or address" : code == EAI_SERVICE ? "not a port" : code == EAI_MEMORY ? "out of memory" : "unknown error";
}

#ifdef __cplusplus
}
#endif
#endif
