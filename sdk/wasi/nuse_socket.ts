// Sockets for AssemblyScript programs built with @assemblyscript/wasi-shim, over the import module `nuse_socket` of the simulator
// (docs/simulator.md, "Applications"): first the calls as they are, with Linux's numbers and structures and -errno for failures, then
// TCP and UDP as classes. Calls wait in virtual time. A program that waits by itself takes `sleep`.
//
//   const s = TcpStream.connect("server", 80);
//   s.write(String.UTF8.encode("GET / HTTP/1.0\r\n\r\n"));
import { clockid, errno, fd_close, poll_oneoff } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

export const AF_INET: i32 = 2, AF_INET6: i32 = 10;
export const SOCK_STREAM: i32 = 1, SOCK_DGRAM: i32 = 2, SOCK_NONBLOCK: i32 = 0x800;
export const SHUT_RD: i32 = 0, SHUT_WR: i32 = 1, SHUT_RDWR: i32 = 2;
export const MSG_PEEK: i32 = 2, MSG_DONTWAIT: i32 = 0x40, MSG_WAITALL: i32 = 0x100, MSG_MORE: i32 = 0x8000;
export const SOL_SOCKET: i32 = 1, SO_REUSEADDR: i32 = 2, SO_ERROR: i32 = 4, SO_SNDBUF: i32 = 7, SO_RCVBUF: i32 = 8;
export const POLLIN: i32 = 1, POLLOUT: i32 = 4, POLLERR: i32 = 8, POLLHUP: i32 = 16, POLLNVAL: i32 = 32;
export const EAGAIN: i32 = 11, EPIPE: i32 = 32, EADDRINUSE: i32 = 98, ECONNRESET: i32 = 104, ETIMEDOUT: i32 = 110, ECONNREFUSED: i32 = 111, EINPROGRESS: i32 = 115;

@external("nuse_socket", "socket")
export declare function socket(family: i32, type: i32, protocol: i32): i32;
@external("nuse_socket", "bind")
export declare function bind(fd: i32, address: usize, length: u32): i32;
@external("nuse_socket", "listen")
export declare function listen(fd: i32, backlog: i32): i32;
/** `length`: where the room for the address stands, and how long it was; `flags`: SOCK_NONBLOCK. */
@external("nuse_socket", "accept")
export declare function accept(fd: i32, address: usize, length: usize, flags: i32): i32;
@external("nuse_socket", "connect")
export declare function connect(fd: i32, address: usize, length: u32): i32;
@external("nuse_socket", "sendto")
export declare function sendto(fd: i32, data: usize, size: u32, flags: i32, address: usize, length: u32): i32;
@external("nuse_socket", "recvfrom")
export declare function recvfrom(fd: i32, data: usize, size: u32, flags: i32, address: usize, length: usize): i32;
@external("nuse_socket", "shutdown")
export declare function shutdown(fd: i32, how: i32): i32;
@external("nuse_socket", "getsockopt")
export declare function getsockopt(fd: i32, level: i32, name: i32, value: usize, length: usize): i32;
@external("nuse_socket", "setsockopt")
export declare function setsockopt(fd: i32, level: i32, name: i32, value: usize, length: u32): i32;
@external("nuse_socket", "getsockname")
export declare function getsockname(fd: i32, address: usize, length: usize): i32;
@external("nuse_socket", "getpeername")
export declare function getpeername(fd: i32, address: usize, length: usize): i32;
/** `fds`: struct pollfd { i32 fd; i16 events, revents }; `ms` < 0: for ever. */
@external("nuse_socket", "poll")
export declare function poll(fds: usize, count: u32, ms: i32): i32;
/** Addresses of a name (UTF-8), each as struct sockaddr_in or sockaddr_in6 in ADDRESS bytes; how many. */
@external("nuse_socket", "resolve")
export declare function resolve(name: usize, length: u32, family: i32, addresses: usize, count: u32): i32;

/** Bytes of a socket address here. */
export const ADDRESS: i32 = 28;

/** The result, or the end of the program with what has failed. */
export function must(result: i32, what: string): i32 {
  if (result < 0) throw new Error(what + ": errno " + (-result).toString());
  return result;
}

