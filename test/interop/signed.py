#!/usr/bin/env python3
"""Connections with TCP MD5 signatures (RFC 2385) or TCP-AO (RFC 5925) by an ordinary program.

  signed.py serve ADDRESS PORT COUNT [KEY PEER PREFIX]   greets, reads to the end, answers with the digest
  signed.py open ADDRESS PORT SIZE [KEY PEER]            opens a connection, sends, checks greeting and digest
  signed.py reset ADDRESS PORT [KEY PEER]                opens a connection and resets it
  signed.py hold ADDRESS PORT [KEY PEER]                 opens a connection, closes after a line on its input
  signed.py errors ADDRESS                               what setsockopt says to mistakes

An empty KEY is none; "ao ALGORITHM SNDID RCVID SECRET" is one of TCP-AO. What came of it is a line: "served BYTES", "sent BYTES" or the name of an error.
"""
import ctypes
import errno
import hashlib
import socket
import struct
import sys

TCP_MD5SIG, TCP_MD5SIG_EXT = 14, 32
TCP_AO_ADD_KEY, TCP_AO_INFO, TCP_AO_GET_KEYS = 38, 40, 41
GREETING = b"hello from the listener\n"


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def name_of(peer):
    """Its sockaddr."""
    af = family(peer)
    raw = socket.inet_pton(af, peer)
    return struct.pack("=HH", af, 0) + (bytes(4) + raw if af == socket.AF_INET6 else raw)


def master_key(key, peer, prefix):
    """struct tcp_ao_add."""
    _, algorithm, sndid, rcvid, secret = key.split()
    whole = 128 if ":" in peer else 32
    return struct.pack("=128s64siIH6B80s", name_of(peer), algorithm.encode(), 0, 0, 0, whole if prefix is None else prefix, int(sndid), int(rcvid), 0, 0,
                       len(secret), secret.encode())


def ao_state(s):
    """What TCP_AO_INFO and TCP_AO_GET_KEYS tell: bits and key ids in use, counters, ids of all keys."""
    libc = ctypes.CDLL(None, use_errno=True)
    value, room = (ctypes.c_char * 48)(), (ctypes.c_char * (4 * 304))()
    struct.pack_into("=IH", room, 272, 4, 4)  # all of them
    length = ctypes.c_int(48)
    if libc.getsockopt(s.fileno(), socket.IPPROTO_TCP, TCP_AO_INFO, value, ctypes.byref(length)) < 0:
        return errno.errorcode[ctypes.get_errno()]
    info = struct.unpack("=IHBB5Q", value.raw)
    length.value = 304
    if libc.getsockopt(s.fileno(), socket.IPPROTO_TCP, TCP_AO_GET_KEYS, room, ctypes.byref(length)) < 0:
        return errno.errorcode[ctypes.get_errno()]
    keys = struct.unpack_from("=I", room, 272)[0]
    ids = [tuple(room.raw[304 * i + 278:304 * i + 280]) for i in range(keys)]
    return f"bits {info[0]} current {info[2]} rnext {info[3]} good {info[4] > 0} bad {info[5:9]} keys {ids} length {length.value}"


def signature(key, peer, prefix=None, flags=0, ifindex=0, keylen=None):
    """struct tcp_md5sig."""
    name = name_of(peer)
    return struct.pack("=128sBBHi80s", name, flags, prefix or 0, len(key) if keylen is None else keylen, ifindex, key)


def sign(s, key, peer, prefix=None):
    if not key:
        return
    if key.startswith("ao "):
        for k in key.split(";"):
            s.setsockopt(socket.IPPROTO_TCP, TCP_AO_ADD_KEY, master_key(k, peer, prefix))
    elif prefix is None:
        s.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(key.encode(), peer))
    else:
        s.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, signature(key.encode(), peer, prefix, 1))


