// An extension of stack workers under test: UDP sockets driven by the loop's readiness edges, as an application's are.
import * as A from '../../host/abi/constants.js';
import type { Extension, StackContext } from '../../host/threads/stack_worker.js';

const AF_INET = 2, SOCK_DGRAM = 2;
const NAME = A.ARG + 256;

export interface SendOrder {
  /** IPv4, dotted. */
  to: string;
  port: number;
  size: number;
  count: number;
  /** Datagrams on their way at a time. */
  window: number;
}
export interface SendResult {
  /** Replies whose bytes were right. */
  good: number;
  bad: number;
  /** ns from the first datagram to the last reply. */
  ns: number;
}

/** Requests: `echo` (port) serves for ever; `exchange` (SendOrder) sends and counts the replies, at most 5 s. */
export function attach(stack: StackContext): Extension {
  const { core, loop } = stack, x = core.exports, { view, u8 } = core.mem;
  const sockets = new Map<number, (mask: number) => void>();
  loop.onSocketEvents((h, mask) => sockets.get(h)?.(mask));

  const check = (r: number, what: string): number => {
    if (r < 0) throw Object.assign(new Error(`${what}: ${A.ErrnoName[-r]}`), { code: A.ErrnoName[-r] });
    return r;
  };
  const name = (ip: string, port: number): void => {
    u8.set([AF_INET, 0, port >> 8, port & 255, ...ip.split('.').map(Number), 0, 0, 0, 0, 0, 0, 0, 0], NAME);
  };
  const message = (nameLength: number, length: number): void => {
    u8.fill(0, A.ARG, A.ARG + A.MSGHDR_SIZE);
    view.setUint32(A.ARG + A.MSG_NAME, NAME, true);
    view.setUint32(A.ARG + A.MSG_NAMELEN, nameLength, true);
    view.setUint32(A.ARG + A.MSG_DATA, A.DATA, true);
    view.setUint32(A.ARG + A.MSG_DATALEN, length, true);
  };
  const receive = (h: number): number => {
    message(16, 65535);
    return x.sys_recvmsg(h, A.ARG, 0);
  };
  const open = (port: number): number => {
    const h = check(x.sys_socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    name('0.0.0.0', port);
    check(x.sys_bind(h, NAME, 16), 'bind');
    return h;
  };

  stack.handle('echo', (port, reply) => {
    const h = open(port as number);
    sockets.set(h, () => {
      for (let n = receive(h); n >= 0; n = receive(h)) {
        message(16, n); // NAME and DATA still hold what came
        x.sys_sendmsg(h, A.ARG, 0);
      }
    });
    reply(null);
  });

  stack.handle('exchange', (body, reply) => {
    const o = body as SendOrder, h = open(0), start = loop.now(), result: SendResult = { good: 0, bad: 0, ns: 0 };
    let sent = 0;
    const finish = (): void => {
      if (!sockets.delete(h)) return;
      loop.clearTimer(timer);
      result.ns = loop.now() - start;
      x.sys_close(h);
      reply(result);
    };
    const timer = loop.setTimer(start + 5e9, finish);
    const send = (): void => {
      for (; sent < o.count && sent - result.good - result.bad < o.window; sent++) {
        name(o.to, o.port);
        message(16, o.size);
        u8.fill(sent & 255, A.DATA, A.DATA + o.size);
        if (x.sys_sendmsg(h, A.ARG, 0) < 0) return;
      }
    };
    sockets.set(h, () => {
      for (let n = receive(h); n >= 0; n = receive(h)) {
        const same = n === o.size && u8.subarray(A.DATA, A.DATA + n).every((b) => b === u8[A.DATA]);
        if (same) result.good++;
        else result.bad++;
      }
      send();
      if (result.good + result.bad === o.count) finish();
    });
    send();
  });

  return {
    close(dead) {
      if (!dead) for (const h of sockets.keys()) x.sys_close(h);
    },
  };
}
