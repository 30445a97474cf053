"""Frames, one in hex a line on standard input, sent out of interface argv[1]; for each a line of what came back.

What comes back: frames in hex, joined by commas, that arrived within argv[2] milliseconds of the last.
"""
import select
import socket
import sys
import time

dev, wait = sys.argv[1], float(sys.argv[2]) / 1000
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((dev, 0))
print("ready", flush=True)
for line in sys.stdin:
    while select.select([s], [], [], 0)[0]:
        s.recv(65536)
    s.send(bytes.fromhex(line.strip()))
    got, end = [], time.monotonic() + wait
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([s], [], [], left)[0]:
            break
        data, (_, _, kind, _, _) = s.recvfrom(65536)
        if kind != socket.PACKET_OUTGOING:
            got.append(data.hex())
            end = time.monotonic() + wait
    print(",".join(got), flush=True)
