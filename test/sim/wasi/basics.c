/* What a program has besides sockets; the first argument says what it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The pages are touched behind the call, so that no frame is a tail call. */
static int deep(int n) {
    volatile char pad[512];
    pad[0] = (char)n;
    if (n == 0) {
        struct timespec pause = {0, 1};
        nanosleep(&pause, 0);
        return 0;
    }
    return deep(n - 1) + pad[0];
}

int main(int argc, char **argv) {
    const char *what = argv[1];
    if (!strcmp(what, "time")) {
        long long wall = ns(CLOCK_REALTIME), begin = ns(CLOCK_MONOTONIC);
        struct timespec pause = {2, 500000001};
        nanosleep(&pause, 0);
        printf("%lld %lld\n", ns(CLOCK_MONOTONIC) - begin, ns(CLOCK_REALTIME) - wall);
        printf("%lld\n", wall / 1000000000);
    } else if (!strcmp(what, "random")) {
        unsigned char bytes[16];
        getentropy(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) printf("%02x", bytes[i]);
        printf("\n");
    } else if (!strcmp(what, "echo")) {
        char line[256];
        for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
        printf(" %s %s\n", getenv("COLOUR"), getenv("NONE") ? "?" : "-");
        while (fgets(line, sizeof line, stdin)) printf("in: %s", line);
        fprintf(stderr, "on stderr\n");
        return 7;
    } else if (!strcmp(what, "trap")) {
        puts("before");
        fflush(stdout);
        abort();
    } else if (!strcmp(what, "deep")) {
        printf("%d\n", deep(atoi(argv[2])));
    } else if (!strcmp(what, "spin")) {
        for (volatile unsigned i = 0;; i++);
    } else if (!strcmp(what, "clock")) {
        for (long long begin = ns(CLOCK_MONOTONIC); ns(CLOCK_MONOTONIC) - begin < 1000;);
    }
    return 0;
}
