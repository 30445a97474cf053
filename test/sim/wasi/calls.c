/* One process talks to itself over the loopback interface and prints what each call gives: the same source runs on Linux. */
#ifdef __wasi__
#include "nuse_socket.h"
#else
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#endif
#include <fcntl.h>
#include <stdio.h>
#include <sys/select.h>
#include <time.h>

static const char *name_of(int e) {
    static const struct { int number; const char *name; } names[] = {
        {EAGAIN, "EAGAIN"}, {EBADF, "EBADF"}, {ENOTSOCK, "ENOTSOCK"}, {EPIPE, "EPIPE"}, {ECONNREFUSED, "ECONNREFUSED"}, {ECONNRESET, "ECONNRESET"},
        {EADDRINUSE, "EADDRINUSE"}, {EINPROGRESS, "EINPROGRESS"}, {EISCONN, "EISCONN"}, {ENOTCONN, "ENOTCONN"}, {EINVAL, "EINVAL"}, {EMSGSIZE, "EMSGSIZE"},
        {EDESTADDRREQ, "EDESTADDRREQ"}, {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
        {EPROTONOSUPPORT, "EPROTONOSUPPORT"}, {ENOPROTOOPT, "ENOPROTOOPT"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (names[i].number == e) return names[i].name;
    return "?";
}
static long show(const char *what, long result) {
    if (result < 0) printf("%-34s -1 %s\n", what, name_of(errno));
    else printf("%-34s %ld\n", what, result);
    return result;
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}
static int bits(int fd, int wanted, int ms) {
    struct pollfd p = {.fd = fd, .events = wanted};
    int n = poll(&p, 1, ms);
    return n < 0 ? n : n == 0 ? 0 : p.revents;
}

static void tcp(void) {
    char buffer[64] = {0}, text[64];
    struct sockaddr_in at = loopback(7001), got;
    socklen_t length = sizeof got;
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
    show("setsockopt SO_REUSEADDR", setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    show("bind", bind(l, (struct sockaddr *)&at, sizeof at));
    show("accept before listen", accept(l, 0, 0));
    show("listen", listen(l, 8));
    int second = socket(AF_INET, SOCK_STREAM, 0);
    show("bind again", bind(second, (struct sockaddr *)&at, sizeof at));
    show("send unconnected", send(second, "x", 1, MSG_NOSIGNAL));
    show("recv unconnected", recv(second, buffer, 1, 0));
    show("getpeername unconnected", getpeername(second, (struct sockaddr *)&got, &length));
    show("poll of a listener", bits(l, POLLIN, 0));
    show("connect", connect(second, (struct sockaddr *)&at, sizeof at));
    show("connect again", connect(second, (struct sockaddr *)&at, sizeof at));
    show("poll of a listener, one waits", bits(l, POLLIN, 1000));
    length = sizeof got;
    int s = accept(l, (struct sockaddr *)&got, &length);
    printf("accepted from %s, %d bytes\n", inet_ntop(AF_INET, &got.sin_addr, text, sizeof text), (int)length);
    length = sizeof got;
    show("getsockname", getsockname(s, (struct sockaddr *)&got, &length));
    printf("port %d\n", ntohs(got.sin_port));
    show("poll IN OUT", bits(s, POLLIN | POLLOUT, 0));
    show("recv DONTWAIT", recv(s, buffer, 10, MSG_DONTWAIT));
    struct timeval wait = {.tv_sec = 0, .tv_usec = 50000};
    show("SO_RCVTIMEO", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
    show("recv after 50 ms", recv(s, buffer, 10, 0));
    show("send", send(second, "hello world", 11, 0));
    show("recv PEEK", recv(s, buffer, 5, MSG_PEEK));
    show("recv", recv(s, buffer, 6, 0));
    printf("'%.6s'\n", buffer);
    show("recv more than there is", recv(s, buffer, 60, 0));
    write(second, "abc", 3);
    show("write", write(second, "defg", 4));
    show("recv WAITALL", recv(s, buffer, 7, MSG_WAITALL));
    printf("'%.7s'\n", buffer);
    fcntl(s, F_SETFL, O_NONBLOCK);
    show("read O_NONBLOCK", read(s, buffer, 1));
    long sent = 0, n;
    static char block[65536];
    fcntl(second, F_SETFL, O_NONBLOCK);
    while ((n = write(second, block, sizeof block)) > 0) sent += n;
    show("write until full", n);
    show("poll OUT when full", bits(second, POLLOUT, 0));
    long taken = 0;
    while (taken < sent) {
        if (bits(s, POLLIN, 1000) <= 0) break;
        while ((n = read(s, block, sizeof block)) > 0) taken += n;
    }
    printf("all came: %s\n", taken == sent ? "yes" : "no");
    show("poll OUT again", bits(second, POLLOUT, 1000));
    show("shutdown WR", shutdown(second, SHUT_WR));
    show("poll at the end", bits(s, POLLIN | POLLRDHUP, 1000));
    show("recv at the end", recv(s, buffer, 1, 0));
    show("send after shutdown", send(second, "x", 1, MSG_NOSIGNAL));
    close(s);
    show("recv after peer's close", recv(second, buffer, 1, 0));
    close(second);
    show("recv on a closed fd", recv(second, buffer, 1, 0));
    close(l);
}

static void refused(void) {
    struct sockaddr_in at = loopback(7999);
    int s = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    socklen_t length = sizeof error;
    show("connect to nobody", connect(s, (struct sockaddr *)&at, sizeof at));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show("connect O_NONBLOCK to nobody", connect(s, (struct sockaddr *)&at, sizeof at));
    show("poll OUT", bits(s, POLLOUT, 1000));
    show("SO_ERROR", getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length));
    printf("%s\n", name_of(error));
    close(s);
}

static void reset(void) {
    char c;
    struct sockaddr_in at = loopback(7003);
    struct linger now = {1, 0};
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0), c1 = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bind(l, (struct sockaddr *)&at, sizeof at);
    listen(l, 1);
    connect(c1, (struct sockaddr *)&at, sizeof at);
    int s = accept(l, 0, 0);
    show("send before a reset", send(s, "data", 4, 0));
    show("SO_LINGER", setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(s);
    show("poll after a reset", bits(c1, POLLIN | POLLOUT, 1000));
    show("recv after a reset", recv(c1, &c, 1, 0));
    show("send after a reset", send(c1, "x", 1, MSG_NOSIGNAL));
    close(c1);
    close(l);
}

static void udp(void) {
    char buffer[64];
    struct sockaddr_in at = loopback(7002), from;
    socklen_t length = sizeof from;
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0), type = 0;
    show("udp bind", bind(a, (struct sockaddr *)&at, sizeof at));
    show("udp send without peer", send(b, "x", 1, 0));
    show("sendto", sendto(b, "datagram", 8, 0, (struct sockaddr *)&at, sizeof at));
    show("sendto empty", sendto(b, "", 0, 0, (struct sockaddr *)&at, sizeof at));
    show("recvfrom into 4", recvfrom(a, buffer, 4, MSG_TRUNC, (struct sockaddr *)&from, &length));
    printf("from family %s, %d bytes\n", from.sin_family == AF_INET ? "AF_INET" : "?", (int)length);
    show("recv empty", recv(a, buffer, 10, 0));
    show("recv nothing", recv(a, buffer, 10, MSG_DONTWAIT));
    static char large[70000];
    show("sendto too large", sendto(b, large, sizeof large, 0, (struct sockaddr *)&at, sizeof at));
    show("sendto a name too long", sendto(b, "x", 1, 0, (struct sockaddr *)large, sizeof large));
    length = sizeof type;
    show("SO_TYPE", getsockopt(a, SOL_SOCKET, SO_TYPE, &type, &length));
    printf("%s\n", type == SOCK_DGRAM ? "SOCK_DGRAM" : "?");
    show("udp listen", listen(a, 1));
    show("udp connect", connect(b, (struct sockaddr *)&at, sizeof at));
    show("udp send", send(b, "q", 1, 0));
    fd_set in;
    FD_ZERO(&in);
    FD_SET(a, &in);
    struct timeval wait = {.tv_sec = 1};
    show("select", select(a + 1, &in, 0, 0, &wait));
    show("FD_ISSET", FD_ISSET(a, &in) != 0);
    show("close", close(a));
    show("udp send to nobody", send(b, "q", 1, 0));
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, 0);
    show("udp recv after it", recv(b, buffer, 1, MSG_DONTWAIT));
    close(b);
}

static void names(void) {
    unsigned char six[16];
    char text[64];
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    show("inet_pton", inet_pton(AF_INET6, "2001:db8::1", six));
    printf("%s\n", inet_ntop(AF_INET6, six, text, sizeof text));
    show("inet_pton of a name", inet_pton(AF_INET, "localhost", six));
    show("inet_pton of no family", inet_pton(99, "1.2.3.4", six));
    show("getaddrinfo", getaddrinfo("127.0.0.1", "8080", &hints, &list));
    struct sockaddr_in *a = (struct sockaddr_in *)list->ai_addr;
    printf("%s %d %s\n", inet_ntop(AF_INET, &a->sin_addr, text, sizeof text), ntohs(a->sin_port), list->ai_next ? "more" : "one");
    freeaddrinfo(list);
    show("a socket of no family", socket(99, SOCK_STREAM, 0));
    show("listen on stdin", listen(0, 1));
    struct pollfd none = {.fd = 77, .events = POLLIN};
    show("poll of a closed fd", poll(&none, 1, 0));
    printf("%#x\n", none.revents);
}

static void six(void) {
    char text[64], c;
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(7006)}, got;
    socklen_t length = sizeof got;
    int on = 1, l = socket(AF_INET6, SOCK_STREAM, 0), s = socket(AF_INET6, SOCK_STREAM, 0);
    at.sin6_addr.s6_addr[15] = 1;
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    show("bind ::1", bind(l, (struct sockaddr *)&at, sizeof at));
    show("listen", listen(l, 1));
    show("connect ::1", connect(s, (struct sockaddr *)&at, sizeof at));
    int p = accept(l, 0, 0);
    show("getsockname", getsockname(p, (struct sockaddr *)&got, &length));
    printf("%s %d, %d bytes\n", inet_ntop(AF_INET6, &got.sin6_addr, text, sizeof text), ntohs(got.sin6_port), (int)length);
    close(p);
    show("recv", recv(s, &c, 1, 0));
    close(s);
    close(l);
}

int main(void) {
#ifndef __wasi__
    signal(SIGPIPE, SIG_IGN);
#endif
    setvbuf(stdout, 0, _IOLBF, 1024);
    tcp();
    refused();
    reset();
    udp();
    six();
    names();
    return 0;
}
