"""One end of a measure: an ordinary program. Servers run until killed; clients print one JSON line.

  probe.py udp-sink PORT                     count datagrams; answers a datagram of 1 byte with the count so far
  probe.py udp-blast HOST PORT SIZE SECONDS  send as fast as sendto allows; asks the sink for its count
  probe.py connect HOST PORT SECONDS         connect and close, one after the other
  probe.py idle HOST PORT N                  open N connections, hold them, print "open", wait for end of input
  probe.py accept PORT                       accept and close connections; keeps those that send a byte
"""
import json, socket, struct, sys, time


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def udp_sink(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("0.0.0.0", int(port)))
    print("listening", flush=True)
    count = 0
    while True:
        data, peer = s.recvfrom(65536)
        if len(data) == 1:
            s.sendto(struct.pack("<Q", count), peer)
            count = 0
        else:
            count += 1


def udp_blast(host, port, size, seconds):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.connect((host, int(port)))
    payload, sent, end = bytes(int(size)), 0, time.monotonic() + float(seconds)
    start = time.monotonic()
    while time.monotonic() < end:
        for _ in range(64):
            try:
                s.send(payload)
                sent += 1
            except (BlockingIOError, ConnectionRefusedError):
                pass
    took = time.monotonic() - start
    time.sleep(0.3)
    s.settimeout(1)
    received = None
    for _ in range(5):
        try:
            s.send(b"?")
            received = struct.unpack("<Q", s.recv(8))[0]
            break
        except (TimeoutError, ConnectionRefusedError):
            pass
    print(json.dumps({"sent": sent, "received": received, "seconds": took}))


def connect(host, port, seconds):
    n, start = 0, time.monotonic()
    while time.monotonic() - start < float(seconds):
        s = socket.create_connection((host, int(port)), timeout=10)
        s.recv(1)
        s.close()
        n += 1
    print(json.dumps({"connections": n, "seconds": time.monotonic() - start}))


def accept(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(1024)
    print("listening", flush=True)
    while True:
        c, _ = s.accept()
        c.close()


def idle(host, port, n):
    held = [socket.create_connection((host, int(port)), timeout=30) for _ in range(int(n))]
    print("open", len(held), flush=True)
    sys.stdin.read()


def hold(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(1024)
    print("listening", flush=True)
    held = []
    while True:
        held.append(s.accept()[0])


{"udp-sink": udp_sink, "udp-blast": udp_blast, "connect": connect, "accept": accept, "idle": idle, "hold": hold}[sys.argv[1]](*sys.argv[2:])
