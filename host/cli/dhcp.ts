// Extension of the stack worker: DHCP clients for the interfaces that want one.
import { randomInt } from 'node:crypto';
import { parseMac } from '../config/address.js';
import { DhcpClient, type Lease } from '../dhcp/client.js';
import { changeLease } from '../dhcp/lease.js';
import { CLIENT_PORT } from '../dhcp/message.js';
import { CoreSockets } from '../sockets/core_sockets.js';
import type { DatagramSocket } from '../sockets/endpoints.js';
import { SOL_SOCKET, SO_BROADCAST } from '../sockets/linux.js';
import type { Extension, StackContext } from '../threads/stack_worker.js';

const SO_BINDTODEVICE = 25;

/** What request `dhcp-leases` answers, once all interfaces have a lease or the time (ms) given is over: interface name -> lease. */
export type Leases = Record<string, Lease>;

function socketOf(sockets: CoreSockets, name: string): DatagramSocket {
  const socket = sockets.datagram(4);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${name}\0`));
  socket.setOption(SOL_SOCKET, SO_BROADCAST, 1);
  socket.bind('0.0.0.0', CLIENT_PORT);
  return socket;
}

export function attachDhcp(stack: StackContext): Extension {
  const { core, loop } = stack, leases: Leases = {}, clients = new Map<string, DhcpClient>();
  let sockets = new CoreSockets(core, loop);
  loop.onSocketEvents((handle, mask) => { sockets.event(handle, mask); });
  const wanted = stack.config.interfaces.filter((i) => i.dhcp);
  const waiting = new Set<() => void>();
  const settle = (): void => { if (wanted.every((i) => leases[i.name])) for (const w of waiting) w(); };
  for (const { name } of wanted) {
    const { ifindex, mac } = stack.interfaces.find((i) => i.name === name)!;
    const change = (lease: Lease | undefined): void => {
      loop.stamp();
      changeLease(core, ifindex, leases[name], lease);
      stack.settingsChanged();
      loop.requestPoll();
    };
    clients.set(name, new DhcpClient({
      now: () => loop.now(), setTimer: (at, fn) => loop.setTimer(at, fn), clearTimer: (id) => loop.clearTimer(id), random: () => randomInt(2 ** 32),
      bound(lease) {
        change(lease);
        leases[name] = lease;
        stack.log(1, `${name}: ${lease.address}/${lease.prefix} from ${lease.server} for ${lease.seconds} s`);
        settle();
      },
      lost() {
        change(undefined);
        delete leases[name];
        stack.log(1, `${name}: the lease has ended`);
      },
    }, socketOf(sockets, name), parseMac(mac)!));
  }
  stack.handle('dhcp-leases', (limit, reply) => {
    const answer = (): void => {
      if (!waiting.delete(answer)) return;
      loop.clearTimer(timer);
      reply(leases);
    };
    waiting.add(answer);
    const timer = loop.setTimer(loop.now() + Number(limit) * 1e6, answer);
    settle();
  });
  return {
    close: (dead) => { if (!dead) for (const c of clients.values()) c.close(); },
    restarted: () => {
      sockets = new CoreSockets(core, loop);
      // Once the interfaces are up again, with the addresses that were leased.
      loop.setTimer(loop.now(), () => {
        loop.stamp();
        for (const [name, c] of clients) c.reopen(socketOf(sockets, name));
      });
    },
  };
}
