#!/usr/bin/env python3
"""A wire between two interfaces of one namespace that does to ECN what paths do.

  ecn_wire.py IF1 IF2 RULE...

  mark=N    every Nth ECN-capable frame with TCP data says congestion experienced
  bleach    the IP-ECN field is cleared
  plain     AE, CWR and ECE of SYNs and SYN-ACKs are cleared
  zero      AE, CWR and ECE of all segments but SYNs are cleared
  strip     AccECN options become NOPs
  ect       SYNs and SYN-ACKs become ECN-capable

Frames are whole segments with checksums: switch offload off at both ends. On SIGTERM it prints, for each direction, how many frames and bytes of
payload it marked, and how many options it saw, as a line of JSON.
"""
import json
import select
import signal
import socket
import struct
import sys

ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 3, 263, 23, 1, 1
rules = dict(r.partition("=")[::2] for r in sys.argv[3:])
every = int(rules.get("mark", 0))
stats = [{"data": 0, "frames": 0, "bytes": 0, "options": 0} for _ in range(2)]
counters = [0, 0]


def opened(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((name, ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b""))
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    return s


def replace(b, at, new, sum_at):
    """Two bytes at an even offset, and the Internet checksum at `sum_at` (RFC 1624)."""
    old = struct.unpack_from("!H", b, at)[0]
    struct.pack_into("!H", b, at, new)
    c = (~struct.unpack_from("!H", b, sum_at)[0] & 0xFFFF) + (~old & 0xFFFF) + new
    c = (c & 0xFFFF) + (c >> 16)
    c = (c & 0xFFFF) + (c >> 16)
    struct.pack_into("!H", b, sum_at, ~c & 0xFFFF)


def ecn(b, v4):
    return b[15] & 3 if v4 else (b[15] >> 4) & 3


def set_ecn(b, v4, value):
    if v4:
        replace(b, 14, (b[14] << 8) | (b[15] & ~3) | value, 24)
    else:
        b[15] = (b[15] & ~0x30) | (value << 4)


def change(b, way):
    kind = struct.unpack_from("!H", b, 12)[0]
    if kind == 0x0800 and b[23] == 6:
        v4, t, end = True, 14 + (b[14] & 15) * 4, 14 + struct.unpack_from("!H", b, 16)[0]
    elif kind == 0x86DD and b[20] == 6:
        v4, t, end = False, 54, 54 + struct.unpack_from("!H", b, 18)[0]
    else:
        return
    head, syn = (b[t + 12] >> 4) * 4, b[t + 13] & 2
    payload = end - t - head
    flags = struct.unpack_from("!H", b, t + 12)[0]
    if ("plain" in rules and syn) or ("zero" in rules and not syn):
        replace(b, t + 12, flags & ~0x1C0, t + 16)
    if "ect" in rules and syn:
        set_ecn(b, v4, 2)
    if "bleach" in rules:
        set_ecn(b, v4, 0)
    at = t + 20
    while at < t + head and b[at]:
        if b[at] == 1:
            at += 1
            continue
        n = b[at + 1]
        if b[at] in (172, 174):
            stats[way]["options"] += 1
            if "strip" in rules:
                for i in range(at, at + n):
                    even = t + (i - t & ~1)
                    pair = struct.unpack_from("!H", b, even)[0]
                    replace(b, even, (pair & 0xFF) | 0x100 if i == even else (pair & 0xFF00) | 1, t + 16)
        at += n
    if payload > 0 and ecn(b, v4):
        stats[way]["data"] += 1
        counters[way] += 1
        if every and counters[way] % every == 0:
            set_ecn(b, v4, 3)
            stats[way]["frames"] += 1
            stats[way]["bytes"] += payload


def done(*_):
    print(json.dumps(stats), flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, done)
ends = [opened(sys.argv[1]), opened(sys.argv[2])]
print("ready", flush=True)
while True:
    for s in select.select(ends, [], [])[0]:
        way = ends.index(s)
        frame = bytearray(s.recv(65536))
        change(frame, way)
        ends[1 - way].send(frame)
