// Messages of a task: the headers of its sendmsg, recvmsg and their kind for many, what they send and what is stored by them, in a few transfers
// however many there are.
#include "posix.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/** Messages of one transfer; pieces of one system call (UIO_MAXIOV); largest name (struct sockaddr_storage); ancillary data accepted from a task, bytes. */
enum { MANY = 64, PIECES = 1024, NAME_ROOM = 128, CONTROL_MAX = 4096 };
/** A message in the list that is shared with JavaScript; offsets are those of its array. */
enum { DATA_AT, LENGTH, NAME_AT, NAME_LENGTH, CONTROL_AT, CONTROL_LENGTH, FLAGS, RESULT, FIELDS };

/** The headers read last, and their vectors one after the other. A msghdr alone is the first part of a mmsghdr. */
static _Thread_local struct {
  int tid;
  uint64_t address;
  size_t size; // of one header
  int count;
  struct mmsghdr headers[MANY];
  struct iovec vectors[PIECES];
} task;

/** Bytes to or from a task: both lists are cut as they come, only their order matters. Adjacent ones are one. */
struct transfer {
  int tid, failed;
  size_t locals, remotes, bytes;
  struct iovec local[PIECES], remote[PIECES];
};
/** Begin one. The lists are not cleared: that would cost more than most transfers. */
static void begin(struct transfer *t) {
  t->tid = task.tid;
  t->failed = 0;
  t->locals = t->remotes = t->bytes = 0;
}
typedef ssize_t move(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long, unsigned long);

static void flush(struct transfer *t, move *by) {
  if (t->bytes && !t->failed && by(t->tid, t->local, t->locals, t->remote, t->remotes, 0) != (ssize_t)t->bytes) t->failed = 1;
  t->locals = t->remotes = t->bytes = 0;
}
static void append(struct iovec *list, size_t *n, void *at, size_t length) {
  if (*n && (uint8_t *)list[*n - 1].iov_base + list[*n - 1].iov_len == (uint8_t *)at) list[*n - 1].iov_len += length;
  else list[(*n)++] = (struct iovec){at, length};
}
static void add(struct transfer *t, move *by, void *here, void *there, size_t length) {
  if (!length) return;
  if (t->locals == PIECES || t->remotes == PIECES) flush(t, by);
  append(t->local, &t->locals, here, length);
  append(t->remote, &t->remotes, there, length);
  t->bytes += length;
}

/** What is wrong with a header that has been read: 0 or -errno, as the kernel finds before it looks for a message. */
static int check_header(const struct msghdr *h) {
  if (h->msg_name && (int)h->msg_namelen < 0) return -EINVAL;
  return h->msg_iovlen > PIECES ? -EMSGSIZE : 0;
}
static int check_vector(const struct iovec *v, size_t n) {
  uint64_t total = 0;
  for (size_t i = 0; i < n; i++)
    if (v[i].iov_len > SSIZE_MAX - total) return -EINVAL;
    else total += v[i].iov_len;
  return 0;
}

/** The vectors of the first `count` headers: how many could be read; the error of the first that could not goes to *error. */
static int read_vectors(int count, int *error) {
  struct transfer t;
  begin(&t);
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    const struct msghdr *h = &task.headers[i].msg_hdr;
    add(&t, process_vm_readv, task.vectors + at, h->msg_iov, h->msg_iovlen * sizeof(struct iovec));
    at += h->msg_iovlen;
  }
  flush(&t, process_vm_readv);
  at = 0;
  for (int i = 0; i < count; at += task.headers[i++].msg_hdr.msg_iovlen) {
    const struct msghdr *h = &task.headers[i].msg_hdr;
    size_t bytes = h->msg_iovlen * sizeof(struct iovec);
    struct iovec here = {task.vectors + at, bytes}, there = {h->msg_iov, bytes};
    // All at once failed: one by one, up to the bad one.
    if (t.failed && bytes && process_vm_readv(task.tid, &here, 1, &there, 1, 0) != (ssize_t)bytes) *error = -EFAULT;
    else *error = check_vector(task.vectors + at, h->msg_iovlen);
    if (*error) return i;
  }
  return count;
}

/**
 * posixReadHeaders(tid, address, count, size): the msghdr (size 56, only one) or mmsghdr (64) there, for the functions below: how many are good
 * before one that is not, at most 64, or -errno of the first.
 */
