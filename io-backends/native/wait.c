/* Time and sleep: the monotonic clock, eventfds, and epoll with nanosecond deadlines taken from linear memory. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "native.h"

#define MAX_READY 512
/** Descriptors of one waiter that are slept on beside its epoll instance. */
#define MAX_DIRECT 4
/** Event id of a watched waiter's timer, which is none of the caller's. */
#define TIMER_ID UINT32_MAX

/** Tells libuv's loop when a waiter has something: one handle over its epoll instance, in which a timer stands for its deadline. */
struct watch {
  uv_poll_t poll;
  napi_env env;
  napi_ref callback, self;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  int timerfd;
  /** When timerfd fires, ns; UINT64_MAX: not set. */
  uint64_t armed;
};

/** An epoll instance with the array that takes its results: pairs (id, events). */
struct waiter {
  int epfd;
  struct nuse_mem *mem;
  uint32_t *ready;
  uint32_t room; /* pairs */
  napi_ref keep;
  bool no_pwait2;
  /** Not null: libuv's loop calls (waiterWatch). */
  struct watch *watch;
  /** See waiterDirect; the first is the epoll instance. */
  struct pollfd direct[1 + MAX_DIRECT];
  uint32_t directs;
  struct epoll_event events[MAX_READY];
};

uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t mem_stamp(struct nuse_mem *m) {
  uint64_t now = clock_ns();
  st64(m->base + HDR + HDR_NOW, now);
  return now;
}

/* clock(memory): write HDR_NOW; the time in ns, -1 for a bad handle. */
static napi_value clock_stamp(napi_env env, napi_callback_info info) {
  int32_t a[1];
  napi_value r = NULL;
  struct nuse_mem *m = args_i32(env, info, 1, a) ? nuse_mem_at(env, (uint32_t)a[0]) : NULL;
  napi_create_double(env, m ? (double)mem_stamp(m) : -1, &r);
  return r;
}

/* wallOffset(memory): write HDR_WALL_OFFSET, what to add to the monotonic time for the time since 1970; 0 or -errno. */
static napi_value wall_offset(napi_env env, napi_callback_info info) {
  int32_t a[1];
  struct timespec t;
  struct nuse_mem *m = args_i32(env, info, 1, a) ? nuse_mem_at(env, (uint32_t)a[0]) : NULL;
  if (!m) return ret_i32(env, -EBADF);
  clock_gettime(CLOCK_REALTIME, &t);
  st64(m->base + HDR + HDR_WALL_OFFSET, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - clock_ns());
  return ret_i32(env, 0);
}

/* eventfdCreate(): fd or -errno. */
static napi_value eventfd_create(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return ret_i32(env, fd < 0 ? -errno : fd);
}

/* eventfdSignal(fd): 0 or -errno; a full counter is a success. */
static napi_value eventfd_signal(napi_env env, napi_callback_info info) {
  int32_t a[1];
  uint64_t one = 1;
  if (!args_i32(env, info, 1, a)) return ret_i32(env, -EINVAL);
  return ret_i32(env, write(a[0], &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0);
}

/* eventfdDrain(fd): the counter (at most 2^31-1), now zero; 0 when it was zero; -errno. */
static napi_value eventfd_drain(napi_env env, napi_callback_info info) {
  int32_t a[1];
  uint64_t n = 0;
  if (!args_i32(env, info, 1, a)) return ret_i32(env, -EINVAL);
  if (read(a[0], &n, sizeof n) < 0 && errno != EAGAIN) return ret_i32(env, -errno);
  return ret_i32(env, n > INT_MAX ? INT_MAX : (int64_t)n);
}

/* closeFd(fd): 0 or -errno. */
static napi_value close_fd(napi_env env, napi_callback_info info) {
  int32_t a[1];
  if (!args_i32(env, info, 1, a) || a[0] < 0) return ret_i32(env, -EINVAL);
  return ret_i32(env, close(a[0]) < 0 ? -errno : 0);
}

/* timerSlack(ns): of the calling thread; 0 or -errno. */
static napi_value timer_slack(napi_env env, napi_callback_info info) {
  int32_t a[1];
  if (!args_i32(env, info, 1, a) || a[0] < 1) return ret_i32(env, -EINVAL);
  return ret_i32(env, prctl(PR_SET_TIMERSLACK, (unsigned long)a[0], 0, 0, 0) < 0 ? -errno : 0);
}

/* epollCreate(memory, ready: Uint32Array): waiter. */
static napi_value epoll_open(napi_env env, napi_callback_info info) {
  napi_value v[2], buffer;
  size_t n = 2, len, offset;
  napi_typedarray_type type;
  void *data;
  uint32_t handle;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 2 || napi_get_value_uint32(env, v[0], &handle) != napi_ok ||
      napi_get_typedarray_info(env, v[1], &type, &len, &data, &buffer, &offset) != napi_ok || type != napi_uint32_array || len < 2)
    return throw_errno(env, EINVAL, "epollCreate wants a memory and a Uint32Array");
  struct nuse_mem *mem = nuse_mem_at(env, handle);
  if (!mem) return throw_errno(env, EBADF, "epollCreate");
  struct nuse_env *e = nuse_env_of(env);
  uint32_t slot = 0;
  while (slot < MAX_WAITERS && e->waiters[slot]) slot++;
  if (slot == MAX_WAITERS) return throw_errno(env, EMFILE, "epollCreate: too many waiters");
  struct waiter *w = calloc(1, sizeof *w);
  if (!w) return throw_errno(env, ENOMEM, "epollCreate");
  w->epfd = epoll_create1(EPOLL_CLOEXEC);
  if (w->epfd < 0) {
    int err = errno;
    free(w);
    return throw_errno(env, err, "epoll_create1");
  }
  if (napi_create_reference(env, v[1], 1, &w->keep) != napi_ok) {
    close(w->epfd);
    free(w);
    return throw_errno(env, ENOMEM, "epollCreate");
  }
  w->direct[0] = (struct pollfd){ .fd = w->epfd, .events = POLLIN };
  w->mem = mem;
  w->ready = data;
  w->room = len / 2 < MAX_READY ? (uint32_t)(len / 2) : MAX_READY;
  e->waiters[slot] = w;
  return ret_i32(env, slot);
}

