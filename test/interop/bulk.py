"""Move bytes over TCP and say what happened, as one JSON line: an ordinary program that knows nothing of nuse.

  bulk.py send HOST PORT BYTES SEED     connect and send
  bulk.py recv HOST PORT                connect and receive to the end
  bulk.py accept-send HOST PORT BYTES SEED
  bulk.py accept-recv HOST PORT         listen, print "listening", serve one connection
"""
import hashlib, json, random, socket, struct, sys, time

BLOCK = 1 << 20


def blocks(total, seed):
    """`total` bytes that depend on the seed and do not repeat: a random block with a counter in front."""
    base = random.Random(seed).randbytes(BLOCK)
    for i in range((total + BLOCK - 1) // BLOCK):
        block = struct.pack(">Q", i) + base[8:]
        yield block[: min(BLOCK, total - i * BLOCK)]


def retransmits(s):
    """tcpi_total_retrans of struct tcp_info (offset 100)."""
    return struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 100)[0]


def main():
    role, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if role.startswith("accept-"):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
        print("listening", flush=True)
        s, _ = listener.accept()
    else:
        s = socket.create_connection((host, port), timeout=30)
        s.settimeout(None)
    digest, count, start = hashlib.sha256(), 0, time.monotonic()
    if role.endswith("send"):
        for block in blocks(int(sys.argv[4]), int(sys.argv[5])):
            s.sendall(block)
            digest.update(block)
            count += len(block)
        s.shutdown(socket.SHUT_WR)
        tail = s.recv(1)  # the far end closes when it has read everything
        assert tail == b"", tail
        lost = retransmits(s)
    else:
        buffer = bytearray(BLOCK)
        while n := s.recv_into(buffer):
            digest.update(memoryview(buffer)[:n])
            count += n
        lost = retransmits(s)
    s.close()
    print(json.dumps({"bytes": count, "sha256": digest.hexdigest(), "retrans": lost, "seconds": time.monotonic() - start}))


main()