static napi_value read_headers(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t count = posix_int(&c, 2);
  task.tid = posix_int(&c, 0);
  task.address = posix_int(&c, 1);
  task.size = posix_int(&c, 3);
  task.count = 0;
  if (count > MANY) count = MANY;
  if (count < 1 || (task.size != sizeof(struct mmsghdr) && (task.size != sizeof(struct msghdr) || count != 1))) return posix_number(env, -EINVAL);
  struct iovec here = {task.headers, count * task.size}, there = {(void *)(uintptr_t)task.address, here.iov_len};
  ssize_t n = process_vm_readv(task.tid, &here, 1, &there, 1, 0);
  int error = -EFAULT, good = 0, whole = n < 0 ? 0 : (int)(n / (ssize_t)task.size);
  size_t pieces = 0;
  for (; good < whole; good++) {
    const struct msghdr *h = &task.headers[good].msg_hdr;
    if ((error = check_header(h)) < 0 || pieces + h->msg_iovlen > PIECES) break;
    pieces += h->msg_iovlen;
  }
  if (good) good = read_vectors(good, &error);
  task.count = good;
  return posix_number(env, good ? good : error);
}

/** Bytes of ancillary data that fit into `room` as whole messages. */
static size_t control_fit(const uint8_t *control, size_t length, uint64_t room) {
  size_t at = 0;
  while (at + sizeof(struct cmsghdr) <= length) {
    const struct cmsghdr *m = (const void *)(control + at);
    if (m->cmsg_len < sizeof *m || m->cmsg_len > length - at || at + m->cmsg_len > room) break;
    at += CMSG_ALIGN(m->cmsg_len);
    if (at > length) at = length;
  }
  return at < room ? at : room;
}

/** A message on its way into a header of the task. */
struct message {
  uint8_t *data, *name, *control;
  struct iovec *vector;
  void *name_there, *control_there;
  size_t bytes, named, controls; // what has room
  /** Its first ancillary message that is not whole, cut to the room as put_cmsg of the kernel does; cmsg_len 0 = none. */
  struct cmsghdr cut;
};

/** Ancillary data of a message for `room` bytes there: the bytes that will be stored. */
static size_t place_control(struct message *m, size_t length, size_t room) {
  size_t left = room - (m->controls = control_fit(m->control, length, room));
  m->cut.cmsg_len = 0;
  if (m->controls + sizeof m->cut > length || left < sizeof m->cut) return m->controls;
  memcpy(&m->cut, m->control + m->controls, sizeof m->cut);
  m->cut.cmsg_len = left;
  return room;
}

/** The array that a list is about. */
struct array {
  uint8_t *base;
  size_t size;
};
static uint8_t *part(const struct array *a, uint32_t at, uint32_t length) {
  return (uint64_t)at + length <= a->size ? a->base + at : NULL;
}

/** Fill in header i for the message in `list`: where its parts go. 0, or -EINVAL for one that is not inside the array. */
static int place(const struct array *a, uint32_t *list, int i, struct iovec *vector, int flags, struct message *m) {
  uint32_t *f = list + (size_t)i * FIELDS;
  struct mmsghdr *mm = &task.headers[i];
  struct msghdr *h = &mm->msg_hdr;
  m->data = part(a, f[DATA_AT], f[LENGTH]);
  m->name = part(a, f[NAME_AT], f[NAME_LENGTH]);
  m->control = part(a, f[CONTROL_AT], f[CONTROL_LENGTH]);
  if (!m->data || !m->name || !m->control) return -EINVAL;
  uint64_t room = 0;
  for (size_t k = 0; k < h->msg_iovlen; k++) room += vector[k].iov_len;
  m->vector = vector;
  m->bytes = room < f[LENGTH] ? room : f[LENGTH];
  m->name_there = h->msg_name;
  m->control_there = h->msg_control;
  m->named = !h->msg_name ? 0 : f[NAME_LENGTH] < h->msg_namelen ? f[NAME_LENGTH] : h->msg_namelen;
  h->msg_controllen = place_control(m, f[CONTROL_LENGTH], h->msg_control ? h->msg_controllen : 0);
  h->msg_flags = (int)f[FLAGS] & ~(MSG_TRUNC | MSG_CTRUNC);
  if (m->bytes < f[LENGTH]) h->msg_flags |= MSG_TRUNC;
  if (m->controls < f[CONTROL_LENGTH]) h->msg_flags |= MSG_CTRUNC;
  if (h->msg_name) h->msg_namelen = f[NAME_LENGTH];
  mm->msg_len = f[RESULT] = flags & MSG_TRUNC ? f[LENGTH] : (uint32_t)m->bytes;
  return 0;
}

