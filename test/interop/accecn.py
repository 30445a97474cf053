#!/usr/bin/env python3
"""A transfer in both directions by an ordinary program, and what TCP_INFO says of ECN at its end.

  accecn.py serve ADDRESS PORT SIZE
  accecn.py connect ADDRESS PORT SIZE

The one that connects sends SIZE bytes, then the other one; both wait until all is acknowledged and print TCP_INFO as a line of JSON.
"""
import hashlib
import json
import socket
import struct
import sys
import time

# struct tcp_info of Linux 6.18, bytes 192 on and 248 on
FIELDS = ("received_ce", "delivered_e1_bytes", "delivered_e0_bytes", "delivered_ce_bytes", "received_e1_bytes", "received_e0_bytes", "received_ce_bytes")


def info(s):
    b = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)
    d = {"options": b[5], "delivered": struct.unpack_from("I", b, 192)[0], "delivered_ce": struct.unpack_from("I", b, 196)[0], "size": len(b)}
    if len(b) >= 280:
        d.update(zip(FIELDS, struct.unpack_from("7I", b, 248)))
        d["fail_mode"], d["opt_seen"] = struct.unpack_from("2H", b, 276)
    return d


def pattern(size):
    return (hashlib.sha256(b"accecn").digest() * (size // 32 + 1))[:size]


def receive(s, size):
    got = bytearray()
    while len(got) < size:
        part = s.recv(65536)
        if not part:
            break
        got += part
    return bytes(got)


def exchange(s, size, first):
    data = pattern(size)
    if first:
        s.sendall(data)
    got = receive(s, size)
    if not first:
        s.sendall(data)
    # All has arrived when its acknowledgments have, too.
    end = time.monotonic() + 5
    while struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280), 24)[0] and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)
    d = info(s)
    d["intact"] = got == data
    print(json.dumps(d), flush=True)


def main(role, address, port, size):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    if role == "serve":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(8)
        print("listening", flush=True)
        s, _ = s.accept()
    else:
        s.connect((address, port))
    exchange(s, size, role == "connect")
    s.shutdown(socket.SHUT_WR)
    s.recv(1)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
