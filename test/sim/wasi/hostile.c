/* A program that means no good: pointers, lengths and counts that lie, by the imports themselves. The first argument says what it does. */
#include "nuse_socket.h"
#include <stdio.h>
#include <time.h>
#include <wasi/api.h>


static const struct sockaddr_in PEER = {.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = {0x0200000a}};
static unsigned char scratch[65536];
/* What a call gives, when it does not matter. */
static volatile int given;

static void *at(uint32_t p) { return (void *)(uintptr_t)p; }

/* Each line: a call that has to fail, and how it did. */
static void bounds(void) {
    uint32_t end = __builtin_wasm_memory_size(0) << 16;
    int udp = nuse_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), tcp = nuse_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t huge = 0xffffffff;
    printf("bind beyond %d %d\n", nuse_bind(udp, at(end - 8), 16), nuse_bind(udp, at(0xfffffff0), 32));
    printf("bind long %d %d\n", nuse_bind(udp, scratch, 65536), nuse_bind(udp, scratch, 0xffffffff));
    printf("connect %d %d\n", nuse_connect(tcp, at(end), 16), nuse_connect(tcp, scratch, 60000));
    printf("sendto address %d %d %d\n", nuse_sendto(udp, scratch, 4, 0, scratch, 129), nuse_sendto(udp, scratch, 4, 0, scratch, 60000), nuse_sendto(udp, scratch, 4, 0, at(end - 4), 16));
    printf("sendto data %d %d\n", nuse_sendto(udp, at(end - 4), 5, 0, &PEER, sizeof PEER), nuse_sendto(udp, at(8), 0xffffffff, 0, &PEER, sizeof PEER));
    printf("recvfrom %d %d\n", nuse_recvfrom(udp, at(end - 4), 5, MSG_DONTWAIT, 0, 0), nuse_recvfrom(udp, scratch, 4, MSG_DONTWAIT, scratch, at(end)));
    printf("getsockopt %d %d\n", nuse_getsockopt(udp, SOL_SOCKET, SO_RCVBUF, scratch, at(end - 2)), nuse_getsockopt(udp, SOL_SOCKET, SO_RCVBUF, at(end), &huge));
    printf("setsockopt %d %d\n", nuse_setsockopt(udp, SOL_SOCKET, SO_RCVBUF, at(end - 2), 4), nuse_setsockopt(udp, SOL_SOCKET, SO_RCVBUF, scratch, 60000));
    printf("getsockname %d %d\n", nuse_getsockname(udp, scratch, at(end - 3)), nuse_getsockname(udp, at(end - 3), &huge));
    printf("poll %d %d %d\n", nuse_poll((struct pollfd *)scratch, 0xffffffff, 0), nuse_poll((struct pollfd *)scratch, 5000, 0), nuse_poll(at(end - 8), 2, 0));
    printf("resolve %d %d %d\n", nuse_resolve(at(end - 1), 2, 0, scratch, 1), nuse_resolve(at(0), end, 0, scratch, 1), nuse_resolve("b", 1, 0, at(end - 27), 1));
    printf("format %d %d\n", nuse_format(AF_INET, at(end - 3), (char *)scratch, 64), nuse_format(AF_INET, scratch, at(end - 2), 64));
    printf("descriptors %d %d %d\n", nuse_bind(-1, &PEER, 16), nuse_bind(0x7fffffff, &PEER, 16), nuse_bind(1, &PEER, 16));
    __wasi_size_t n;
    printf("fd_write %d %d\n", __wasi_fd_write(1, at(end - 7), 1, &n), __wasi_fd_write(1, (__wasi_ciovec_t[]){{at(end - 1), 2}}, 1, &n));
    printf("random_get %d\n", __wasi_random_get(at(end - 1), 2));
    printf("poll_oneoff %d %d %d %d\n", __wasi_poll_oneoff(at(0), (void *)scratch, 0, &n), __wasi_poll_oneoff((void *)scratch, (void *)scratch, 0xffffffff, &n),
        __wasi_poll_oneoff((void *)scratch, (void *)scratch, 300000, &n), __wasi_poll_oneoff(at(end - 41), (void *)scratch, 1, &n));
}

