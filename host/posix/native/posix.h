// The native side of the POSIX glue: shared by the files of this folder.
//
// Calling convention of every function given to JavaScript: numbers and typed arrays only; the result is a number,
// -errno when it fails. 64-bit ids stay inside typed arrays; user addresses and inode numbers are exact doubles.
#ifndef NUSE_POSIX_H
#define NUSE_POSIX_H

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

/** Most arguments of one native function. */
#define POSIX_ARGS 10

/** The arguments of one call; those missing read as 0. */
struct call {
  napi_env env;
  napi_value argv[POSIX_ARGS];
  size_t argc;
};

struct call posix_call(napi_env env, napi_callback_info info);
/** Argument i as a number (0 when it is none), truncated. */
int64_t posix_int(struct call *c, size_t i);
/** The bytes of typed array argument i, *size of them; NULL when it is none. */
uint8_t *posix_array(struct call *c, size_t i, size_t *size);
/** Bytes [off, off + len) of typed array argument i, or NULL when they are not inside it. */
uint8_t *posix_bytes(struct call *c, size_t i, int64_t off, int64_t len);
napi_value posix_number(napi_env env, double value);

struct posix_function {
  const char *name;
  napi_callback callback;
};
extern const struct posix_function POSIX_NOTIFY[], POSIX_TASK[], POSIX_MESSAGE[], POSIX_WRITTEN[], POSIX_FD[], POSIX_ERRORS[], POSIX_GUARDIAN[];

/** Add every function of this folder to the addon's exports. */
void posix_exports(napi_env env, napi_value exports);

/** 0 while the call of a record still waits; -1: it was interrupted. */
int posix_notify_valid(int notify, const uint8_t *record);
/** Open descriptor `fd` of thread `tid` here (close-on-exec); -errno. */
int posix_task_fd(int tid, int fd);
/**
 * Inode of the socket behind a task's descriptor, of which a copy is kept until posix_task_release; 0 when it is something
 * else; -errno. `same`: the thread is known to be the one that called, and alive.
 */
double posix_task_socket(int tid, int fd, int *same);
/** The copy that is kept, when it is of this descriptor and socket; else -1. It is not the caller's to close. */
int posix_task_current(int tid, int fd, double inode);
void posix_task_release(void);
/** A copy of a program's descriptor of the socket `inode`: where it was last seen, else wherever it is; -ENOENT. */
int posix_find_end(int tid, int fd, uint64_t inode);
/** Close what is kept of the tasks of this thread. */
void posix_task_forget(void);
/** Give back what this thread keeps for long messages (written.c). */
void posix_written_forget(void);

/** Make the program's `end` of a SOCK_DGRAM pair poll ERR and its next call fail with ECONNRESET; -errno (errors.c). */
int posix_raise(int own, int end);

// What the guardian must finish when the runtime is killed (guardian.c).
void guardian_call_begin(int notify, uint64_t id);
void guardian_call_end(uint64_t id);

#endif
