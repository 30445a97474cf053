"""Request and response of one byte over TCP: `server PORT` until killed; `client HOST PORT SECONDS` prints {"us": median of one exchange, "count": their number}."""
import json, socket, statistics, sys, time


def server(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(16)
    print("listening", flush=True)
    while True:
        c, _ = s.accept()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while c.recv(1):
            c.send(b"x")
        c.close()


def client(host, port, seconds):
    s = socket.create_connection((host, int(port)), timeout=20)
    s.settimeout(None)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, end = [], time.monotonic() + float(seconds)
    while time.monotonic() < end:
        start = time.perf_counter()
        s.send(b"x")
        s.recv(1)
        times.append(time.perf_counter() - start)
    print(json.dumps({"us": statistics.median(times[len(times) // 10:]) * 1e6, "count": len(times)}))


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
