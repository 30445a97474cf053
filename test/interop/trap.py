# A program on a stack whose core traps at packets of IP protocol 253 (test/assembly/trapping.ts): what it sees of that.
# Arguments: address and port of an HTTP server, and how many traps.
import os, socket, subprocess, sys, threading

HOST, PORT, TRAPS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def fetch():
    with socket.create_connection((HOST, PORT), timeout=20) as s:
        s.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        n = 0
        while data := s.recv(65536):
            n += len(data)
        return n


def told(name, fn):
    try:
        result = fn()
    except OSError as e:
        result = e.errno
    os.write(1, f"{name} {result}\n".encode())  # two threads tell


def trap():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
    s.sendto(b"boom", ("127.0.0.1", 0))


print("before", fetch() > 0, flush=True)
subprocess.run(["ip", "addr", "add", "198.51.100.7/24", "dev", "eth0"], check=True)
subprocess.run(["ip", "route", "add", "203.0.113.0/24", "via", HOST], check=True)
subprocess.run(["ip", "addr", "del", "192.0.2.77/24", "dev", "eth0"], check=True)
for i in range(TRAPS):
    connected = socket.create_connection((HOST, PORT), timeout=20)
    listener = socket.socket()
    listener.bind(("", 0))
    listener.listen()
    waiting = threading.Thread(target=told, args=("accept", listener.accept))
    waiting.start()
    told("trap", trap)
    waiting.join()
    told("recv", lambda: connected.recv(10))
    print("after", fetch() > 0, flush=True)
for line in subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True).stdout.splitlines():
    if " eth0 " in line and "inet " in line:
        print("address", line.split()[3], flush=True)
for line in subprocess.run(["ip", "route"], capture_output=True, text=True).stdout.splitlines():
    print("route", " ".join(line.split()), flush=True)
