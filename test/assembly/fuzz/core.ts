// The core's exports, as the fuzz driver imports them: a module of its own in the upper part of the same linear memory.
@external("core", "poll") export declare function poll(nrx: u32): void;
@external("core", "events") export declare function events(max: u32): u32;
@external("core", "usage") export declare function usage(what: u32): u32;
@external("core", "ctl_sysctl_set") export declare function ctl_sysctl_set(key: u32, value: u32): i32;
@external("core", "ctl_sysctl_get") export declare function ctl_sysctl_get(key: u32): u32;
@external("core", "ctl_device_conf_set") export declare function ctl_device_conf_set(ifindex: u32, key: u32, value: u32): i32;
@external("core", "ctl_device_conf_get") export declare function ctl_device_conf_get(ifindex: u32, key: u32): i32;
@external("core", "ctl_tproxy") export declare function ctl_tproxy(h: u32): i32;
@external("core", "sys_request_take") export declare function sys_request_take(h: u32, p: usize): i32;
@external("core", "sys_request_answer") export declare function sys_request_answer(h: u32, p: usize, errno: u32): i32;
@external("core", "sys_reject") export declare function sys_reject(ifindex: u32, proto: u32, p: usize, quote: usize, len: u32, errno: u32): i32;
@external("core", "sys_socket") export declare function sys_socket(family: u32, type: u32, protocol: u32): i32;
@external("core", "sys_bind") export declare function sys_bind(h: u32, p: usize, len: u32): i32;
@external("core", "sys_connect") export declare function sys_connect(h: u32, p: usize, len: u32): i32;
@external("core", "sys_listen") export declare function sys_listen(h: u32, backlog: i32): i32;
@external("core", "sys_accept") export declare function sys_accept(h: u32): i32;
@external("core", "sys_getsockname") export declare function sys_getsockname(h: u32, p: usize): i32;
@external("core", "sys_getpeername") export declare function sys_getpeername(h: u32, p: usize): i32;
@external("core", "sys_setsockopt") export declare function sys_setsockopt(h: u32, level: u32, name: u32, p: usize, len: u32): i32;
@external("core", "sys_getsockopt") export declare function sys_getsockopt(h: u32, level: u32, name: u32, p: usize, len: u32): i32;
@external("core", "sys_shutdown") export declare function sys_shutdown(h: u32, how: u32): i32;
@external("core", "sys_close") export declare function sys_close(h: u32): i32;
@external("core", "sys_ioctl") export declare function sys_ioctl(h: u32, cmd: u32, p: usize): i32;
@external("core", "sys_sendmsg") export declare function sys_sendmsg(h: u32, msg: usize, flags: u32): i32;
@external("core", "sys_recvmsg") export declare function sys_recvmsg(h: u32, msg: usize, flags: u32): i32;
@external("core", "sys_tx_reserve") export declare function sys_tx_reserve(h: u32, want: u32): i32;
@external("core", "sys_tx_commit") export declare function sys_tx_commit(h: u32, n: u32, flags: u32): i32;
@external("core", "sys_rx_peek") export declare function sys_rx_peek(h: u32, want: u32): i32;
@external("core", "sys_rx_consume") export declare function sys_rx_consume(h: u32, n: u32): i32;
@external("core", "sys_poll") export declare function sys_poll(h: u32): i32;

/** A broken promise of the core: what (a number of driver.ts's list), and two figures. Does not return. */
@external("host", "fail") export declare function fail(what: u32, a: u32, b: u32): void;
/** A frame of the core (out = 1) or to it, for captures; called only while the host asked for it. */
@external("host", "trace") export declare function trace(vif: u32, out: u32, p: usize, len: u32): void;
