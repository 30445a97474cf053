/*
 * What the files of nuse.node share: the linear memory they work on, the arguments of a call, and the tables of
 * one environment (a thread of node). Calls of the data path return a count or -errno and never throw; calls that
 * open something throw an Error with `code`.
 */
#ifndef NUSE_NATIVE_H
#define NUSE_NATIVE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <node_api.h>
#include "abi.h"

/** Linear memory of a core; only the thread that attached it uses it. */
struct nuse_mem {
  uint8_t *base;
  size_t size;
  napi_ref keep;
};

#define MAX_MEMS 64
#define MAX_WAITERS 64
#define MAX_VIFS 256
#define MAX_RECORDS 64

struct waiter;
struct record;
struct vif;

/** One environment's objects; everything still open is closed when the environment ends. */
struct nuse_env {
  struct nuse_mem mems[MAX_MEMS];
  struct waiter *waiters[MAX_WAITERS];
  struct vif *vifs[MAX_VIFS];
  struct record *records[MAX_RECORDS];
};

/** Whether [off, off+len) lies in the memory. */
static inline bool mem_has(const struct nuse_mem *m, uint32_t off, uint32_t len) {
  return (uint64_t)off + len <= m->size;
}
static inline uint32_t ld32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return le32toh(v); }
static inline uint16_t ld16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return le16toh(v); }
static inline uint64_t ld64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return le64toh(v); }
static inline void st32(uint8_t *p, uint32_t v) { v = htole32(v); memcpy(p, &v, 4); }
static inline void st16(uint8_t *p, uint16_t v) { v = htole16(v); memcpy(p, &v, 2); }
static inline void st64(uint8_t *p, uint64_t v) { v = htole64(v); memcpy(p, &v, 8); }

struct nuse_env *nuse_env_of(napi_env env);
/** The memory behind a handle of attachMemory, or null. */
struct nuse_mem *nuse_mem_at(napi_env env, uint32_t handle);

/** CLOCK_MONOTONIC, ns. */
uint64_t clock_ns(void);
/** Write HDR_NOW; the time. */
uint64_t mem_stamp(struct nuse_mem *m);

/** Exactly `want` numbers as 32 bits (wrapping like ToInt32); false when fewer were given or one is no number. */
bool args_i32(napi_env env, napi_callback_info info, size_t want, int32_t *out);
napi_value ret_i32(napi_env env, int64_t v);
/** Throw an Error with `code` (the errno's name) and the message; NULL. */
napi_value throw_errno(napi_env env, int err, const char *what);
bool get_string(napi_env env, napi_value object, const char *key, char *out, size_t size);
bool get_i32(napi_env env, napi_value object, const char *key, int32_t *out);
void set_number(napi_env env, napi_value object, const char *key, double v);
void set_string(napi_env env, napi_value object, const char *key, const char *v);
void export_fn(napi_env env, napi_value exports, const char *name, napi_callback fn);

void wait_exports(napi_env env, napi_value exports);
void wait_cleanup(struct nuse_env *e);
void vif_exports(napi_env env, napi_value exports);
void vif_cleanup(struct nuse_env *e);
void record_exports(napi_env env, napi_value exports);
void record_cleanup(struct nuse_env *e);
/** Defined by host/posix/native when it is compiled in. */
void posix_exports(napi_env env, napi_value exports) __attribute__((weak));

#endif
