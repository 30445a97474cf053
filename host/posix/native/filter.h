// The system-call filter of a supervised program: which calls go to the runtime (seccomp user notification),
// which are refused, and which are the kernel's own.
#ifndef NUSE_FILTER_H
#define NUSE_FILTER_H

/**
 * Install the filter on the calling task.
 * @return the notification descriptor, or -errno (EBUSY: a task chain may have only one listener,
 *         so nuse inside nuse or inside a container tool that uses one cannot work)
 */
int nuse_install_filter(void);

#endif
