/* A web server: GET /N answers with N bytes of a pattern. One connection after the other; ends after as many as it is told. */
#include "nuse_socket.h"
#include <stdio.h>

static char body[65536];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void send_all(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t n = send(fd, data, length, 0);
        if (n < 0) fail("send");
        data += n;
        length -= n;
    }
}

/* Read up to the empty line behind the header; its length, 0 when the client has gone. */
static size_t read_request(int fd, char *text, size_t room) {
    size_t length = 0;
    while (length < room - 1) {
        ssize_t n = recv(fd, text + length, room - 1 - length, 0);
        if (n <= 0) return 0;
        text[length += n] = 0;
        if (strstr(text, "\r\n\r\n")) return length;
    }
    return 0;
}

static void serve(int fd) {
    char request[4096], header[256];
    unsigned long wanted;
    if (!read_request(fd, request, sizeof request)) return;
    if (sscanf(request, "GET /%lu HTTP/1.1\r\n", &wanted) != 1) {
        const char *bad = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send_all(fd, bad, strlen(bad));
        return;
    }
    int n = snprintf(header, sizeof header, "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\nConnection: close\r\n\r\n", wanted);
    send_all(fd, header, n);
    for (unsigned long sent = 0; sent < wanted;) {
        size_t piece = wanted - sent < sizeof body ? wanted - sent : sizeof body;
        for (size_t i = 0; i < piece; i++) body[i] = (char)((sent + i) * 2654435761u >> 24);
        send_all(fd, body, piece);
        sent += piece;
    }
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 80, connections = argc > 2 ? atoi(argv[2]) : 1, on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(listener, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
    if (listen(listener, 16) < 0) fail("listen");
    for (int i = 0; i < connections; i++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        char text[64];
        int fd = accept(listener, (struct sockaddr *)&peer, &length);
        if (fd < 0) fail("accept");
        printf("connection from %s\n", inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text));
        serve(fd);
        close(fd);
    }
    return 0;
}
