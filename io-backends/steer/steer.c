#include <errno.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../native/vif.h"
#include "steer.h"

#define CODE_MAX 128
/** Offsets in the headers. */
#define V4_FRAGMENT 6
#define V4_PROTOCOL 9
#define V4_ADDRESSES 12
#define V6_NEXT_HEADER 6
#define V6_ADDRESSES 8
#define V6_LENGTH 40
/** MF and the offset. */
#define FRAGMENTED 0x3fff

/*
 * Registers: r6 the skb (which LD_ABS and LD_IND ask for), r7 the sum, r8 the length of the IPv4 header. LD_ABS and LD_IND give host order
 * in r0, look into fragments of the skb, and end the program with 0 where the packet is too short: worker 0 drops it.
 */
struct code {
  struct bpf_insn at[CODE_MAX];
  uint32_t n;
  /** Jumps to the end that says 0, and to the one that takes the port in r0. */
  uint32_t zero[8], zeros, port[2], ports;
};

static void emit(struct code *c, struct bpf_insn i) {
  if (c->n < CODE_MAX) c->at[c->n++] = i;
}
static void load(struct code *c, uint8_t size, uint32_t offset) { emit(c, (struct bpf_insn){ .code = BPF_LD | BPF_ABS | size, .imm = (int32_t)offset }); }
static void load_behind(struct code *c, uint8_t size, uint32_t offset) {
  emit(c, (struct bpf_insn){ .code = BPF_LD | BPF_IND | size, .src_reg = 8, .imm = (int32_t)offset });
}
static void alu(struct code *c, uint8_t op, uint8_t dst, int32_t k) { emit(c, (struct bpf_insn){ .code = (uint8_t)(BPF_ALU64 | op | BPF_K), .dst_reg = dst, .imm = k }); }
static void alu_reg(struct code *c, uint8_t op, uint8_t dst, uint8_t src) {
  emit(c, (struct bpf_insn){ .code = (uint8_t)(BPF_ALU64 | op | BPF_X), .dst_reg = dst, .src_reg = src });
}
static uint32_t jump(struct code *c, uint8_t op, int32_t k) {
  emit(c, (struct bpf_insn){ .code = (uint8_t)(BPF_JMP | op | BPF_K), .imm = k });
  return c->n - 1;
}
static void land(struct code *c, uint32_t from) { c->at[from].off = (int16_t)(c->n - from - 1); }
static void set64(struct code *c, uint8_t dst, uint64_t v) {
  emit(c, (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = dst, .imm = (int32_t)(uint32_t)v });
  emit(c, (struct bpf_insn){ .imm = (int32_t)(uint32_t)(v >> 32) });
}
static void finish(struct code *c) { emit(c, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT }); }

/* r7 += key * the word in r0. */
static void term(struct code *c, uint64_t key) {
  set64(c, 1, key);
  alu_reg(c, BPF_MUL, 1, 0);
  alu_reg(c, BPF_ADD, 7, 1);
}

/* Behind a load of the protocol into r0: UDP goes to the local port's load, what is not TCP to 0. A jump for the caller to land. */
static uint32_t by_protocol(struct code *c) {
  uint32_t udp = jump(c, BPF_JEQ, IPPROTO_UDP);
  c->zero[c->zeros++] = jump(c, BPF_JNE, IPPROTO_TCP);
  return udp;
}

/* The sum over `words` words of addresses at `offset`, and the ports in r0 by `ports`; the worker of it. */
static void hash(struct code *c, const struct steering *s, uint32_t offset, uint32_t words, void (*ports)(struct code *, uint8_t, uint32_t), uint32_t at) {
  set64(c, 7, s->key[0]);
  for (uint32_t i = 0; i < words; i++) {
    load(c, BPF_W, offset + 4 * i);
    term(c, s->key[1 + i]);
  }
  ports(c, BPF_W, at);
  term(c, s->key[1 + words]);
  alu_reg(c, BPF_MOV, 0, 7);
  alu(c, BPF_RSH, 0, 32);
  alu(c, BPF_MUL, 0, (int32_t)s->count);
  alu(c, BPF_RSH, 0, 32);
  finish(c);
}

static void ipv4(struct code *c, const struct steering *s, uint32_t network) {
  load(c, BPF_H, network + V4_FRAGMENT);
  alu(c, BPF_AND, 0, FRAGMENTED);
  c->zero[c->zeros++] = jump(c, BPF_JNE, 0);
  load(c, BPF_B, network);
  alu_reg(c, BPF_MOV, 8, 0);
  alu(c, BPF_AND, 8, 15);
  alu(c, BPF_LSH, 8, 2);
  load(c, BPF_B, network + V4_PROTOCOL);
  uint32_t udp = by_protocol(c);
  hash(c, s, network + V4_ADDRESSES, 2, load_behind, network);
  land(c, udp);
  load_behind(c, BPF_H, network + 2);
  c->port[c->ports++] = jump(c, BPF_JA, 0);
}

static void ipv6(struct code *c, const struct steering *s, uint32_t network) {
  load(c, BPF_B, network + V6_NEXT_HEADER);
  uint32_t udp = by_protocol(c);
  hash(c, s, network + V6_ADDRESSES, 8, load, network + V6_LENGTH);
  land(c, udp);
  load(c, BPF_H, network + V6_LENGTH + 2);
  c->port[c->ports++] = jump(c, BPF_JA, 0);
}

int steer_program(const struct steering *s, uint32_t network) {
  struct code c = { .n = 0 };
  alu_reg(&c, BPF_MOV, 6, 1);
  emit(&c, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 0, .src_reg = 6, .off = offsetof(struct __sk_buff, protocol) });
  uint32_t v6 = jump(&c, BPF_JEQ, htons(ETH_P_IPV6));
  c.zero[c.zeros++] = jump(&c, BPF_JNE, htons(ETH_P_IP));
  ipv4(&c, s, network);
  land(&c, v6);
  ipv6(&c, s, network);
  for (uint32_t i = 0; i < c.ports; i++) land(&c, c.port[i]);
  alu(&c, BPF_MOD, 0, (int32_t)s->count);
  finish(&c);
  for (uint32_t i = 0; i < c.zeros; i++) land(&c, c.zero[i]);
  alu(&c, BPF_MOV, 0, 0);
  finish(&c);
  if (c.n == CODE_MAX) return -E2BIG;
  union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)c.at, .insn_cnt = c.n, .license = (uintptr_t) "Apache-2.0" };
  memcpy(a.prog_name, "nuse_steer", sizeof "nuse_steer");
  int r = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
  return r < 0 ? -errno : r;
}

int steer_refused(const char *type, const char *dev, int e, char *err, size_t n) {
  if (e == EPERM)
    return vif_fail(err, n, e, "%s %s: `workers` loads a BPF program, which needs CAP_BPF of the machine, not only of a user namespace: run nuse with sudo, or remove `workers`", type, dev);
  return vif_fail(err, n, e, "%s %s: the BPF program of `workers` was refused: remove `workers`", type, dev);
}
