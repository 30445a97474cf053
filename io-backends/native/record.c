/*
 * Record files (host/debug/record_format.ts, docs/record.md): blocks are checked and copied in one pass, from linear memory into a shared
 * mapping of the file. The mapping stays for as long as the file is written, over and over: pages that are there take 12 GB/s, write() 4.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <pthread.h>
#include <unistd.h>
#include "native.h"
#include "record_sum.h"

#define BLOCK_HEADER 32u
#define BULK_CHECK 24u
#define CHECK 28u
/** Most regions of a block. */
#define REGIONS 512u
/** Bytes by which a file grows. */
#define STEP ((size_t)2 << 20)
#define MAPPED_FIRST (32 * STEP)
#define MAPPED_MAX ((size_t)1 << 40)

/** Where a recorder's blocks go: its arrays, kept alive, and the file. */
struct record {
  struct nuse_mem *mem;
  int fd;
  uint8_t *block, *staged;
  uint32_t block_size, staged_size;
  uint32_t *regions;
  napi_ref keep[3];
  /** The file from its first byte on: how much of it is mapped, has room on the disk and pages in memory, and has been written. */
  uint8_t *map;
  size_t mapped, there, size;
  /** The file is not what it was: stores go elsewhere. */
  volatile sig_atomic_t lost;
};

/** The record that this thread is writing to. */
static _Thread_local struct record *volatile writing;
static struct sigaction before;
static unsigned users;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * SIGBUS: a page of a mapped file cannot be had, because somebody has cut the file or the disk has failed. Memory takes the file's
 * place, and recording ends with an error; elsewhere it is as deadly as ever.
 */
static void on_sigbus(int number, siginfo_t *info, void *context) {
  struct record *r = writing;
  uint8_t *at = info->si_addr;
  if (r && at >= r->map && at < r->map + r->mapped && !r->lost) {
    int error = errno;
    r->lost = 1;
    void *m = mmap(r->map, r->mapped, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = error;
    if (m != MAP_FAILED) return;
  }
  if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(number, info, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) before.sa_handler(number);
  else signal(SIGBUS, SIG_DFL); // the access is made again, and ends the process
}

/* The first record takes the signal, the last one gives it back. */
static void guard(bool on) {
  pthread_mutex_lock(&lock);
  if (on && users++ == 0) {
    struct sigaction a = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGBUS, &a, &before);
  } else if (!on && --users == 0) sigaction(SIGBUS, &before, NULL);
  pthread_mutex_unlock(&lock);
}

static bool array_at(napi_env env, napi_value v, napi_typedarray_type want, void **data, size_t *length) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, v, &type, length, data, NULL, NULL) == napi_ok && type == want;
}

/* recordOpen(memory, fd, block: Uint8Array, staged: Uint8Array, regions: Uint32Array): handle. The file stays the caller's. */
static napi_value record_open(napi_env env, napi_callback_info info) {
  napi_value v[5];
  size_t n = 5, block, staged, regions;
  uint32_t memory, slot = 0;
  int32_t fd;
  struct record r = {0};
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 5 || napi_get_value_uint32(env, v[0], &memory) != napi_ok ||
      napi_get_value_int32(env, v[1], &fd) != napi_ok || !array_at(env, v[2], napi_uint8_array, (void **)&r.block, &block) ||
      !array_at(env, v[3], napi_uint8_array, (void **)&r.staged, &staged) || !array_at(env, v[4], napi_uint32_array, (void **)&r.regions, &regions) ||
      block < BLOCK_HEADER || block > UINT32_MAX || staged > UINT32_MAX || regions < 2 * REGIONS)
    return throw_errno(env, EINVAL, "recordOpen");
  r.mem = nuse_mem_at(env, memory);
  if (!r.mem) return throw_errno(env, EBADF, "recordOpen");
  struct nuse_env *e = nuse_env_of(env);
  while (slot < MAX_RECORDS && e->records[slot]) slot++;
  if (slot == MAX_RECORDS) return throw_errno(env, EMFILE, "recordOpen: too many records");
  r.map = mmap(NULL, MAPPED_FIRST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (r.map == MAP_FAILED) return throw_errno(env, errno, "mapping the file into memory");
  struct record *p = malloc(sizeof *p);
  if (!p) {
    munmap(r.map, MAPPED_FIRST);
    return throw_errno(env, ENOMEM, "recordOpen");
  }
  for (int i = 0; i < 3; i++)
    if (napi_create_reference(env, v[2 + i], 1, &r.keep[i]) != napi_ok) {
      munmap(r.map, MAPPED_FIRST);
      free(p);
      return throw_errno(env, ENOMEM, "recordOpen");
    }
  r.mapped = MAPPED_FIRST;
  r.fd = fd;
  r.block_size = (uint32_t)block;
  r.staged_size = (uint32_t)staged;
  *p = r;
  e->records[slot] = p;
  guard(true);
  return ret_i32(env, slot);
}

