/* Leading the frames of one device to the queues of several workers, by the rule of assembly/core/worker.ts. */
#ifndef NUSE_STEER_H
#define NUSE_STEER_H

#include <stddef.h>
#include <stdint.h>

#define STEER_KEYS 10
#define STEER_MAX 16u

struct steering {
  /** Which worker this is, of how many; count 0: there are no others. */
  uint32_t index, count;
  uint64_t key[STEER_KEYS];
};

/**
 * A BPF program (BPF_PROG_TYPE_SOCKET_FILTER) whose result is the worker of a frame: TCP by hash, UDP by local port, anything else 0.
 * `network`: where the network header lies from the start of the skb's data. A descriptor, or -errno.
 */
int steer_program(const struct steering *s, uint32_t network);

/** vif_fail with the remedy when the program could not be loaded: e > 0. */
int steer_refused(const char *type, const char *dev, int e, char *err, size_t n);

#endif
