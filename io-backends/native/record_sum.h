/* The check of host/debug/lanesum.ts, taken while bytes are copied: stripes of 64 bytes, sixteen lanes of 32 bits. */
#ifndef NUSE_RECORD_SUM_H
#define NUSE_RECORD_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define STRIPE 64u
/** n, rounded up to whole stripes. */
#define STRIPES(n) (((size_t)(n) + STRIPE - 1) / STRIPE * STRIPE)

typedef uint32_t lanes __attribute__((vector_size(16)));

/** Bytes on their way to `to`, which lies on a stripe, and the sum over them. */
struct stream {
  uint8_t *to;
  lanes lane[4];
  uint32_t k, length, fill;
  /** The last stripe, as long as it is not full. */
  uint8_t partial[STRIPE];
};

static inline void stream_to(struct stream *s, uint8_t *to) {
  s->to = to;
  s->lane[0] = s->lane[1] = s->lane[2] = s->lane[3] = (lanes){0};
  s->k = 0x9e3779b9u;
  s->length = s->fill = 0;
}

static inline lanes load_lanes(const uint8_t *p) {
  lanes v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Past the caches: nobody reads a record soon, and a store that fills its line need not read it first. Twice as fast as memcpy. */
static inline void store_lanes(uint8_t *to, lanes v) {
#ifdef __SSE2__
  _mm_stream_si128((__m128i *)to, (__m128i)v);
#else
  memcpy(to, &v, sizeof v);
#endif
}

/* Whole stripes of p[0..n); the bytes taken. lane[i] += word[i] ^ k. */
static inline size_t stream_stripes(struct stream *s, const uint8_t *p, size_t n) {
  lanes a = s->lane[0], b = s->lane[1], c = s->lane[2], d = s->lane[3];
  uint32_t k = s->k;
  uint8_t *to = s->to;
  size_t at = 0;
  for (; n - at >= STRIPE; at += STRIPE) {
    lanes x = { k, k, k, k }, v = load_lanes(p + at), w = load_lanes(p + at + 16), y = load_lanes(p + at + 32), z = load_lanes(p + at + 48);
    a += v ^ x;
    b += w ^ x;
    c += y ^ x;
    d += z ^ x;
    store_lanes(to + at, v);
    store_lanes(to + at + 16, w);
    store_lanes(to + at + 32, y);
    store_lanes(to + at + 48, z);
    k += 0x9e3779b9u;
  }
  s->lane[0] = a;
  s->lane[1] = b;
  s->lane[2] = c;
  s->lane[3] = d;
  s->k = k;
  s->to = to + at;
  return at;
}

static inline void stream_add(struct stream *s, const uint8_t *p, size_t n) {
  s->length += (uint32_t)n;
  if (s->fill) {
    size_t take = STRIPE - s->fill < n ? STRIPE - s->fill : n;
    memcpy(s->partial + s->fill, p, take);
    s->fill += (uint32_t)take;
    if (s->fill < STRIPE) return;
    s->fill = 0;
    stream_stripes(s, s->partial, STRIPE);
    p += take;
    n -= take;
  }
  size_t whole = stream_stripes(s, p, n);
  s->fill = (uint32_t)(n - whole);
  memcpy(s->partial, p + whole, n - whole);
}

/** Zeros up to the next stripe; the sum. */
static inline uint32_t stream_end(struct stream *s) {
  static const uint8_t zeros[STRIPE];
  if (s->fill) stream_add(s, zeros, STRIPE - s->fill);
  uint32_t h = s->length;
  for (int i = 0; i < 16; i++) {
    h ^= s->lane[i / 4][i % 4];
    h = ((h << 15) | (h >> 17)) * 0x85ebca6bu;
  }
  return h ^ (h >> 16);
}

#endif