/** Messages [from, to) to the task, those of a kind together: 0 or -EFAULT. */
static int store(const struct message *m, int from, int to) {
  struct transfer t;
  begin(&t);
  for (int i = from; i < to; i++) {
    size_t done = 0;
    for (const struct iovec *v = m[i].vector; done < m[i].bytes; v++) {
      size_t n = v->iov_len < m[i].bytes - done ? v->iov_len : m[i].bytes - done;
      add(&t, process_vm_writev, m[i].data + done, v->iov_base, n);
      done += n;
    }
  }
  for (int i = from; i < to; i++) add(&t, process_vm_writev, m[i].name, m[i].name_there, m[i].named);
  for (int i = from; i < to; i++) {
    uint8_t *there = m[i].control_there;
    const size_t whole = m[i].controls, cut = m[i].cut.cmsg_len;
    add(&t, process_vm_writev, m[i].control, there, whole);
    if (!cut) continue;
    add(&t, process_vm_writev, (void *)&m[i].cut, there + whole, sizeof m[i].cut);
    add(&t, process_vm_writev, m[i].control + whole + sizeof m[i].cut, there + whole + sizeof m[i].cut, cut - sizeof m[i].cut);
  }
  add(&t, process_vm_writev, (uint8_t *)task.headers + from * task.size, (void *)(uintptr_t)(task.address + from * task.size), (to - from) * task.size);
  flush(&t, process_vm_writev);
  return t.failed ? -EFAULT : 0;
}

/**
 * posixStoreMessages(count, array, list: Uint32Array, flags): what recvmsg and recvmmsg store into the headers read last, the first of them: data as
 * far as the vector goes, the name cut to its room, ancillary data that fit, and the header. How many were stored before one that could not be,
 * or -errno of the first. Stores in the list what the call returns of each (`flags`: those of the call).
 */
static napi_value store_messages(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct message m[MANY];
  struct array a;
  int64_t count = posix_int(&c, 0);
  if (count < 1 || count > task.count || !(a.base = posix_array(&c, 1, &a.size))) return posix_number(env, -EINVAL);
  uint32_t *list = (uint32_t *)posix_bytes(&c, 2, 0, count * FIELDS * (int64_t)sizeof *list);
  if (!list) return posix_number(env, -EINVAL);
  struct iovec *vector = task.vectors;
  for (int i = 0; i < count; vector += task.headers[i++].msg_hdr.msg_iovlen)
    if (place(&a, list, i, vector, posix_int(&c, 3), &m[i]) < 0) return posix_number(env, -EINVAL);
  if (store(m, 0, count) == 0) return posix_number(env, count);
  for (int i = 0; i < count; i++)
    if (store(m, i, i + 1) < 0) return posix_number(env, i ? i : -EFAULT);
  return posix_number(env, count);
}

/** Of the array: room for data and ancillary data, and where the names are. */
struct space {
  uint32_t data, data_end, control, control_end, names;
};

/** Where what message i sends is to be, in the space that is left: its length, or -errno. */
static int64_t room_for(int i, const struct iovec *vector, uint32_t *f, struct space *left) {
  const struct msghdr *h = &task.headers[i].msg_hdr;
  uint64_t total = 0;
  for (size_t k = 0; k < h->msg_iovlen; k++) total += vector[k].iov_len;
  f[NAME_LENGTH] = !h->msg_name ? 0 : h->msg_namelen < NAME_ROOM ? h->msg_namelen : NAME_ROOM;
  if (h->msg_control && h->msg_controllen > CONTROL_MAX) return -ENOBUFS;
  f[CONTROL_LENGTH] = h->msg_control ? (uint32_t)h->msg_controllen : 0;
  if (total > left->data_end - left->data || CONTROL_MAX > left->control_end - left->control) return -EMSGSIZE;
  f[DATA_AT] = left->data;
  f[LENGTH] = (uint32_t)total;
  f[NAME_AT] = left->names + (uint32_t)i * NAME_ROOM;
  f[CONTROL_AT] = left->control;
  left->data += (uint32_t)total;
  left->control += (f[CONTROL_LENGTH] + 7) & ~7u;
  return (int64_t)total;
}

