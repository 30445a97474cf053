// Shadow interfaces: what the program's own network namespace shows in /proc/net and /sys/class/net.
#ifndef NUSE_SHADOW_H
#define NUSE_SHADOW_H

/**
 * Make an interface named and numbered as one of the stack's, with its MAC, MTU and addresses ("192.0.2.1/24,2001:db8::1/64",
 * or "-"). It lives as long as the descriptor that is returned: written frames reach the namespace's packet sockets, and what
 * those send is read. @return the descriptor or -errno
 */
int shadow_link(const char *name, int index, const char *mac, int mtu, const char *addresses);

/** Keep this namespace's kernel from answering the frames that packet sockets are shown: 0 or -errno. */
int shadow_mute(void);

/** Bring up the namespace's loopback: 0 or -errno. */
int shadow_loopback(void);

/** Show this network namespace, not the machine's, under /sys/class/net. Where that is not allowed nothing changes. */
void shadow_sysfs(void);

#endif
