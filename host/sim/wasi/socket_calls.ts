// The import module `nuse_socket`: Linux's socket calls for WASI programs, with Linux's numbers and structures. Every call gives >= 0 or
// -errno; those that wait do so in virtual time. sdk/wasi/nuse_socket.h and nuse_socket.ts are what programs are written against.
//
//   socket(family, type, protocol) -> fd          type may have SOCK_NONBLOCK
//   bind(fd, address, length)                     connect(fd, address, length)          waits
//   listen(fd, backlog)                           accept(fd, address, &length, flags) -> fd   waits
//   sendto(fd, data, length, flags, address, length) -> bytes     waits
//   recvfrom(fd, data, length, flags, address, &length) -> bytes  waits
//   shutdown(fd, how)                             close is fd_close; read and write are fd_read and fd_write
//   getsockopt(fd, level, name, value, &length)   setsockopt(fd, level, name, value, length)
//   getsockname(fd, address, &length)             getpeername(fd, address, &length)
//   poll(pollfds, count, ms) -> ready             waits
//   resolve(name, length, family, addresses, count) -> how many struct sockaddr_in6 (28 bytes each) were written
//   format(family, address, text, room) -> length of the text
import { Errno } from '../../abi/constants.js';
import { formatIp, parseIp } from '../../config/address.js';
import { writeSockaddr } from '../../sockets/address.js';
import { AF_INET, AF_INET6, SOL_SOCKET } from '../../sockets/linux.js';
import type { Attempt } from './coroutine.js';
import { CallError } from './guest_memory.js';
import { GuestSocket } from './guest_socket.js';
import type { Calls, WasiProcess } from './process.js';

const SOCK_TYPES = 0xf, SOCK_NONBLOCK = 0x800;
/** With struct timeval, of 32 and of 64 bits a field. */
const SO_RCVTIMEO = [20, 66], SO_SNDTIMEO = [21, 67];
const POLLNVAL = 0x20, POLLFD = 8, POLLFDS_MAX = 4096;
const ADDRESS = 28;
/** Longest name that is looked up: longer than any of DNS. */
const NAME_MAX = 1024;

export function socketCalls(p: WasiProcess): Calls {
  const { memory: m, options: { node: { sockets } } } = p;
  const of = (fd: number): GuestSocket => {
    const d = p.descriptor(fd);
    if (!(d instanceof GuestSocket)) throw new CallError(Errno.ENOTSOCK);
    return d;
  };
  /** A name for the program: as much as it has room for, and how long it is. */
  const give = (name: Uint8Array | number, at: number, length: number): number => {
    if (typeof name === 'number') return name;
    if (!at) return 0;
    const room = m.u32(length);
    m.put(at, name.subarray(0, room));
    m.putU32(length, name.length);
    return 0;
  };
  return {
    direct: {
      socket: (family: number, type: number, protocol: number) => {
        const s = GuestSocket.open(sockets, family, type & SOCK_TYPES, protocol, p, (type & SOCK_NONBLOCK) !== 0);
        return typeof s === 'number' ? s : p.install(s);
      },
      bind: (fd: number, address: number, length: number) => of(fd).bind(m.bytes(address, length)),
      listen: (fd: number, backlog: number) => of(fd).listen(backlog),
      shutdown: (fd: number, how: number) => of(fd).shutdown(how),
      getsockname: (fd: number, address: number, length: number) => give(of(fd).name(false), address, length),
      getpeername: (fd: number, address: number, length: number) => give(of(fd).name(true), address, length),
      setsockopt: (fd: number, level: number, name: number, value: number, length: number) => setOption(of(fd), level, name, m.bytes(value, length)),
      getsockopt: (fd: number, level: number, name: number, value: number, length: number) => {
        const bytes = of(fd).getOption(level, name, m.u32(length));
        return give(bytes, value, length);
      },
      resolve: (name: number, length: number, family: number, out: number, room: number) => (length >>> 0 > NAME_MAX ? -Errno.EINVAL : resolve(p, m.text(name, length), family, out, room)),
      format: (family: number, address: number, out: number, room: number) => {
        const text = new TextEncoder().encode(formatIp(m.bytes(address, family === AF_INET ? 4 : 16)));
        if (text.length + 1 > room) return -Errno.ENOBUFS;
        m.put(out, text);
        m.putU8(out + text.length, 0);
        return text.length;
      },
    },
    waiting: {
      connect: (fd: number, address: number, length: number) => of(fd).connect(m.bytes(address, length)),
      accept: (fd: number, address: number, length: number, flags: number) => of(fd).accept((s) => {
        const r = p.install(s);
        if (r >= 0) give(s.name(true), address, length);
        return r;
      }, (flags & SOCK_NONBLOCK) !== 0),
      sendto: (fd: number, data: number, length: number, flags: number, address: number, addressLength: number) =>
        of(fd).send([m.bytes(data, length)], flags, address ? m.bytes(address, addressLength) : undefined),
      recvfrom: (fd: number, data: number, length: number, flags: number, address: number, addressLength: number) =>
        of(fd).receive([m.bytes(data, length)], flags, address ? (name) => give(name, address, addressLength) : undefined),
      poll: (fds: number, count: number, ms: number) => poll(p, fds, count, ms),
    },
  };
}

