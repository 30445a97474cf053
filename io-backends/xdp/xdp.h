/* The XDP program that leads the frames of a device's queues to sockets, by bpf(2) and rtnetlink alone. */
#ifndef NUSE_XDP_H
#define NUSE_XDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Queues of a device that the program can lead to sockets. */
#define XDP_QUEUES 256u

/**
 * Lead what arrives in `queue` of a device to the bound socket `xsk`: attach a program, in the driver if it can, else before the stack
 * (generic mode), or join the one that another stack has attached. A link's descriptor, with whose last copy the program goes, or -errno
 * with a message in err (n bytes).
 */
int xdp_steer(const char *dev, int ifindex, uint32_t queue, int xsk, char *err, size_t n);

/** Wait a little between attempts of what the kernel frees late; false once it has been long enough. */
bool xdp_again(int *attempt);

#endif