static struct waiter *waiter_at(napi_env env, uint32_t handle) {
  return handle < MAX_WAITERS ? nuse_env_of(env)->waiters[handle] : NULL;
}

/* epollCtl(waiter, op, fd, events, id): 0 or -errno; op and events as in <sys/epoll.h>. */
static napi_value epoll_change(napi_env env, napi_callback_info info) {
  int32_t a[5];
  if (!args_i32(env, info, 5, a)) return ret_i32(env, -EINVAL);
  struct waiter *w = waiter_at(env, (uint32_t)a[0]);
  if (!w || !w->mem->base) return ret_i32(env, -EBADF);
  struct epoll_event ev = { .events = (uint32_t)a[3], .data = { .u32 = (uint32_t)a[4] } };
  return ret_i32(env, epoll_ctl(w->epfd, a[1], a[2], &ev) < 0 ? -errno : 0);
}

/*
 * waiterDirect(waiter, fd, on): sleep on this descriptor of the waiter itself, too. A wake-up by way of epoll forgets what the kernel knows
 * of it: a seccomp notification with SYNC_WAKE_UP wakes a sleeper on the caller's processor, without waking an idle one. 0, -ENOSPC when
 * there are MAX_DIRECT of them, or -errno. Remove it before it is closed.
 */
static napi_value waiter_direct(napi_env env, napi_callback_info info) {
  int32_t a[3];
  struct waiter *w = args_i32(env, info, 3, a) ? waiter_at(env, (uint32_t)a[0]) : NULL;
  if (!w || !w->mem->base) return ret_i32(env, -EBADF);
  struct pollfd *p = w->direct + 1, *end = p + w->directs;
  while (p < end && p->fd != a[1]) p++;
  if (!a[2]) {
    if (p == end) return ret_i32(env, -ENOENT);
    *p = end[-1];
    w->directs--;
  } else if (p == end) {
    if (w->directs == MAX_DIRECT) return ret_i32(env, -ENOSPC);
    *p = (struct pollfd){ .fd = a[1], .events = POLLIN };
    w->directs++;
  }
  return ret_i32(env, 0);
}

static void watch_gone(uv_handle_t *handle) {
  struct watch *t = handle->data;
  if (t->hook) napi_remove_async_cleanup_hook(t->hook);
  free(t);
}

/* Give libuv's handle back; the record goes with it, in a later turn of libuv's loop. */
static void watch_close(struct watch *t, bool dying) {
  close(t->timerfd);
  if (!dying) {
    napi_remove_async_cleanup_hook(t->hook);
    t->hook = NULL;
    napi_async_destroy(t->env, t->context);
    napi_delete_reference(t->env, t->callback);
    napi_delete_reference(t->env, t->self);
  }
  uv_close((uv_handle_t *)&t->poll, watch_gone);
}

static void waiter_free(struct waiter *w) {
  if (w->watch) watch_close(w->watch, false);
  close(w->epfd);
  free(w);
}

/* The environment ends with the waiter still watched: node waits until libuv has let go of the handle. */
static void watch_orphaned(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  struct waiter *w = data;
  struct watch *t = w->watch;
  w->watch = NULL;
  watch_close(t, true);
}

