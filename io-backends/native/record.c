/* Blocks of a record file (host/debug/record_format.ts, docs/record.md): checked and written in one system call, the bulk straight from linear memory. */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include "native.h"

#define BLOCK_HEADER 32u
#define CHECKED 28u
#define BULK_CHECK 24u
/** Most regions of a block. */
#define REGIONS 512u
#define GOLDEN 0x9e3779b9u
#define FOLD 0x85ebca6bu

/** Where a recorder's blocks go: its arrays, kept alive, and the file. */
struct record {
  struct nuse_mem *mem;
  int fd;
  uint8_t *block, *staged;
  uint32_t block_size, staged_size;
  uint32_t *regions;
  napi_ref keep[3];
};

typedef uint32_t lanes __attribute__((vector_size(16)));

/** The check of host/debug/lanesum.ts: eight lanes, stripes of 32 bytes. */
struct sum {
  lanes a, b;
  uint32_t k, length, fill;
  uint8_t partial[32];
};

static void stripe(struct sum *s, const uint8_t *p) {
  lanes x, y, k = { s->k, s->k, s->k, s->k };
  memcpy(&x, p, 16);
  memcpy(&y, p + 16, 16);
  s->a = ((s->a << 5) | (s->a >> 27)) + (x ^ k);
  s->b = ((s->b << 5) | (s->b >> 27)) + (y ^ k);
  s->k += GOLDEN;
}

static void sum_add(struct sum *s, const uint8_t *p, size_t n) {
  s->length += (uint32_t)n;
  if (s->fill) {
    size_t take = sizeof s->partial - s->fill < n ? sizeof s->partial - s->fill : n;
    memcpy(s->partial + s->fill, p, take);
    s->fill += (uint32_t)take;
    p += take;
    n -= take;
    if (s->fill < sizeof s->partial) return;
    stripe(s, s->partial);
    s->fill = 0;
  }
  for (; n >= sizeof s->partial; n -= sizeof s->partial, p += sizeof s->partial) stripe(s, p);
  memcpy(s->partial, p, n);
  s->fill = (uint32_t)n;
}

static uint32_t sum_value(struct sum *s) {
  if (s->fill) {
    memset(s->partial + s->fill, 0, sizeof s->partial - s->fill);
    stripe(s, s->partial);
  }
  uint32_t h = s->length;
  for (int i = 0; i < 8; i++) {
    h ^= i < 4 ? s->a[i] : s->b[i - 4];
    h = ((h << 15) | (h >> 17)) * FOLD;
  }
  return h ^ (h >> 16);
}

static const struct sum EMPTY = { .k = GOLDEN };

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
  struct record *p = malloc(sizeof *p);
  if (!p) return throw_errno(env, ENOMEM, "recordOpen");
  for (int i = 0; i < 3; i++)
    if (napi_create_reference(env, v[2 + i], 1, &r.keep[i]) != napi_ok) {
      free(p);
      return throw_errno(env, ENOMEM, "recordOpen");
    }
  r.fd = fd;
  r.block_size = (uint32_t)block;
  r.staged_size = (uint32_t)staged;
  *p = r;
  e->records[slot] = p;
  return ret_i32(env, slot);
}

/* All of these pieces, whatever it takes; 0 or -errno. */
static int write_all(int fd, struct iovec *v, int n) {
  while (n) {
    ssize_t done = writev(fd, v, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return -errno;
    while (n && (size_t)done >= v->iov_len) {
      done -= (ssize_t)v->iov_len;
      v++;
      n--;
    }
    if (n) {
      v->iov_base = (uint8_t *)v->iov_base + done;
      v->iov_len -= (size_t)done;
    }
  }
  return 0;
}

/* recordBlock(record, length, staged, regions): append a block, its checks filled in; its bytes or -errno. */
static napi_value record_block(napi_env env, napi_callback_info info) {
  int32_t a[4];
  if (!args_i32(env, info, 4, a)) return ret_i32(env, -EINVAL);
  struct record *r = (uint32_t)a[0] < MAX_RECORDS ? nuse_env_of(env)->records[a[0]] : NULL;
  uint32_t length = (uint32_t)a[1], staged = (uint32_t)a[2], regions = (uint32_t)a[3];
  if (!r || !r->mem->base) return ret_i32(env, -EBADF);
  if (length < BLOCK_HEADER || length > r->block_size || staged > r->staged_size || regions > REGIONS) return ret_i32(env, -EINVAL);
  struct iovec v[REGIONS + 2] = { { r->block, length }, { r->staged, staged } };
  struct sum bulk = EMPTY, rest = EMPTY;
  int64_t total = (int64_t)length + staged;
  sum_add(&bulk, r->staged, staged);
  for (uint32_t i = 0; i < regions; i++) {
    uint32_t at = r->regions[2 * i], n = r->regions[2 * i + 1];
    if (!mem_has(r->mem, at, n)) return ret_i32(env, -EFAULT);
    v[2 + i] = (struct iovec){ r->mem->base + at, n };
    sum_add(&bulk, r->mem->base + at, n);
    total += n;
  }
  st32(r->block + BULK_CHECK, sum_value(&bulk));
  sum_add(&rest, r->block, CHECKED);
  sum_add(&rest, r->block + BLOCK_HEADER, length - BLOCK_HEADER);
  st32(r->block + CHECKED, sum_value(&rest));
  int err = write_all(r->fd, v, (int)regions + 2);
  return ret_i32(env, err ? err : total);
}

/* recordClose(record): forget it; 0 or -errno. */
static napi_value record_close(napi_env env, napi_callback_info info) {
  int32_t a[1];
  struct nuse_env *e = nuse_env_of(env);
  if (!args_i32(env, info, 1, a)) return ret_i32(env, -EINVAL);
  if ((uint32_t)a[0] >= MAX_RECORDS || !e->records[a[0]]) return ret_i32(env, -EBADF);
  for (int i = 0; i < 3; i++) napi_delete_reference(env, e->records[a[0]]->keep[i]);
  free(e->records[a[0]]);
  e->records[a[0]] = NULL;
  return ret_i32(env, 0);
}

void record_cleanup(struct nuse_env *e) {
  for (int i = 0; i < MAX_RECORDS; i++) free(e->records[i]);
}

void record_exports(napi_env env, napi_value exports) {
  export_fn(env, exports, "recordOpen", record_open);
  export_fn(env, exports, "recordBlock", record_block);
  export_fn(env, exports, "recordClose", record_close);
}