static int map_more(struct record *r, size_t end) {
  size_t want = r->mapped;
  while (want < end) want *= 2;
  void *m = want > MAPPED_MAX ? MAP_FAILED : mremap(r->map, r->mapped, want, MREMAP_MAYMOVE);
  if (m == MAP_FAILED) return -EFBIG;
  r->map = m;
  r->mapped = want;
  return 0;
}

/*
 * Make the file longer, with pages in memory for it; 0 or -errno. Written by the kernel in large folios: a third of what the same pages
 * cost when faults make them one by one. A full disk is an error here, and no signal later.
 */
static int extend(struct record *r) {
  static const uint8_t zeros[256 << 10];
  struct stat st;
  if (fstat(r->fd, &st) < 0) return -errno;
  size_t at = st.st_size > (off_t)r->there ? (size_t)st.st_size : r->there, end = r->there + STEP;
  while (at < end) {
    ssize_t n = pwrite(r->fd, zeros, end - at < sizeof zeros ? end - at : sizeof zeros, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? -errno : -ENOSPC;
    at += (size_t)n;
  }
  return 0;
}

/* Have the next n bytes of the file in memory; 0 or -errno. */
static int room(struct record *r, size_t n) {
  size_t end = r->size + n;
  if (end < n) return -EFBIG;
  while (r->there < end) {
    int err = r->there + STEP > r->mapped ? map_more(r, r->there + STEP) : 0;
    if (!err) err = extend(r);
    if (err) return err;
    // All at once instead of a fault for each page. Before Linux 5.14 the faults do it.
    while (madvise(r->map + r->there, STEP, MADV_POPULATE_WRITE) < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == EINVAL) break;
      return errno == EFAULT ? -EIO : -errno;
    }
    r->there += STEP;
  }
  return 0;
}

static struct record *record_at(napi_env env, int32_t handle) {
  return (uint32_t)handle < MAX_RECORDS ? nuse_env_of(env)->records[handle] : NULL;
}

/* recordBegin(record, header: Uint8Array): start at the file's first byte, with a header of whole stripes; its bytes or -errno. */
static napi_value record_begin(napi_env env, napi_callback_info info) {
  napi_value v[2];
  size_t n = 2, length;
  int32_t handle;
  void *header;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 2 || napi_get_value_int32(env, v[0], &handle) != napi_ok ||
      !array_at(env, v[1], napi_uint8_array, &header, &length) || length % STRIPE)
    return ret_i32(env, -EINVAL);
  struct record *r = record_at(env, handle);
  if (!r) return ret_i32(env, -EBADF);
  r->size = 0;
  int err = room(r, length);
  if (err) return ret_i32(env, err);
  writing = r;
  memcpy(r->map, header, length);
  writing = NULL;
  r->size = length;
  return ret_i32(env, r->lost ? -EIO : (int64_t)length);
}

/* Bulk, records, and last the magic of the block, which makes it one. */
static void put_block(struct record *r, uint32_t length, uint32_t staged, uint32_t regions) {
  uint8_t *to = r->map + r->size, magic[4];
  struct stream bulk, records;
  stream_to(&bulk, to + STRIPES(length));
  stream_to(&records, to);
  stream_add(&bulk, r->staged, staged);
  for (uint32_t i = 0; i < regions; i++) stream_add(&bulk, r->mem->base + r->regions[2 * i], r->regions[2 * i + 1]);
  st32(r->block + BULK_CHECK, stream_end(&bulk));
  memcpy(magic, r->block, 4);
  st32(r->block, 0);
  st32(r->block + CHECK, 0);
  stream_add(&records, r->block, length);
  uint32_t check = stream_end(&records);
  st32(to + CHECK, check);
  // Whenever the process ends, what it has stored before is in the file. A fence would make every block wait for memory.
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  memcpy(to, magic, 4);
}