def to_the_end(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def serve(address, port, count, *keys):
    listener = socket.socket(family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if keys and keys[0]:
        sign(listener, keys[0], keys[1], int(keys[2]))
    listener.bind((address, port))
    listener.listen(16)
    print("listening", flush=True)
    for _ in range(count):
        s, _ = listener.accept()
        try:
            s.sendall(GREETING)
            data = to_the_end(s)
            print("served", len(data), flush=True)
            if keys and keys[0].startswith("ao "):
                print(ao_state(s), flush=True)
            s.sendall(hashlib.sha256(data).hexdigest().encode())
        except OSError as e:
            print(errno.errorcode[e.errno], flush=True)
        s.close()


def begin(address, port, *key):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    if key:
        sign(s, *key)
    s.settimeout(20)
    s.connect((address, port))
    return s


def send(s, size):
    data = bytes((7 * k + (k >> 8)) & 255 for k in range(size))
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    answer = to_the_end(s)
    assert answer == GREETING + hashlib.sha256(data).hexdigest().encode(), answer
    print("sent", size, flush=True)
    s.close()


def errors(address):
    v6 = ":" in address
    whole = 128 if v6 else 32
    s = socket.socket(family(address), socket.SOCK_STREAM)
    other = "192.0.2.77" if v6 else "2001:db8::77"
    good = signature(b"secret", address)
    for what, name, value in [
        ("short", TCP_MD5SIG, good[:-1]), ("family", TCP_MD5SIG, signature(b"x", other)), ("delete none", TCP_MD5SIG, signature(b"", address)),
        ("too long", TCP_MD5SIG, signature(b"x", address, keylen=81)), ("longest", TCP_MD5SIG, signature(b"x" * 80, address)),
        ("prefix", TCP_MD5SIG_EXT, signature(b"x", address, whole + 1, 1)), ("prefix not meant", TCP_MD5SIG_EXT, signature(b"x", address, whole + 1, 0)),
        ("shorter prefix", TCP_MD5SIG_EXT, signature(b"x", address, whole - 8, 1)), ("delete prefix", TCP_MD5SIG_EXT, signature(b"", address, whole - 8, 1)),
        ("again", TCP_MD5SIG_EXT, signature(b"", address, whole - 8, 1)), ("ifindex", TCP_MD5SIG_EXT, signature(b"x", address, 0, 2, 1)),
        ("no ifindex", TCP_MD5SIG_EXT, signature(b"x", address, 0, 2, 0)), ("replace", TCP_MD5SIG, good), ("delete", TCP_MD5SIG, signature(b"", address)),
        ("deleted", TCP_MD5SIG, signature(b"", address)), ("nothing", TCP_MD5SIG, b""), ("mapped", TCP_MD5SIG_EXT, signature(b"x", "::ffff:192.0.2.1", 33, 1)),
        ("mapped whole", TCP_MD5SIG, signature(b"x", "::ffff:192.0.2.1")),
    ]:
        try:
            s.setsockopt(socket.IPPROTO_TCP, name, value)
            print(what, "ok")
        except OSError as e:
            print(what, errno.errorcode[e.errno])
    for name in (TCP_MD5SIG, TCP_MD5SIG_EXT):
        try:
            s.getsockopt(socket.IPPROTO_TCP, name, 216)
            print("get ok")
        except OSError as e:
            print("get", errno.errorcode[e.errno])


def main():
    how, address, *rest = sys.argv[1:]
    if how == "errors":
        errors(address)
        return
    port = int(rest[0])
    if how == "serve":
        serve(address, port, int(rest[1]), *rest[2:])
        return
    key = rest[2:] if how == "open" else rest[1:]
    try:
        s = begin(address, port, *key)
        if how == "reset":
            assert s.recv(100) == GREETING
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            print("reset", flush=True)
        elif how == "hold":
            print("open", flush=True)
            sys.stdin.readline()
            s.close()
        else:
            send(s, int(rest[1]))
    except OSError as e:
        print(errno.errorcode[e.errno] if e.errno else "timeout", flush=True)


main()
