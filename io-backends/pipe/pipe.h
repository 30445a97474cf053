/* What the two kinds of PIPE share. */
#ifndef NUSE_PIPE_H
#define NUSE_PIPE_H

#include "vif.h"

/** Hold the lock of the folder of `path` while roles are decided: an fd to close, or -errno (EBUSY after 200 ms). */
int lock_folder(const char *path);

/** Over FIFOs: pipe_ops.open hands over to it when the path is a FIFO. */
extern const struct vif_ops fifo_ops;

/** Open v over c->fd, a connected SOCK_SEQPACKET socket, which is its own from here on, also when this fails. As vif_ops.open. */
int pipe_adopt(struct vif *v, const struct vif_config *c, char *err, size_t n);

#endif