/** What messages [from, to) send into the array at `base`: 0 or -EFAULT. */
static int load(uint8_t *base, const uint32_t *list, struct iovec *const *vectors, int from, int to) {
  struct transfer t;
  begin(&t);
  for (int i = from; i < to; i++) {
    const struct msghdr *h = &task.headers[i].msg_hdr;
    const uint32_t *f = list + (size_t)i * FIELDS;
    add(&t, process_vm_readv, base + f[NAME_AT], h->msg_name, f[NAME_LENGTH]);
    add(&t, process_vm_readv, base + f[CONTROL_AT], h->msg_control, f[CONTROL_LENGTH]);
    uint8_t *data = base + f[DATA_AT];
    for (size_t k = 0; k < h->msg_iovlen; data += vectors[i][k++].iov_len) add(&t, process_vm_readv, data, vectors[i][k].iov_base, vectors[i][k].iov_len);
  }
  flush(&t, process_vm_readv);
  return t.failed ? -EFAULT : 0;
}

/**
 * posixLoadMessages(count, array, list: Uint32Array, data, its end, control, its end, names): what sendmsg and sendmmsg send by the headers read last,
 * the first of them: data and ancillary data one after the other, names NAME_ROOM bytes apart. How many were loaded before one that could not be or
 * had no room, or -errno of the first. Stores in the list where they are.
 */
static napi_value load_messages(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  struct iovec *vectors[MANY], *vector = task.vectors;
  int64_t count = posix_int(&c, 0), error = 0;
  struct space left = {posix_int(&c, 3), posix_int(&c, 4), posix_int(&c, 5), posix_int(&c, 6), posix_int(&c, 7)};
  if (count < 1 || count > task.count || left.data > left.data_end || left.control > left.control_end) return posix_number(env, -EINVAL);
  uint32_t *list = (uint32_t *)posix_bytes(&c, 2, 0, count * FIELDS * (int64_t)sizeof *list);
  uint8_t *base = posix_bytes(&c, 1, 0, left.data_end);
  if (!list || !base || !posix_bytes(&c, 1, 0, left.control_end) || !posix_bytes(&c, 1, left.names, MANY * NAME_ROOM)) return posix_number(env, -EINVAL);
  int good = 0;
  for (; good < count; vector += task.headers[good++].msg_hdr.msg_iovlen) {
    vectors[good] = vector;
    if ((error = room_for(good, vector, list + (size_t)good * FIELDS, &left)) < 0) break;
  }
  if (!good) return posix_number(env, error);
  if (load(base, list, vectors, 0, good) == 0) return posix_number(env, good);
  for (int i = 0; i < good; i++)
    if (load(base, list, vectors, i, i + 1) < 0) return posix_number(env, i ? i : -EFAULT);
  return posix_number(env, good);
}

/** posixStoreCounts(count, list: Uint32Array): the results in the list into the msg_len of the mmsghdrs read last, the first of them: 0 or -EFAULT. */
static napi_value store_counts(napi_env env, napi_callback_info info) {
  struct call c = posix_call(env, info);
  int64_t count = posix_int(&c, 0);
  if (count < 1 || count > task.count || task.size != sizeof(struct mmsghdr)) return posix_number(env, -EINVAL);
  const uint32_t *list = (const uint32_t *)posix_bytes(&c, 1, 0, count * FIELDS * (int64_t)sizeof *list);
  if (!list) return posix_number(env, -EINVAL);
  for (int i = 0; i < count; i++) task.headers[i].msg_len = list[(size_t)i * FIELDS + RESULT];
  struct transfer t;
  begin(&t);
  add(&t, process_vm_writev, task.headers, (void *)(uintptr_t)task.address, count * task.size);
  flush(&t, process_vm_writev);
  return posix_number(env, t.failed ? -EFAULT : 0);
}

const struct posix_function POSIX_MESSAGE[] = {
    {"posixReadHeaders", read_headers}, {"posixStoreMessages", store_messages}, {"posixLoadMessages", load_messages},
    {"posixStoreCounts", store_counts}, {NULL, NULL},
};
