"""One end of a measure: an ordinary program. Servers run until killed; clients print one JSON line.

  probe.py connect HOST PORT SECONDS  connect and close, one after the other
  probe.py accept PORT                accept and close connections
"""
import json, socket, sys, time


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


{"connect": connect, "accept": accept}[sys.argv[1]](*sys.argv[2:])
