// The core's exports as TypeScript sees them (assembly/index.ts). All arguments and results are 32-bit numbers;
// a negative result of a sys_* or dev_* call is -errno. `ptr` arguments are byte offsets in linear memory.

export interface CoreExports {
  init(): void;
  poll(nrx: number): void;
  events(max: number): number;
  /** Gathers the frame of a transmit descriptor at DATA and writes its digest to HDR_DIGEST; its length. */
  frame_take(descriptor: number): number;
  dev_register(vif: number, namePtr: number, macPtr: number, mtu: number, features: number): number;
  drop_counters(): number;
  mib_counters(): number;
  usage(what: number): number;
  ctl_sysctl_set(key: number, value: number): number;
  ctl_sysctl_get(key: number): number;
  /** keyPtr: WORKER_KEY_SIZE bytes. */
  ctl_worker(index: number, count: number, keyPtr: number): number;
  ctl_device_conf_set(ifindex: number, key: number, value: number): number;
  ctl_device_conf_get(ifindex: number, key: number): number;
  /** Give socket h all packets of its interface that find no socket. */
  ctl_tproxy(h: number): number;
  /** Writes the record (REQ_SIZE bytes) of a connection request that waits for a verdict. */
  sys_request_take(h: number, ptr: number): number;
  sys_request_answer(h: number, ptr: number, errno: number): number;
  /** The ICMP error meaning errno; ptr: sockaddr_in6 of the sender, then of the destination. */
  sys_reject(ifindex: number, proto: number, ptr: number, quotePtr: number, len: number, errno: number): number;
  sys_socket(family: number, type: number, protocol: number): number;
  sys_bind(h: number, addrPtr: number, len: number): number;
  sys_connect(h: number, addrPtr: number, len: number): number;
  sys_listen(h: number, backlog: number): number;
  sys_accept(h: number): number;
  /** Writes a sockaddr at addrPtr (128 bytes of room); its length. */
  sys_getsockname(h: number, addrPtr: number): number;
  sys_getpeername(h: number, addrPtr: number): number;
  sys_setsockopt(h: number, level: number, name: number, ptr: number, len: number): number;
  /** Writes at most len bytes at ptr; the length written. */
  sys_getsockopt(h: number, level: number, name: number, ptr: number, len: number): number;
  sys_shutdown(h: number, how: number): number;
  sys_close(h: number): number;
  /** ptr: the ioctl's argument structure, copied in and out by the caller (at most 40 bytes; SIOCGIFCONF's buffer follows it). */
  sys_ioctl(h: number, cmd: number, ptr: number): number;
  /** One message; msghdr record of abi.ts. Bytes sent. */
  sys_sendmsg(h: number, msgPtr: number, flags: number): number;
  /** One message, or stream bytes. Bytes received. */
  sys_recvmsg(h: number, msgPtr: number, flags: number): number;
  /** Stream sockets: room for up to `want` bytes as (ptr, len) pairs at IOV; number of pairs, 0 when full. */
  sys_tx_reserve(h: number, want: number): number;
  /** The first n bytes of the reserved room now hold data (flags: MSG_OOB, MSG_MORE). */
  sys_tx_commit(h: number, n: number, flags: number): number;
  /** Stream sockets: readable bytes as (ptr, len) pairs at IOV; number of pairs, 0 = none, -ENODATA-free EOF is told by sys_poll. */
  sys_rx_peek(h: number, want: number): number;
  /** n bytes of what sys_rx_peek showed were taken. */
  sys_rx_consume(h: number, n: number): number;
  /** Level readiness, Poll bits. */
  sys_poll(h: number): number;
}