static void watch_ready(uv_poll_t *handle, int status, int events) {
  (void)status;
  (void)events;
  struct watch *t = handle->data;
  napi_handle_scope scope;
  napi_value self, callback, result;
  if (napi_open_handle_scope(t->env, &scope) != napi_ok) return;
  if (napi_get_reference_value(t->env, t->self, &self) == napi_ok && napi_get_reference_value(t->env, t->callback, &callback) == napi_ok)
    napi_make_callback(t->env, t->context, self, callback, 0, NULL, &result);
  napi_close_handle_scope(t->env, scope);
}

/* Handle, references and hook of a watch; 0 or -errno, on failure all undone. */
static int watch_open(napi_env env, struct waiter *w, struct watch *t, napi_value callback) {
  uv_loop_t *loop;
  napi_value name, self;
  struct epoll_event ev = { .events = EPOLLIN, .data = { .u32 = TIMER_ID } };
  t->env = env;
  t->armed = UINT64_MAX;
  t->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (t->timerfd < 0) return -errno;
  if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, t->timerfd, &ev) < 0 || napi_get_uv_event_loop(env, &loop) != napi_ok || uv_poll_init(loop, &t->poll, w->epfd) < 0) {
    close(t->timerfd);
    return -EIO;
  }
  t->poll.data = t;
  if (napi_create_string_utf8(env, "nuse", NAPI_AUTO_LENGTH, &name) != napi_ok || napi_create_object(env, &self) != napi_ok ||
      napi_async_init(env, self, name, &t->context) != napi_ok || napi_create_reference(env, self, 1, &t->self) != napi_ok ||
      napi_create_reference(env, callback, 1, &t->callback) != napi_ok || napi_add_async_cleanup_hook(env, watch_orphaned, w, &t->hook) != napi_ok ||
      uv_poll_start(&t->poll, UV_READABLE, watch_ready) < 0)
    return -ENOMEM;
  return 0;
}

/*
 * waiterWatch(waiter, callback): call it from libuv's loop, which this thread must run, whenever wait() would find something; 0 or
 * -errno. The waiter keeps the loop alive until it is closed. Set the deadline with waiterArm.
 */
static napi_value waiter_watch(napi_env env, napi_callback_info info) {
  napi_value v[2];
  size_t n = 2;
  uint32_t handle;
  napi_valuetype type;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 2 || napi_get_value_uint32(env, v[0], &handle) != napi_ok ||
      napi_typeof(env, v[1], &type) != napi_ok || type != napi_function)
    return ret_i32(env, -EINVAL);
  struct waiter *w = waiter_at(env, handle);
  if (!w || !w->mem->base) return ret_i32(env, -EBADF);
  if (w->watch) return ret_i32(env, -EEXIST);
  struct watch *t = calloc(1, sizeof *t);
  if (!t) return ret_i32(env, -ENOMEM);
  int r = watch_open(env, w, t, v[1]);
  if (r == -ENOMEM) return throw_errno(env, ENOMEM, "waiterWatch");
  if (r < 0) free(t);
  else w->watch = t;
  return ret_i32(env, r);
}

/* Earlier of `until` (ns, Infinity = none) and HDR_DEADLINE. */
static uint64_t deadline(const struct waiter *w, double until) {
  uint64_t end = ld64(w->mem->base + HDR + HDR_DEADLINE);
  if (until < 9e18 && (until <= 0 || (uint64_t)until < end)) end = until <= 0 ? 0 : (uint64_t)until;
  return end;
}

/*
 * waiterArm(waiter, until): have a watched waiter call at the earlier of `until` (ns; Infinity = none) and HDR_DEADLINE. A timer that is
 * set for an earlier time stays: it costs a call too many, not one for each packet that puts the deadline off. 0 or -errno.
 */
static napi_value waiter_arm(napi_env env, napi_callback_info info) {
  napi_value v[2];
  size_t n = 2;
  uint32_t handle;
  double until;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 2 || napi_get_value_uint32(env, v[0], &handle) != napi_ok ||
      napi_get_value_double(env, v[1], &until) != napi_ok)
    return ret_i32(env, -EINVAL);
  struct waiter *w = waiter_at(env, handle);
  if (!w || !w->mem->base || !w->watch) return ret_i32(env, -EBADF);
  struct watch *t = w->watch;
  uint64_t end = deadline(w, until);
  if (end >= t->armed && t->armed > clock_ns()) return ret_i32(env, 0);
  t->armed = end;
  if (end == UINT64_MAX) end = 0; // disarms
  else if (end == 0) end = 1;
  struct itimerspec at = { .it_value = { .tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u) } };
  return ret_i32(env, timerfd_settime(t->timerfd, TFD_TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0);
}

