/* GET http://HOST:PORT/N, check every byte of the answer, and tell how long it took: in virtual time. */
#include "nuse_socket.h"
#include <stdio.h>
#include <time.h>

static char buffer[65536];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int open_connection(const char *host, const char *port) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    int e = getaddrinfo(host, port, &hints, &list);
    if (e) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(e));
        exit(1);
    }
    int fd = socket(list->ai_family, list->ai_socktype, list->ai_protocol);
    if (fd < 0) fail("socket");
    if (connect(fd, list->ai_addr, list->ai_addrlen) < 0) fail("connect");
    freeaddrinfo(list);
    return fd;
}

/* Read until the empty line; what came of the body with it stays at the front of the buffer. Its length. */
static size_t read_header(int fd, unsigned long *content_length) {
    size_t have = 0;
    char *end;
    do {
        ssize_t n = recv(fd, buffer + have, sizeof buffer - 1 - have, 0);
        if (n < 0) fail("recv");
        if (n == 0) exit(2);
        buffer[have += n] = 0;
    } while (!(end = strstr(buffer, "\r\n\r\n")));
    char *length = strstr(buffer, "Content-Length: ");
    if (strncmp(buffer, "HTTP/1.1 200 ", 13) || !length) exit(3);
    *content_length = strtoul(length + 16, 0, 10);
    end += 4;
    have -= end - buffer;
    memmove(buffer, end, have);
    return have;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: http_client HOST PORT BYTES\n"), 64;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int fd = open_connection(argv[1], argv[2]);
    dprintf(fd, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[3], argv[1]);
    unsigned long wanted, got = 0, wrong = 0;
    for (size_t n = read_header(fd, &wanted); got < wanted;) {
        for (size_t i = 0; i < n; i++) wrong += buffer[i] != (char)((got + i) * 2654435761u >> 24);
        got += n;
        if (got == wanted) break;
        ssize_t r = recv(fd, buffer, sizeof buffer, 0);
        if (r < 0) fail("recv");
        if (r == 0) break;
        n = r;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    close(fd);
    long us = (end.tv_sec - begin.tv_sec) * 1000000L + (end.tv_nsec - begin.tv_nsec) / 1000;
    printf("%lu of %lu bytes, %lu wrong, %ld.%06ld s\n", got, wanted, wrong, us / 1000000, us % 1000000);
    return got == wanted && wrong == 0 ? 0 : 4;
}
