"""The kernel's side of the tests of several workers. Prints one line of JSON.

clients HOST PORT COUNT BYTES   as many connections at a time, each answered with the SHA-256 of what it sent
server HOST PORT COUNT          answers as many connections likewise; tells the ports they came from
udp HOST PORT COUNT BYTES       one datagram from each of as many sockets, echoed
closed HOST PORT COUNT BYTES    one datagram from each of as many sockets, refused by ICMP
advertise DEV 0 COUNT           router advertisements of 2001:db8:5::/64
"""
import hashlib, json, os, socket, sys, threading, time

mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
count = int(sys.argv[4])
size = int(sys.argv[5]) if len(sys.argv) > 5 else 0
family = socket.AF_INET6 if ':' in host else socket.AF_INET


def client(results, i):
    data = os.urandom(size)
    with socket.socket(family) as s:
        s.settimeout(20)
        s.connect((host, port))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b''
        while piece := s.recv(4096):
            got += piece
    results[i] = got.decode() == hashlib.sha256(data).hexdigest()


def clients():
    results = [False] * count
    threads = [threading.Thread(target=client, args=(results, i)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return {'good': sum(results)}


def answer(s):
    with s:
        h = hashlib.sha256()
        while piece := s.recv(1 << 16):
            h.update(piece)
        s.sendall(h.hexdigest().encode())


def server():
    ports, threads = [], []
    with socket.socket(family) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, port))
        s.listen(512)
        print('listening', flush=True)
        for _ in range(count):
            c, peer = s.accept()
            ports.append(peer[1])
            threads.append(threading.Thread(target=answer, args=(c,)))
            threads[-1].start()
    for t in threads:
        t.join()
    return {'ports': ports}


def datagrams(refused):
    good = 0
    for _ in range(count):
        data = os.urandom(size)
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((host, port))
            s.send(data)
            try:
                good += s.recv(65535) == data and not refused
            except ConnectionRefusedError:
                good += refused
            except TimeoutError:
                pass
    return {'good': good}


def advertise():
    # RFC 4861 4.2, 4.6.2; the kernel fills the checksum in.
    prefix = bytes([3, 4, 64, 0xc0]) + (3600).to_bytes(4, 'big') * 2 + bytes(4) + socket.inet_pton(socket.AF_INET6, '2001:db8:5::')
    message = bytes([134, 0, 0, 0, 64, 0]) + (1800).to_bytes(2, 'big') + bytes(8) + prefix
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        for _ in range(count):
            s.sendto(message, ('ff02::1', 0, 0, socket.if_nametoindex(host)))
            time.sleep(0.3)
    return {'sent': count}


print(json.dumps({'advertise': advertise, 'clients': clients, 'server': server, 'udp': lambda: datagrams(False), 'closed': lambda: datagrams(True)}[mode]()), flush=True)
