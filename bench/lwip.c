// The services of meter.c on lwIP (Debian's liblwip, its raw API) over a TAP without offload: lwip NETNS TAP ADDRESS [NETNS2 TAP2 ADDRESS2]
// (/24 each; with two it forwards between them). Prints "listening", runs until it is killed.
#define _GNU_SOURCE
#include "meter.h"
#include "tap.h"
#include <lwip/etharp.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <stdbool.h>
#include <poll.h>
#include <sys/uio.h>
#include <time.h>

// Bytes of a frame; frames read, and datagrams sent, in a row; pieces of a frame; bytes of one write.
enum { FRAME = 1600, BURST = 64, PIECES = 16, WRITE = 16384 };

static struct netif interfaces[2];
static int fds[2], count;
static const char zeros[WRITE];
static u64_t datagrams;
static struct {
  bool on;
  double end;
  u16_t size, port;
  ip_addr_t to;
  struct udp_pcb *pcb;
} blast;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static err_t transmit(struct netif *n, struct pbuf *p) {
  struct iovec v[PIECES];
  int k = 0;
  for (; p && k < PIECES; p = p->next) v[k++] = (struct iovec){p->payload, p->len};
  return writev(*(int *)n->state, v, k) < 0 ? ERR_IF : ERR_OK;
}
static err_t start(struct netif *n) {
  n->name[0] = 't';
  n->name[1] = 'p';
  n->output = etharp_output;
  n->linkoutput = transmit;
  n->mtu = 1500;
  n->hwaddr_len = ETH_HWADDR_LEN;
  memcpy(n->hwaddr, "\x02\x00\x00\x00\x0a\x00", ETH_HWADDR_LEN);
  n->hwaddr[5] = (u8_t)(n - interfaces);
  n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP | NETIF_FLAG_ETHERNET;
  return ERR_OK;
}

static err_t finish(struct tcp_pcb *p) {
  tcp_recv(p, NULL);
  tcp_sent(p, NULL);
  if (tcp_close(p) == ERR_OK) return ERR_OK;
  tcp_abort(p);
  return ERR_ABRT;
}
static err_t sink(void *arg, struct tcp_pcb *p, struct pbuf *b, err_t e) {
  (void)arg, (void)e;
  if (!b) return finish(p);
  tcp_recved(p, b->tot_len);
  pbuf_free(b);
  return ERR_OK;
}
static err_t echo(void *arg, struct tcp_pcb *p, struct pbuf *b, err_t e) {
  (void)arg, (void)e;
  if (!b) return finish(p);
  for (struct pbuf *q = b; q; q = q->next) tcp_write(p, q->payload, q->len, TCP_WRITE_FLAG_COPY);
  tcp_recved(p, b->tot_len);
  pbuf_free(b);
  return tcp_output(p);
}
static err_t fill(void *arg, struct tcp_pcb *p, u16_t acknowledged) {
  (void)arg, (void)acknowledged;
  for (u16_t n; (n = (u16_t)LWIP_MIN(tcp_sndbuf(p), WRITE)) >= TCP_MSS;)
    if (tcp_write(p, zeros, n, 0) != ERR_OK) break;
  return tcp_output(p);
}
static err_t accepted(void *arg, struct tcp_pcb *p, err_t e) {
  int port = *(const int *)arg;
  if (e != ERR_OK) return e;
  tcp_nagle_disable(p);
  tcp_recv(p, port == PORT_ECHO ? echo : sink);
  if (port != PORT_SOURCE) return ERR_OK;
  tcp_sent(p, fill);
  return fill(NULL, p, 0);
}

static void udp_sink(void *arg, struct udp_pcb *u, struct pbuf *p, const ip_addr_t *from, u16_t port) {
  (void)arg;
  if (p->tot_len > 1) datagrams++;
  else {
    struct pbuf *answer = pbuf_alloc(PBUF_TRANSPORT, sizeof datagrams, PBUF_RAM);
    if (answer) {
      pbuf_take(answer, &datagrams, sizeof datagrams);
      udp_sendto(u, answer, from, port);
      pbuf_free(answer);
    }
  }
  pbuf_free(p);
}
static void udp_source(void *arg, struct udp_pcb *u, struct pbuf *p, const ip_addr_t *from, u16_t port) {
  (void)arg;
  struct udp_request q;
  if (pbuf_copy_partial(p, &q, sizeof q, 0) == sizeof q && q.size <= FRAME) {
    blast.on = true;
    blast.end = now() + q.milliseconds / 1e3;
    blast.size = (u16_t)q.size;
    blast.to = *from;
    blast.port = port;
    blast.pcb = u;
  }
  pbuf_free(p);
}
static void send_burst(void) {
  for (int i = 0; i < BURST / 2; i++) {
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, blast.size, PBUF_RAM);
    if (!p) break;
    memset(p->payload, 0, blast.size);
    udp_sendto(blast.pcb, p, &blast.to, blast.port);
    pbuf_free(p);
  }
  blast.on = now() < blast.end;
}

static void listen_all(void) {
  static const int ports[] = {PORT_ECHO, PORT_SINK, PORT_SOURCE};
  for (int i = 0; i < 3; i++) {
    struct tcp_pcb *p = tcp_new();
    if (!p || tcp_bind(p, IP_ADDR_ANY, (u16_t)ports[i]) != ERR_OK || !(p = tcp_listen_with_backlog(p, 255))) fail("listen");
    tcp_arg(p, (void *)&ports[i]);
    tcp_accept(p, accepted);
  }
  for (int i = 1; i < 3; i++) {
    struct udp_pcb *u = udp_new();
    if (!u || udp_bind(u, IP_ADDR_ANY, (u16_t)ports[i]) != ERR_OK) fail("udp_bind");
    udp_recv(u, i == 1 ? udp_sink : udp_source, NULL);
  }
}

static void receive(int i) {
  static char frame[FRAME];
  for (int k = 0; k < BURST; k++) {
    ssize_t n = read(fds[i], frame, sizeof frame);
    if (n <= 0) return;
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
    if (!p) return;
    pbuf_take(p, frame, (u16_t)n);
    if (interfaces[i].input(p, &interfaces[i]) != ERR_OK) pbuf_free(p);
  }
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 7) {
    fprintf(stderr, "lwip NETNS TAP ADDRESS [NETNS2 TAP2 ADDRESS2]\n");
    return 2;
  }
  count = argc / 3;
  for (int i = 0; i < count; i++) fds[i] = tap(argv[3 * i + 1], argv[3 * i + 2], 0);
  // Its thread has the timers; frames are given to the stack in this one, under the stack's lock.
  tcpip_init(NULL, NULL);
  LOCK_TCPIP_CORE();
  for (int i = 0; i < count; i++) {
    ip4_addr_t address, mask, gateway = {0};
    IP4_ADDR(&mask, 255, 255, 255, 0);
    if (!ip4addr_aton(argv[3 * i + 3], &address)) fail(argv[3 * i + 3]);
    netif_add(&interfaces[i], &address, &mask, &gateway, &fds[i], start, ethernet_input);
    netif_set_up(&interfaces[i]);
  }
  netif_set_default(&interfaces[0]);
  listen_all();
  UNLOCK_TCPIP_CORE();
  puts("listening");
  fflush(stdout);
  struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
  while (poll(p, (nfds_t)count, blast.on ? 0 : -1) >= 0 || errno == EINTR) {
    LOCK_TCPIP_CORE();
    for (int i = 0; i < count; i++) receive(i);
    if (blast.on) send_burst();
    UNLOCK_TCPIP_CORE();
  }
  fail("poll");
}
