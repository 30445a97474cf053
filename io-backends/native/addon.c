/* nuse.node: environment, arguments and linear memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "native.h"

struct nuse_env *nuse_env_of(napi_env env) {
  void *e = NULL;
  napi_get_instance_data(env, &e);
  return e;
}

struct nuse_mem *nuse_mem_at(napi_env env, uint32_t handle) {
  struct nuse_env *e = nuse_env_of(env);
  return handle < MAX_MEMS && e->mems[handle].base ? &e->mems[handle] : NULL;
}

bool args_i32(napi_env env, napi_callback_info info, size_t want, int32_t *out) {
  napi_value v[8];
  size_t n = 8;
  if (want > 8 || napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < want) return false;
  for (size_t i = 0; i < want; i++)
    if (napi_get_value_int32(env, v[i], &out[i]) != napi_ok) return false;
  return true;
}

napi_value ret_i32(napi_env env, int64_t v) {
  napi_value r = NULL;
  napi_create_int32(env, (int32_t)v, &r);
  return r;
}

napi_value throw_errno(napi_env env, int err, const char *what) {
  const char *name = strerrorname_np(err);
  char text[512];
  snprintf(text, sizeof text, "%s: %s", what, strerror(err));
  napi_throw_error(env, name ? name : "EIO", text);
  return NULL;
}

static bool get_property(napi_env env, napi_value object, const char *key, napi_value *v, napi_valuetype want) {
  napi_valuetype t;
  return napi_get_named_property(env, object, key, v) == napi_ok && napi_typeof(env, *v, &t) == napi_ok && t == want;
}

bool get_string(napi_env env, napi_value object, const char *key, char *out, size_t size) {
  napi_value v;
  size_t n;
  out[0] = 0;
  if (!get_property(env, object, key, &v, napi_string)) return false;
  if (napi_get_value_string_utf8(env, v, NULL, 0, &n) != napi_ok || n >= size) return false;
  return napi_get_value_string_utf8(env, v, out, size, &n) == napi_ok && strlen(out) == n;
}

bool get_i32(napi_env env, napi_value object, const char *key, int32_t *out) {
  napi_value v;
  return get_property(env, object, key, &v, napi_number) && napi_get_value_int32(env, v, out) == napi_ok;
}

void set_number(napi_env env, napi_value object, const char *key, double v) {
  napi_value n;
  napi_create_double(env, v, &n);
  napi_set_named_property(env, object, key, n);
}

void set_string(napi_env env, napi_value object, const char *key, const char *v) {
  napi_value s;
  napi_create_string_utf8(env, v, NAPI_AUTO_LENGTH, &s);
  napi_set_named_property(env, object, key, s);
}

void export_fn(napi_env env, napi_value exports, const char *name, napi_callback fn) {
  napi_value f;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, NULL, &f) == napi_ok) napi_set_named_property(env, exports, name, f);
}

/* attachMemory(bytes: Uint8Array): handle. The view covers a whole, fixed linear memory and is kept alive. */
static napi_value attach_memory(napi_env env, napi_callback_info info) {
  napi_value v[1], buffer;
  size_t n = 1, size, offset;
  napi_typedarray_type type;
  void *data;
  if (napi_get_cb_info(env, info, &n, v, NULL, NULL) != napi_ok || n < 1 ||
      napi_get_typedarray_info(env, v[0], &type, &size, &data, &buffer, &offset) != napi_ok || type != napi_uint8_array)
    return throw_errno(env, EINVAL, "attachMemory wants a Uint8Array");
  if (size < STATIC_BASE || size > UINT32_MAX) return throw_errno(env, ERANGE, "attachMemory: size of the memory");
  struct nuse_env *e = nuse_env_of(env);
  for (uint32_t i = 0; i < MAX_MEMS; i++) {
    if (e->mems[i].base) continue;
    if (napi_create_reference(env, v[0], 1, &e->mems[i].keep) != napi_ok) return throw_errno(env, ENOMEM, "attachMemory");
    e->mems[i].base = data;
    e->mems[i].size = size;
    return ret_i32(env, i);
  }
  return throw_errno(env, EMFILE, "attachMemory: too many memories");
}

/* detachMemory(handle): vifs and waiters over it must be closed before. */
static napi_value detach_memory(napi_env env, napi_callback_info info) {
  int32_t a[1];
  if (!args_i32(env, info, 1, a)) return ret_i32(env, -EINVAL);
  struct nuse_mem *m = nuse_mem_at(env, (uint32_t)a[0]);
  if (!m) return ret_i32(env, -EBADF);
  napi_delete_reference(env, m->keep);
  *m = (struct nuse_mem){0};
  return ret_i32(env, 0);
}

static void finish(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct nuse_env *e = data;
  vif_cleanup(e);
  wait_cleanup(e);
  record_cleanup(e);
  free(e);
}

NAPI_MODULE_INIT() {
  struct nuse_env *e = calloc(1, sizeof *e);
  if (!e || napi_set_instance_data(env, e, finish, NULL) != napi_ok) {
    free(e);
    return throw_errno(env, ENOMEM, "nuse.node");
  }
  export_fn(env, exports, "attachMemory", attach_memory);
  export_fn(env, exports, "detachMemory", detach_memory);
  wait_exports(env, exports);
  vif_exports(env, exports);
  record_exports(env, exports);
  if (posix_exports) posix_exports(env, exports);
  return exports;
}
