// The native functions of the glue (host/posix/native/*.c) as TypeScript sees them. Every result is a number, -errno
// when the call failed. `record` is a notified call (88 bytes, see call.ts); `memory` any typed array.

export interface PosixNative {
  /**
   * Next call of the next `wait` µs (negative: the descriptor has been seen readable) into the record: 0; -EAGAIN none, -ENOENT it was
   * interrupted, -EPIPE every program has gone. A copy of the descriptor that the call means is kept until it is answered.
   */
  posixNotifyReceive(notify: number, record: Uint8Array, wait: number): number;
  /** flags 1: the kernel goes on with the call. -ENOENT: it was interrupted, the answer did not arrive. */
  posixNotifyAnswer(notify: number, record: Uint8Array, value: number, errno: number, flags: number): number;
  /** Answer with a copy of one of our descriptors: its number there. */
  posixNotifyGiveFd(notify: number, record: Uint8Array, fd: number, cloexec: number): number;
  /** Put a copy of `fd` in the place of the task's `there`; the call still waits. */
  posixNotifyReplaceFd(notify: number, record: Uint8Array, fd: number, there: number, cloexec: number): number;
  posixNotifyValid(notify: number, record: Uint8Array): number;
  posixRead(pid: number, address: number, memory: Uint8Array, offset: number, length: number): number;
  posixWrite(pid: number, address: number, memory: Uint8Array, offset: number, length: number): number;
  /** The next message of the task's descriptor: its bytes. */
  posixTaskReceive(tid: number, fd: number, memory: Uint8Array, offset: number, room: number, flags: number): number;
  /** What sendto sends: `length` bytes of `buffer` to `data`, and the name; -EINTR when the call waits no more (posixNotifyValid). */
  posixCollect(
    tid: number, memory: Uint8Array, data: number, length: number, buffer: number,
    name: number, nameLength: number, nameThere: number, notify: number, record: Uint8Array,
  ): number;
  /** What recvfrom stores: `length` bytes at `data` to `buffer`, and unless `nameThere` is 0 the name, cut, with its full length. */
  posixDeliver(
    tid: number, memory: Uint8Array, data: number, length: number, buffer: number,
    name: number, nameLength: number, nameThere: number, lengthThere: number,
  ): number;
  /**
   * The msghdr (size 56, one) or the mmsghdrs (64) of a task, for the functions of messages: how many are good before one that is not, at most
   * MANY of task_messages.ts; the error of the first.
   */
  posixReadHeaders(tid: number, address: number, count: number, size: number): number;
  /** What recvmsg and recvmmsg store into the headers read last: the messages of the list (task_messages.ts): how many before one that could not be. */
  posixStoreMessages(count: number, memory: Uint8Array, list: Uint32Array, flags: number): number;
  /**
   * What sendmsg and sendmmsg send by the headers read last: data and ancillary data into the places from `data` and `control` on, names from `names`
   * on, noted in the list: how many before one that could not be, or had no room.
   */
  posixLoadMessages(
    count: number, memory: Uint8Array, list: Uint32Array, data: number, dataEnd: number, control: number, controlEnd: number, names: number,
  ): number;
  /** The results in the list into the msg_len of the mmsghdrs read last. */
  posixStoreCounts(count: number, list: Uint32Array): number;
  /** `length` bytes at `offset` to `address`, and the length as an int to `lengthAddress`. */
  posixStore(pid: number, memory: Uint8Array, offset: number, length: number, address: number, lengthAddress: number): number;
  /** File status flags of the task's descriptor. */
  posixTaskFlags(tid: number, fd: number, inode: number): number;
  /** The call received last is held: forget the copy of its descriptor. */
  posixTaskRelease(): number;
  /** out = [the program's end, ours]; inode of the program's end. */
  posixPair(type: number, out: Int32Array): number;
  /** out = [a unix stream socket without a peer]; its inode. */
  posixStream(out: Int32Array): number;
  /** Give the program's end a peer and prepare it: our end; out = [the bytes that fill it]. */
  posixJoin(tid: number, there: number, inode: number, quiet: number, out: Int32Array): number;
  /** Make the program's end look unconnected: full, and when `quiet` without any wait. The bytes in it. */
  posixPrepare(end: number, quiet: number): number;
  /** Transfers between a descriptor and the (address, length) pairs at `at`. */
  posixReadv(fd: number, memory: Uint8Array, at: number, count: number, limit: number): number;
  posixWritev(fd: number, memory: Uint8Array, at: number, count: number): number;
  posixReceive(fd: number, memory: Uint8Array, offset: number, room: number, flags: number): number;
  /** Messages a program wrote, into slots of `size` bytes from `at` on (native/written.c); -EPIPE when there are none and it has closed its end. */
  posixWritten(fd: number, memory: Uint8Array, at: number, size: number, count: number, lengths: Uint32Array): number;
  /** Message i of these, longer than its slot, whole at `to`; its bytes. */
  posixWrittenWhole(i: number, memory: Uint8Array, slot: number, to: number): number;
  posixSend(fd: number, memory: Uint8Array, offset: number, length: number, flags: number): number;
  posixQueued(fd: number, command: number): number;
  posixPoll(fd: number, events: number): number;
  posixSetInt(fd: number, option: number, value: number): number;
  posixSetTimeout(fd: number, option: number, microseconds: number): number;
  /** Undo posixPrepare, which wrote `filling` bytes, and set options of the program's end (times in µs, negative: none). */
  posixOpenPair(
    tid: number, there: number, inode: number, own: number, sendBuffer: number, filling: number,
    lowWater: number, receiveTimeout: number, sendTimeout: number,
  ): number;
  posixNonblock(fd: number): number;
  posixShutdown(fd: number, how: number): number;
  /** Wake caller and supervisor on one processor; -errno where the kernel cannot. */
  posixNotifySync(notify: number): number;
  /** Close what is kept of threads that have called. */
  posixForgetTasks(): number;
  posixClose(fd: number): number;
  posixOwnInode(fd: number): number;
  /** Descriptors sent over the socket, into `out`: how many. */
  posixReceiveFds(socket: number, milliseconds: number, out: Int32Array): number;
  /** The next frame of a TAP; its length. */
  posixFrameRead(fd: number, memory: Uint8Array, offset: number, room: number): number;
  posixFrameWrite(fd: number, memory: Uint8Array, offset: number, length: number): number;
  /** 1 while some process holds the unix socket with this inode, 0 when none does. */
  posixUnixAlive(inode: number): number;
  posixEpoll(): number;
  /** Operations of epoll_ctl; `id` comes back with the events. */
  posixEpollControl(epoll: number, operation: number, fd: number, events: number, id: number): number;
  /** What is ready now as (id, events) in `ready`; the number of pairs. */
  posixEpollReady(epoll: number, ready: Uint32Array, pairs: number): number;
  /** Make the program's end of a SOCK_DGRAM pair poll ERR (errors.c). */
  posixRaise(own: number, end: number): number;
  /** SO_ERROR of a descriptor, taken. */
  posixTakeError(fd: number): number;
  /** Give a new pair the settings of the one it replaces, and what posixRaise needs. */
  posixErrorPair(own: number, end: number, newOwn: number, newEnd: number): number;
  /** 1 when the task's descriptor is closed by exec, 0 when not. */
  posixTaskCloexec(tid: number, fd: number): number;
  posixGuardianStart(): number;
  /** adopt 0: when the runtime is gone the guardian answers the calls of this program; 1: from now on. */
  posixGuardNotify(notify: number, adopt: number): number;
  posixGuardForget(notify: number): number;
  posixGuard(data: number, tid: number, fd: number, inode: number): number;
  posixFindEnd(tid: number, fd: number, inode: number): number;
}