function setOption(s: GuestSocket, level: number, name: number, value: Uint8Array): number {
  const receives = SO_RCVTIMEO.includes(name);
  if (level !== SOL_SOCKET || !(receives || SO_SNDTIMEO.includes(name))) return s.setOption(level, name, value);
  if (value.length < 8) return -Errno.EINVAL;
  const v = new DataView(value.buffer, value.byteOffset, value.length), wide = value.length >= 16;
  const us = wide ? Number(v.getBigInt64(0, true)) * 1e6 + Number(v.getBigInt64(8, true)) : v.getInt32(0, true) * 1e6 + v.getInt32(4, true);
  if (us < 0) return -Errno.EDOM;
  s[receives ? 'receiveTimeout' : 'sendTimeout'] = us ? us * 1000 : Infinity;
  return 0;
}

function poll(p: WasiProcess, fds: number, count: number, ms: number): Attempt {
  if (count >>> 0 > POLLFDS_MAX) throw new CallError(Errno.EINVAL);
  const { memory: m } = p, deadline = ms < 0 ? Infinity : p.now + ms * 1e6;
  return () => {
    let ready = 0;
    for (let at = fds; at < fds + POLLFD * count; at += POLLFD) {
      const fd = m.i32(at), bits = fd < 0 ? 0 : readiness(p, fd, m.u16(at + 4));
      m.putU16(at + 6, bits);
      if (bits) ready++;
    }
    if (ready || p.now >= deadline) return ready;
    if (deadline < Infinity) p.wakeAt(deadline);
    return undefined;
  };
}
const ALWAYS = 0x18;
function readiness(p: WasiProcess, fd: number, wanted: number): number {
  try {
    return p.descriptor(fd).poll() & (wanted | ALWAYS);
  } catch (error) {
    if (error instanceof CallError) return POLLNVAL;
    throw error;
  }
}

function resolve(p: WasiProcess, name: string, family: number, out: number, room: number): number {
  const literal = parseIp(name), found = literal ? [name] : p.options.lookup(name);
  let n = 0;
  for (const text of found) {
    const bytes = parseIp(text)!, own = bytes.length === 4 ? AF_INET : AF_INET6;
    if ((family && family !== own) || n === room) continue;
    const entry = p.memory.bytes(out + ADDRESS * n++, ADDRESS);
    entry.fill(0);
    writeSockaddr(new DataView(entry.buffer, entry.byteOffset, ADDRESS), 0, own === AF_INET ? 4 : 6, { bytes, port: 0, scope: 0 });
  }
  return n || -Errno.ENOENT;
}
