// Argument access, and the list of functions.
#include "posix.h"

struct call posix_call(napi_env env, napi_callback_info info) {
  struct call c = {.env = env, .argc = POSIX_ARGS};
  if (napi_get_cb_info(env, info, &c.argc, c.argv, NULL, NULL) != napi_ok) c.argc = 0;
  if (c.argc > POSIX_ARGS) c.argc = POSIX_ARGS;
  return c;
}

int64_t posix_int(struct call *c, size_t i) {
  double v;
  if (i >= c->argc || napi_get_value_double(c->env, c->argv[i], &v) != napi_ok) return 0;
  // Casting what does not fit is undefined: NaN and anything beyond +-2^62 count as 0.
  return v > -4611686018427387904.0 && v < 4611686018427387904.0 ? (int64_t)v : 0;
}

uint8_t *posix_array(struct call *c, size_t i, size_t *size) {
  static const uint8_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type type;
  size_t count;
  void *data;
  if (i >= c->argc || napi_get_typedarray_info(c->env, c->argv[i], &type, &count, &data, NULL, NULL) != napi_ok) return NULL;
  if ((size_t)type >= sizeof width) return NULL;
  *size = count * width[type];
  return data;
}

uint8_t *posix_bytes(struct call *c, size_t i, int64_t off, int64_t len) {
  size_t size;
  uint8_t *data = posix_array(c, i, &size);
  if (!data || off < 0 || len < 0 || (size_t)off > size || (size_t)len > size - (size_t)off) return NULL;
  return data + off;
}

napi_value posix_number(napi_env env, double value) {
  napi_value v = NULL;
  napi_create_double(env, value, &v);
  return v;
}

static void forget(void *unused) {
  (void)unused;
  posix_task_forget();
  posix_written_forget();
}

void posix_exports(napi_env env, napi_value exports) {
  napi_add_env_cleanup_hook(env, forget, NULL);
  const struct posix_function *const groups[] = {POSIX_NOTIFY, POSIX_TASK, POSIX_MESSAGE, POSIX_WRITTEN, POSIX_FD, POSIX_ERRORS, POSIX_GUARDIAN};
  for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
    for (const struct posix_function *f = groups[g]; f->name; f++) {
      napi_value fn;
      if (napi_create_function(env, f->name, NAPI_AUTO_LENGTH, f->callback, NULL, &fn) != napi_ok) return;
      if (napi_set_named_property(env, exports, f->name, fn) != napi_ok) return;
    }
  }
}