/* recordBlock(record, length, staged, regions): append a block, its checks filled in; its bytes or -errno. */
static napi_value record_block(napi_env env, napi_callback_info info) {
  int32_t a[4];
  if (!args_i32(env, info, 4, a)) return ret_i32(env, -EINVAL);
  struct record *r = record_at(env, a[0]);
  uint32_t length = (uint32_t)a[1], staged = (uint32_t)a[2], regions = (uint32_t)a[3];
  if (!r || !r->mem->base) return ret_i32(env, -EBADF);
  if (length < BLOCK_HEADER || length > r->block_size || staged > r->staged_size || regions > REGIONS) return ret_i32(env, -EINVAL);
  size_t bulk = staged;
  for (uint32_t i = 0; i < regions; i++) {
    if (!mem_has(r->mem, r->regions[2 * i], r->regions[2 * i + 1])) return ret_i32(env, -EFAULT);
    bulk += r->regions[2 * i + 1];
  }
  size_t total = STRIPES(length) + STRIPES(bulk);
  if (total > INT32_MAX) return ret_i32(env, -EFBIG);
  int err = room(r, total);
  if (err) return ret_i32(env, err);
  writing = r;
  put_block(r, length, staged, regions);
  writing = NULL;
  if (r->lost) return ret_i32(env, -EIO);
  r->size += total;
  return ret_i32(env, (int64_t)total);
}

static void record_free(struct record *r) {
  munmap(r->map, r->mapped);
  free(r);
  guard(false);
}

/* recordClose(record): forget it, and cut off what an older record or half a block left behind its end; 0 or -errno. */
static napi_value record_close(napi_env env, napi_callback_info info) {
  int32_t a[1];
  struct record *r = args_i32(env, info, 1, a) ? record_at(env, a[0]) : NULL;
  if (!r) return ret_i32(env, -EBADF);
  int err = r->lost || ftruncate(r->fd, (off_t)r->size) == 0 ? 0 : -errno;
  for (int i = 0; i < 3; i++) napi_delete_reference(env, r->keep[i]);
  nuse_env_of(env)->records[a[0]] = NULL;
  record_free(r);
  return ret_i32(env, err);
}

void record_cleanup(struct nuse_env *e) {
  for (int i = 0; i < MAX_RECORDS; i++)
    if (e->records[i]) record_free(e->records[i]);
}

static bool zero(const uint8_t *p, size_t n) {
  for (const uint8_t *end = p + n; p < end; p += 32) {
    lanes any = load_lanes(p) | load_lanes(p + 16);
    if (any[0] | any[1] | any[2] | any[3]) return false;
  }
  return true;
}

/* Whether no page of p[0..n) has ever been touched, as far as the kernel tells (proc_pid_pagemap(5)): to read it would make it one that has. */
static bool untouched(int pagemap, const uint8_t *p, size_t n) {
  uint64_t entry[64];
  size_t page = (size_t)sysconf(_SC_PAGESIZE), count = n / page;
  if (pagemap < 0 || n % page || (uintptr_t)p % page || count > 64) return false;
  if (pread(pagemap, entry, count * 8, (off_t)((uintptr_t)p / page * 8)) != (ssize_t)(count * 8)) return false;
  for (size_t i = 0; i < count; i++)
    if (entry[i] >> 62) return false; // present, or swapped out
  return true;
}

/* memoryPages(memory, size, out: Uint8Array): out[i] = 1 when the i-th `size` bytes of an attached memory are not all zero; 0 or -errno. */
static napi_value memory_pages(napi_env env, napi_callback_info info) {
  napi_value v[3];
  size_t n = 3, length;
  uint32_t memory, size;
  uint8_t *out;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 3 || napi_get_value_uint32(env, v[0], &memory) != napi_ok ||
      napi_get_value_uint32(env, v[1], &size) != napi_ok || !array_at(env, v[2], napi_uint8_array, (void **)&out, &length) || !size || size % 32)
    return ret_i32(env, -EINVAL);
  struct nuse_mem *m = nuse_mem_at(env, memory);
  if (!m || (uint64_t)size * length > m->size) return ret_i32(env, -EINVAL);
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  for (size_t i = 0; i < length; i++) {
    const uint8_t *p = m->base + i * size;
    out[i] = !untouched(pagemap, p, size) && !zero(p, size);
  }
  if (pagemap >= 0) close(pagemap);
  return ret_i32(env, 0);
}

void record_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "recordOpen", record_open);
  export_fn(env, exports, "recordBegin", record_begin);
  export_fn(env, exports, "recordBlock", record_block);
  export_fn(env, exports, "recordClose", record_close);
  export_fn(env, exports, "memoryPages", memory_pages);
}