/* epollClose(waiter): 0 or -errno. */
static napi_value epoll_free(napi_env env, napi_callback_info info) {
  int32_t a[1];
  struct waiter *w = args_i32(env, info, 1, a) ? waiter_at(env, (uint32_t)a[0]) : NULL;
  if (!w || !w->mem->base) return ret_i32(env, -EBADF);
  napi_delete_reference(env, w->keep);
  waiter_free(w);
  nuse_env_of(env)->waiters[a[0]] = NULL;
  return ret_i32(env, 0);
}

/* What is ready, after `ns` of sleep at most, rounded up where the kernel has only milliseconds: one system call, unless it sleeps on descriptors directly. */
static int sleep_once(struct waiter *w, uint64_t ns) {
  if (ns && w->directs) {
    int n = sleep_once(w, 0);
    if (n) return n;
    struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
    if ((n = ppoll(w->direct, 1 + w->directs, &t, NULL)) <= 0) return n;
    ns = 0;
  }
  if (!w->no_pwait2) {
    struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
    int n = epoll_pwait2(w->epfd, w->events, (int)w->room, &t, NULL);
    if (n >= 0 || errno != ENOSYS) return n;
    w->no_pwait2 = true;
  }
  uint64_t ms = (ns + 999999) / 1000000;
  return epoll_wait(w->epfd, w->events, (int)w->room, ms > INT_MAX ? INT_MAX : (int)ms);
}

/*
 * wait(waiter, until, cap, spin): sleep until an fd is ready, or until the earlier of `until` (ns, absolute;
 * Infinity = none) and HDR_DEADLINE, but at most `cap` ns, of which the first `spin` µs are spent polling. Writes
 * HDR_NOW. The number of pairs in the ready array, 0 also after a signal, or -errno.
 */
static napi_value wait_ready(napi_env env, napi_callback_info info) {
  napi_value v[4];
  size_t argc = 4;
  uint32_t handle;
  double until, cap, spin;
  if (napi_get_cb_info(env, info, &argc, v, NULL, NULL) != napi_ok || argc < 4 || napi_get_value_uint32(env, v[0], &handle) != napi_ok ||
      napi_get_value_double(env, v[1], &until) != napi_ok || napi_get_value_double(env, v[2], &cap) != napi_ok ||
      napi_get_value_double(env, v[3], &spin) != napi_ok || !(cap >= 0) || !(spin >= 0))
    return ret_i32(env, -EINVAL);
  struct waiter *w = waiter_at(env, handle);
  if (!w || !w->mem->base) return ret_i32(env, -EBADF);
  uint64_t now = clock_ns(), end = deadline(w, until);
  uint64_t sleep = end > now ? end - now : 0;
  if ((double)sleep > cap) sleep = (uint64_t)cap;
  int n = 0;
  if (spin > 0 && sleep > 0) {
    uint64_t budget = spin < 1e6 ? (uint64_t)(spin * 1000) : 1000000000u;
    if (budget > sleep) budget = sleep;
    uint64_t stop = now + budget;
    while ((n = sleep_once(w, 0)) == 0 && (now = clock_ns()) < stop) continue;
    sleep -= budget;
  }
  if (n == 0) n = sleep_once(w, sleep);
  if (n < 0 && errno == EINTR) n = 0;
  int err = errno;
  int out = 0;
  for (int i = 0; i < n; i++) {
    if (w->events[i].data.u32 == TIMER_ID) continue;
    w->ready[2 * out] = w->events[i].data.u32;
    w->ready[2 * out++ + 1] = w->events[i].events;
  }
  mem_stamp(w->mem);
  return ret_i32(env, n < 0 ? -err : out);
}

void wait_cleanup(struct nuse_env *e) {
  for (int i = 0; i < MAX_WAITERS; i++)
    if (e->waiters[i]) waiter_free(e->waiters[i]);
}

void wait_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "clock", clock_stamp);
  export_fn(env, exports, "wallOffset", wall_offset);
  export_fn(env, exports, "eventfdCreate", eventfd_create);
  export_fn(env, exports, "eventfdSignal", eventfd_signal);
  export_fn(env, exports, "eventfdDrain", eventfd_drain);
  export_fn(env, exports, "closeFd", close_fd);
  export_fn(env, exports, "timerSlack", timer_slack);
  export_fn(env, exports, "epollCreate", epoll_open);
  export_fn(env, exports, "epollCtl", epoll_change);
  export_fn(env, exports, "epollClose", epoll_free);
  export_fn(env, exports, "waiterWatch", waiter_watch);
  export_fn(env, exports, "waiterArm", waiter_arm);
  export_fn(env, exports, "waiterDirect", waiter_direct);
  export_fn(env, exports, "wait", wait_ready);
}