/** Write the address of a node or a numeric address, with the port; its length. Ends the program when there is none. */
function addressOf(host: string, port: u16, at: usize): u32 {
  const name = String.UTF8.encode(host);
  must(resolve(changetype<usize>(name), name.byteLength, AF_INET, at, 1), host);
  store<u16>(at + 2, bswap(port));
  return 16;
}

class Socket {
  constructor(readonly fd: i32) {}
  setOption(level: i32, name: i32, value: i32): void {
    const room = new StaticArray<i32>(1);
    room[0] = value;
    must(setsockopt(this.fd, level, name, changetype<usize>(room), 4), "setsockopt");
  }
  close(): void { fd_close(this.fd); }
}

/** A TCP connection. What fails, except for the peer's reset, ends the program. */
export class TcpStream extends Socket {
  /** Connect to a node by its name or address. */
  static connect(host: string, port: u16): TcpStream {
    const to = new StaticArray<u8>(ADDRESS), fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(fd, changetype<usize>(to), addressOf(host, port, changetype<usize>(to))), "connect " + host);
    return new TcpStream(fd);
  }
  /** Bytes read, at most as many as the buffer has; 0: the end; -errno. */
  read(into: ArrayBuffer): i32 { return recvfrom(this.fd, changetype<usize>(into), into.byteLength, 0, 0, 0); }
  /** Write all of the first `length` bytes; -errno when that fails. */
  write(from: ArrayBuffer, length: i32 = from.byteLength): i32 { return sendto(this.fd, changetype<usize>(from), length, 0, 0, 0); }
  /** No more will be written. */
  end(): void { shutdown(this.fd, SHUT_WR); }
}

export class TcpListener extends Socket {
  static listen(port: u16, backlog: i32 = 16): TcpListener {
    const own = new StaticArray<u8>(ADDRESS), l = new TcpListener(must(socket(AF_INET, SOCK_STREAM, 0), "socket"));
    l.setOption(SOL_SOCKET, SO_REUSEADDR, 1);
    must(bind(l.fd, changetype<usize>(own), addressOf("0.0.0.0", port, changetype<usize>(own))), "bind");
    must(listen(l.fd, backlog), "listen");
    return l;
  }
  accept(): TcpStream { return new TcpStream(must(accept(this.fd, 0, 0, 0), "accept")); }
}

export class UdpSocket extends Socket {
  /** Address and port of the last datagram's sender. */
  private readonly sender: StaticArray<u8> = new StaticArray<u8>(ADDRESS);

  static bind(port: u16): UdpSocket {
    const own = new StaticArray<u8>(ADDRESS), s = new UdpSocket(must(socket(AF_INET, SOCK_DGRAM, 0), "socket"));
    must(bind(s.fd, changetype<usize>(own), addressOf("0.0.0.0", port, changetype<usize>(own))), "bind");
    return s;
  }
  send(data: ArrayBuffer, host: string, port: u16): i32 {
    const to = new StaticArray<u8>(ADDRESS);
    return sendto(this.fd, changetype<usize>(data), data.byteLength, 0, changetype<usize>(to), addressOf(host, port, changetype<usize>(to)));
  }
  receive(into: ArrayBuffer): i32 {
    const length = new StaticArray<u32>(1);
    length[0] = ADDRESS;
    return recvfrom(this.fd, changetype<usize>(into), into.byteLength, 0, changetype<usize>(this.sender), changetype<usize>(length));
  }
  /** Send to whom the last datagram came from. */
  reply(data: ArrayBuffer, length: i32): i32 { return sendto(this.fd, changetype<usize>(data), length, 0, changetype<usize>(this.sender), 16); }
}

/** Let so many ns of virtual time pass. */
export function sleep(ns: u64): void {
  const subscription = new StaticArray<u64>(6), event = new StaticArray<u64>(4), count = new StaticArray<u32>(1);
  subscription[2] = clockid.MONOTONIC;
  subscription[3] = ns;
  must(-<i32>poll_oneoff(changetype<usize>(subscription), changetype<usize>(event), 1, changetype<usize>(count)), "poll_oneoff");
  assert(load<u16>(changetype<usize>(event), 8) === <u16>errno.SUCCESS);
}
