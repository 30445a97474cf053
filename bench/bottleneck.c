// A path between two kernels: bottleneck NETNS1 TAP1 NETNS2 TAP2 RATE DELAY QUEUE LOSS SEED
// makes a TAP in each namespace and carries frames between them at RATE bit/s, each DELAY ns on its way, at most QUEUE waiting for the
// transmitter in each direction. Frames with data from the first to the second are lost with probability LOSS after they were sent.
// Prints "ready"; on SIGTERM the counts of the first direction.
#define _GNU_SOURCE
#include "tap.h"
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

// RING: frames that wait or are under way; BURST: frames read in a row. Longer than any ACK: a frame with data.
enum { FRAME = 1600, RING = 16384, BURST = 64, DATA = 150 };

struct packet {
  uint64_t start, arrival; // ns: when its transmission begins, and when it is at the other end
  uint32_t length;
  bool lost;
  unsigned char bytes[FRAME];
};

struct direction {
  int in, out;
  double loss;
  uint64_t idle; // ns: when the transmitter has sent all
  uint32_t head, started, tail; // counts: delivered, in transmission or sent, accepted
  unsigned long delivered, dropped, lost;
  struct packet *ring;
};

static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal; ended = 1; }

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// xorshift64*: Vigna 2016. In [0, 1).
static uint64_t state;
static double uniform(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (double)(state * 0x2545F4914F6CDD1D >> 11) / 9007199254740992.0;
}

static void deliver(struct direction *d, uint64_t t) {
  for (; d->head != d->tail && d->ring[d->head % RING].arrival <= t; d->head++) {
    struct packet *p = &d->ring[d->head % RING];
    if (p->lost) d->lost++;
    else if (write(d->out, p->bytes, p->length) < 0 && errno != EIO) fail("write");
    else d->delivered++;
  }
}

static void take(struct direction *d, double rate, uint64_t delay, uint32_t queue) {
  for (int i = 0; i < BURST; i++) {
    struct packet *p = &d->ring[d->tail % RING];
    ssize_t n = read(d->in, p->bytes, FRAME);
    if (n <= 0) return;
    uint64_t t = now();
    while (d->started != d->tail && d->ring[d->started % RING].start <= t) d->started++;
    if (d->tail - d->started >= queue || d->tail - d->head >= RING - 1) {
      d->dropped++;
      continue;
    }
    p->start = d->idle > t ? d->idle : t;
    d->idle = p->start + (uint64_t)((double)n * 8e9 / rate);
    p->arrival = d->idle + delay;
    p->length = (uint32_t)n;
    p->lost = n > DATA && d->loss > 0 && uniform() < d->loss;
    d->tail++;
  }
}

int main(int argc, char **argv) {
  if (argc != 10) {
    fprintf(stderr, "bottleneck NETNS1 TAP1 NETNS2 TAP2 RATE DELAY QUEUE LOSS SEED\n");
    return 2;
  }
  double rate = atof(argv[5]);
  uint64_t delay = strtoull(argv[6], NULL, 10);
  uint32_t queue = (uint32_t)atoi(argv[7]);
  state = strtoull(argv[9], NULL, 10) * 0x9E3779B97F4A7C15 + 1;
  struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
  p[0].fd = tap(argv[1], argv[2], 0);
  p[1].fd = tap(argv[3], argv[4], 0);
  struct direction d[2] = {{.in = p[0].fd, .out = p[1].fd, .loss = atof(argv[8])}, {.in = p[1].fd, .out = p[0].fd}};
  for (int i = 0; i < 2; i++)
    if (!(d[i].ring = malloc(RING * sizeof *d[i].ring))) fail("malloc");
  // Late timers would be part of the path: first among processes, where that is allowed.
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  signal(SIGTERM, end);
  puts("ready");
  fflush(stdout);
  while (!ended) {
    uint64_t t = now(), next = t + 1000000000;
    for (int i = 0; i < 2; i++) {
      deliver(&d[i], t);
      if (d[i].head != d[i].tail && d[i].ring[d[i].head % RING].arrival < next) next = d[i].ring[d[i].head % RING].arrival;
    }
    t = now();
    struct timespec wait = {.tv_nsec = next > t ? (long)(next - t) % 1000000000 : 0, .tv_sec = next > t ? (time_t)((next - t) / 1000000000) : 0};
    if (ppoll(p, 2, &wait, NULL) < 0 && errno != EINTR) fail("poll");
    for (int i = 0; i < 2; i++) take(&d[i], rate, delay, queue);
  }
  printf("delivered %lu dropped %lu lost %lu\n", d[0].delivered, d[0].dropped, d[0].lost);
  return 0;
}
