#!/usr/bin/env python3
"""TCP Fast Open by an ordinary program: one that serves, one that opens connections.

  fastopen.py serve ADDRESS PORT COUNT       greets, reads to the end, answers with the digest
  fastopen.py sink ADDRESS PORT COUNT        reads to the end
  fastopen.py HOW ADDRESS PORT SIZE COUNT    HOW: sendto, sendmsg, nonblock (MSG_FASTOPEN), connect, nonblock-connect (TCP_FASTOPEN_CONNECT)

For each connection a line: the bytes that its first call took, and whether data travelled in the SYN (TCP_INFO).
"""
import errno
import hashlib
import select
import socket
import sys

TCP_INFO, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, MSG_FASTOPEN = 11, 23, 30, 0x20000000
TCPI_OPT_SYN_DATA = 32
GREETING = b"hello from the listener\n"


def syn_data(s):
    return 1 if s.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 8)[5] & TCPI_OPT_SYN_DATA else 0


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def to_the_end(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def serve(address, port, count, greet):
    listener = socket.socket(family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    listener.bind((address, port))
    listener.listen(16)
    print("listening", flush=True)
    for _ in range(count):
        s, _ = listener.accept()
        if greet:
            s.sendall(GREETING)
        data = to_the_end(s)
        print("served", len(data), syn_data(s), flush=True)
        if greet:
            s.sendall(hashlib.sha256(data).hexdigest().encode())
        s.close()


def begin(s, how, to, data):
    """Open the connection; bytes taken already."""
    if how in ("connect", "nonblock-connect"):
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        s.setblocking(how == "connect")
        error = s.connect_ex(to)
        if error == errno.EINPROGRESS:
            select.select([], [s], [])
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        else:
            assert error == 0, error
        taken = s.send(data)
    elif how == "nonblock":
        s.setblocking(False)
        try:
            taken = s.sendto(data, MSG_FASTOPEN, to)
        except BlockingIOError as e:
            assert e.errno == errno.EINPROGRESS, e
            taken = 0
        select.select([], [s], [])
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    elif how == "sendmsg":
        taken = s.sendmsg([data[:7], data[7:]], [], MSG_FASTOPEN, to)
    else:
        taken = s.sendto(data, MSG_FASTOPEN, to)
    s.setblocking(True)
    return taken


def main():
    how, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if how in ("serve", "sink"):
        serve(address, port, int(sys.argv[4]), how == "serve")
        return
    size, count = int(sys.argv[4]), int(sys.argv[5])
    for i in range(count):
        data = bytes((i + 7 * k) & 255 for k in range(size))
        s = socket.socket(family(address), socket.SOCK_STREAM)
        taken = begin(s, how, (address, port), data)
        s.sendall(data[taken:])
        s.shutdown(socket.SHUT_WR)
        answer = to_the_end(s)
        assert answer == GREETING + hashlib.sha256(data).hexdigest().encode(), answer
        print("sent", taken, syn_data(s), flush=True)
        s.close()


main()
