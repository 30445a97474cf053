"""UDP-Lite against another stack.
udplite.py echo ADDRESS PORT        answer each datagram with itself, its coverage that of the header and four bytes
udplite.py ask ADDRESS PORT         whole, partly covered and large datagrams, and their answers; prints "same N"
"""
import socket
import sys

IPPROTO_UDPLITE, SEND_CSCOV, RECV_CSCOV = 136, 10, 11
what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM, IPPROTO_UDPLITE)
if what == "echo":
    s.bind((address, port))
    s.setsockopt(IPPROTO_UDPLITE, SEND_CSCOV, 12)
    print("up", flush=True)
    while True:
        data, peer = s.recvfrom(65535)
        s.sendto(data, peer)
s.settimeout(10)
s.connect((address, port))
s.setsockopt(IPPROTO_UDPLITE, RECV_CSCOV, 12)
same = 0
for size in (0, 1, 4, 5, 100, 1400, 3000, 20000):
    for coverage in (None, 8, 20, 0):
        if coverage is not None:
            s.setsockopt(IPPROTO_UDPLITE, SEND_CSCOV, coverage)
        data = bytes((i * 7 + size) & 255 for i in range(size))
        s.send(data)
        same += s.recv(65535) == data
print("same", same)