static uint32_t state = 1;
static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}
/* A number that is often at an edge; a place that is in the scratch area, or at the end of memory and beyond. */
static uint32_t number(void) {
    static const uint32_t EDGES[] = {0, 1, 4, 8, 16, 28, 127, 128, 129, 1023, 1024, 1025, 4095, 4096, 65507, 65536, 131072, 131073, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    return below(3) ? EDGES[below(sizeof EDGES / sizeof *EDGES)] : below(200);
}
static void *place(void) {
    uint32_t end = __builtin_wasm_memory_size(0) << 16;
    return below(3) ? scratch + below(sizeof scratch / 2) / 4 * 4 : at(below(2) ? end - below(64) : number() | 0x80000000);
}
/* A length that fits behind the place more often than not. */
static uint32_t length(void) { return below(4) ? below(200) : number(); }

static void fuzz(uint32_t seed, int rounds) {
    int fd[8];
    state = seed | 1;
    for (int i = 0; i < 8; i++) fd[i] = nuse_socket(i & 1 ? AF_INET6 : AF_INET, 1 + (i >> 1) % 3 | SOCK_NONBLOCK, i >> 1 == 2 ? 1 : 0);
    for (int i = 0; i < rounds; i++) {
        int f = below(9) ? fd[below(8)] : (int)number();
        if (below(2)) memcpy(scratch + below(64) * 4, &PEER, sizeof PEER);
        for (int k = 0; k < 32; k++) scratch[below(sizeof scratch)] = below(256);
        switch (below(17)) {
            case 0: nuse_bind(f, place(), length()); break;
            case 1: nuse_connect(f, place(), length()); break;
            case 2: nuse_listen(f, number()); break;
            case 3: nuse_accept(f, place(), place(), SOCK_NONBLOCK); break;
            case 4: nuse_sendto(f, place(), number(), number() | MSG_DONTWAIT, place(), length()); break;
            case 5: nuse_recvfrom(f, place(), number(), number() | MSG_DONTWAIT, place(), place()); break;
            case 6: nuse_getsockopt(f, below(64), below(80), place(), place()); break;
            case 7: nuse_setsockopt(f, below(64), below(80), place(), length()); break;
            case 8: nuse_getsockname(f, place(), place()); break;
            case 9: nuse_getpeername(f, place(), place()); break;
            case 10: nuse_poll(place(), number(), 0); break;
            case 11: nuse_resolve(place(), length(), number(), place(), number()); break;
            case 12: nuse_format(number(), place(), place(), number()); break;
            case 13: given = __wasi_fd_read(f, place(), number(), place()); break;
            case 14: if (f > 2) given = __wasi_fd_write(f, place(), number(), place()); break;
            case 15: given = __wasi_random_get(place(), below(200)); break;
            case 16: nuse_socket(number(), number(), number()); break;
        }
    }
    printf("through\n");
}

/* A call of the host at every depth: the stack ends in the host as often as in the program. Nothing on the program's own stack, which is short. */
static volatile char c = '.';
static int recurse(int n, int how, int fd) {
    static socklen_t room;
    room = 28;
    if (how == 0) given = nuse_getsockname(fd, scratch, &room);
    else if (how == 1) given = nuse_poll((struct pollfd *)scratch, 1, 0);
    else if (how == 2) given = nuse_sendto(fd, scratch, 4, 0, &PEER, sizeof PEER);
    else if (n >= 0) given = write(1, (const void *)&c, 1);
    return n == INT32_MAX ? 0 : recurse(n + 1, how, fd) + c;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "bounds")) bounds();
    else if (!strcmp(what, "fuzz")) fuzz(atoi(argv[2]), atoi(argv[3]));
    else if (!strcmp(what, "recurse")) return recurse(0, atoi(argv[2]), nuse_socket(AF_INET, SOCK_DGRAM, 0));
    else if (!strcmp(what, "forever")) {
        __wasi_subscription_t s = {.u = {.tag = __WASI_EVENTTYPE_CLOCK, .u = {.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = UINT64_MAX}}}};
        __wasi_event_t e;
        __wasi_size_t n;
        given = __wasi_poll_oneoff(&s, &e, 1, &n);
        printf("woke\n");
    } else if (!strcmp(what, "chance")) {
        char *all = malloc(256 << 20);
        for (;;) given = __wasi_random_get((void *)all, 256 << 20);
    }
    return 0;
}
