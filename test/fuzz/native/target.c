/*
 * The coverage-guided fuzzer: core.wasm and the driver through wasm2c, under libFuzzer. Linear memory is a private mapping of an
 * image that scripts/fuzz_native.mjs has prepared; dropping its pages is the reset before each test case. The 8 GiB behind it are
 * reserved, so that every access outside of linear memory is a SIGSEGV.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"
#include "driver.h"

#define WORLDS_MAX 8
#define RESERVED (8ull << 30)
/* A record of a test case: op, length (two bytes when the op's high bit is set), operands. */
#define RECORDS_MAX 512

struct Z_env_instance_t {
  wasm_rt_memory_t memory;
};
struct Z_host_instance_t {
  int unused;
};

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static struct Z_env_instance_t env;
static struct Z_host_instance_t host;
static Z_core_instance_t core;
static Z_driver_instance_t driver;
static int images[WORLDS_MAX];
static unsigned worlds;
static unsigned mapped = WORLDS_MAX;

wasm_rt_memory_t *Z_envZ_memory(struct Z_env_instance_t *e) {
  return &e->memory;
}

/* UTF-16 string of AssemblyScript: its length in bytes lies 4 bytes before it. */
static void print_string(u32 p) {
  u32 n;
  if (!p) return;
  memcpy(&n, env.memory.data + p - 4, 4);
  for (u32 i = 0; i < n && i < 400; i += 2) fputc(env.memory.data[p + i], stderr);
}

void Z_hostZ_panic(struct Z_host_instance_t *h, u32 message, u32 file, u32 line) {
  (void)h;
  fputs("panic: ", stderr);
  print_string(message);
  if (file) {
    fputs(" at ", stderr);
    print_string(file);
    fprintf(stderr, ":%u", line);
  }
  fputc('\n', stderr);
  abort();
}

void Z_hostZ_fail(struct Z_host_instance_t *h, u32 what, u32 a, u32 b) {
  (void)h;
  fprintf(stderr, "broken promise %u (test/assembly/fuzz/broken.ts): %u, %u\n", what, a, b);
  abort();
}

void Z_hostZ_trace(struct Z_host_instance_t *h, u32 vif, u32 out, u32 p, u32 len) {
  (void)h, (void)vif, (void)out, (void)p, (void)len;
}

/* Called by wasm2c's runtime (WASM_RT_TRAP_HANDLER). */
void wasm_trapped(wasm_rt_trap_t code) {
  fprintf(stderr, "trap: %s\n", wasm_rt_strerror(code));
  abort();
}

static void die(const char *what) {
  perror(what);
  exit(2);
}

/* Pages of the image, copied when written. */
static void reset(unsigned world) {
  if (world == mapped) {
    if (madvise(env.memory.data, env.memory.size, MADV_DONTNEED)) die("madvise");
    return;
  }
  if (mmap(env.memory.data, env.memory.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, images[world], 0) == MAP_FAILED) die("mmap");
  mapped = world;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  const char *dir = getenv("NUSE_FUZZ_IMAGES");
  if (!dir) {
    fputs("NUSE_FUZZ_IMAGES names the folder of the memory images\n", stderr);
    exit(2);
  }
  struct stat st = { 0 };
  for (char name[4096]; worlds < WORLDS_MAX; worlds++) {
    snprintf(name, sizeof name, "%s/image-%u.bin", dir, worlds);
    images[worlds] = open(name, O_RDONLY | O_CLOEXEC);
    if (images[worlds] < 0) break;
    if (fstat(images[worlds], &st)) die(name);
  }
  if (!worlds) die("image-0.bin");
  env.memory.data = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (env.memory.data == MAP_FAILED) die("mmap");
  env.memory.size = (u32)st.st_size;
  env.memory.pages = env.memory.max_pages = (u32)(st.st_size >> 16);
  reset(0);
  Z_core_init_module();
  Z_core_instantiate(&core, &env, &host);
  Z_driver_init_module();
  Z_driver_instantiate(&driver, &core, &env, &host);
  mapped = WORLDS_MAX; /* instantiation wrote its data segments */
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return -1;
  reset(data[0] % worlds);
  u32 max = Z_driverZ_input_max(&driver), len = (u32)(size - 1);
  if (len > max) len = max;
  memcpy(env.memory.data + Z_driverZ_input(&driver), data + 1, len);
  Z_driverZ_run(&driver, len, 0);
  return 0;
}

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

/* Where records start; their number. The last entry is the end. */
static unsigned records(const uint8_t *data, size_t size, size_t *starts) {
  unsigned n = 0;
  size_t at = 1;
  while (at + 2 <= size && n < RECORDS_MAX) {
    size_t len = 2 + data[at + 1];
    if (data[at] & 0x80 && at + 2 < size) len += 1 + ((size_t)data[at + 2] << 8);
    starts[n++] = at;
    at += len;
  }
  starts[n] = at < size ? at : size;
  return n;
}

/* Put `n` bytes at `at`, replacing `old`; the new size, unchanged when it does not fit. */
static size_t replace(uint8_t *data, size_t size, size_t max, size_t at, size_t old, const uint8_t *from, size_t n) {
  if (size - old + n > max) return size;
  memmove(data + at + n, data + at + old, size - at - old);
  memcpy(data + at, from, n);
  return size - old + n;
}

/* Half of the time bytes, as libFuzzer does; else whole records: repeated, removed, moved, or their operands changed in place. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  static uint8_t copy[1 << 17];
  size_t starts[RECORDS_MAX + 1];
  unsigned n = records(data, size, starts);
  if (n < 2 || next_random(&seed) & 1) return LLVMFuzzerMutate(data, size, max);
  unsigned i = next_random(&seed) % n, j = next_random(&seed) % n;
  size_t len = starts[i + 1] - starts[i];
  if (len > sizeof copy) return LLVMFuzzerMutate(data, size, max);
  memcpy(copy, data + starts[i], len);
  switch (next_random(&seed) % 4) {
    case 0:
      return replace(data, size, max, starts[j], 0, copy, len);
    case 1:
      return replace(data, size, max, starts[i], len, copy, 0);
    case 2:
      return replace(data, size, max, starts[j], starts[j + 1] - starts[j], copy, len);
    default: {
      size_t head = data[starts[i]] & 0x80 ? 3 : 2;
      if (len <= head) return LLVMFuzzerMutate(data, size, max);
      LLVMFuzzerMutate(data + starts[i] + head, len - head, len - head);
      return size;
    }
  }
}

/* Records of one test case put into another. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out, size_t max, unsigned seed) {
  size_t a_starts[RECORDS_MAX + 1], b_starts[RECORDS_MAX + 1];
  unsigned an = records(a, a_size, a_starts), bn = records(b, b_size, b_starts);
  if (!an || !bn || a_size > max) return 0;
  unsigned from = next_random(&seed) % bn, to = from + 1 + next_random(&seed) % (bn - from);
  memcpy(out, a, a_size);
  return replace(out, a_size, max, a_starts[next_random(&seed) % an], 0, b + b_starts[from], b_starts[to] - b_starts[from]);
}
