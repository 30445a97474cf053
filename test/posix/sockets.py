# Socket calls whose results must not depend on who answers them: run natively and under nuse, the lines are compared.
# usage: sockets.py ADDRESS PORT-BASE [CASE]...      ADDRESS is one of this host's own, e.g. 127.0.0.1
import array, ctypes, errno, fcntl, os, select, signal, socket, struct, sys, termios, threading, time

HOST, BASE = sys.argv[1], int(sys.argv[2])
V6 = ':' in HOST
FAMILY = socket.AF_INET6 if V6 else socket.AF_INET
FOREIGN, ANY = ('2001:db8::77', '::') if V6 else ('192.0.2.77', '0.0.0.0')
ONLY = set(sys.argv[3:])
used = 0
CASES = []


def case(fn):
    CASES.append(fn)
    return fn


def port():
    """A port no other case uses."""
    global used
    used += 1
    return BASE + used


def name(e):
    return errno.errorcode.get(e.errno, str(e.errno)) if isinstance(e, OSError) and e.errno else type(e).__name__


def call(fn, *args):
    """The result, or the name of the error."""
    try:
        return fn(*args)
    except OSError as e:
        return 'timeout' if isinstance(e, TimeoutError) and not e.errno else name(e)


def say(label, value):
    if isinstance(value, socket.socket):
        value = 'socket'
    print(f'{current}: {label} = {value}', flush=True)


NAMES = [(select.POLLIN, 'I'), (select.POLLPRI, 'P'), (select.POLLOUT, 'O'), (select.POLLERR, 'E'), (select.POLLHUP, 'H'), (select.POLLRDHUP, 'R')]


def poll(s, ms=0):
    p = select.poll()
    p.register(s, select.POLLIN | select.POLLPRI | select.POLLOUT | select.POLLRDHUP)
    r = p.poll(ms)
    return ''.join(c for bit, c in NAMES if r and r[0][1] & bit) or '-'


def settled(s, want, ms=1000):
    """Poll until the wanted letters are there; the state then."""
    end = time.monotonic() + ms / 1000
    while True:
        now = poll(s)
        if all(c in now for c in want) or time.monotonic() > end:
            return now
        time.sleep(0.005)


def tcp():
    return socket.socket(FAMILY, socket.SOCK_STREAM)


def udp():
    return socket.socket(FAMILY, socket.SOCK_DGRAM)


def listener(backlog=8):
    s = tcp()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    p = port()
    s.bind((HOST, p))
    s.listen(backlog)
    return s, p


def pair():
    l, p = listener()
    c = tcp()
    c.connect((HOST, p))
    a, _ = l.accept()
    l.close()
    return c, a


def ioctl_int(s, cmd):
    b = array.array('i', [0])
    fcntl.ioctl(s, cmd, b, True)
    return b[0]


@case
def creation():
    for args in [(socket.AF_INET, socket.SOCK_STREAM, 6), (socket.AF_INET, socket.SOCK_DGRAM, 17), (socket.AF_INET6, socket.SOCK_STREAM, 0),
                 (socket.AF_INET, socket.SOCK_STREAM, 17), (socket.AF_INET, 9, 0), (socket.AF_INET, socket.SOCK_DGRAM, 6)]:
        r = call(socket.socket, *args)
        say(f'socket{tuple(map(int, args))}', r)
    s = tcp()
    for opt in ('SO_TYPE', 'SO_DOMAIN', 'SO_PROTOCOL', 'SO_ACCEPTCONN', 'SO_ERROR', 'SO_KEEPALIVE', 'SO_REUSEADDR', 'SO_BROADCAST'):
        say(opt, call(s.getsockopt, socket.SOL_SOCKET, getattr(socket, opt)))
    say('inheritable', os.get_inheritable(s.fileno()))
    say('nonblocking flag', bool(fcntl.fcntl(socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK), fcntl.F_GETFL) & os.O_NONBLOCK))


@case
def fresh():
    s = tcp()
    say('poll', poll(s))
    say('getpeername', call(s.getpeername))
    say('getsockname', call(s.getsockname))
    say('SO_ERROR', s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    say('listen state', s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    say('accept', call(s.accept))
    say('recvmsg', call(s.recvmsg, 10))
    s.setblocking(False)
    say('recv', call(s.recv, 1))
    say('send', call(s.send, b'x'))
    say('shutdown', call(s.shutdown, socket.SHUT_RDWR))


@case
def names():
    s = tcp()
    p = port()
    say('bind', call(s.bind, (HOST, p)))
    say('bind again', call(s.bind, (HOST, p + 1000)))
    say('name', s.getsockname()[:2] == (HOST, p))
    t = tcp()
    say('bind taken', call(t.bind, (HOST, p)))
    say('bind foreign', call(t.bind, (FOREIGN, p)))
    say('bind any', call(t.bind, (ANY, 0)))
    say('any name', (t.getsockname()[0], t.getsockname()[1] > 0))
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(b'\xaa' * 32, 32)
    n = ctypes.c_uint(5)
    say('short name', (libc.getsockname(s.fileno(), buf, ctypes.byref(n)), n.value, buf.raw[:2].hex(), buf.raw[4:7].hex()))
    say('bad pointer', (libc.getsockname(s.fileno(), 8, ctypes.byref(n)), errno.errorcode[ctypes.get_errno()]))
    say('bind short', (libc.bind(s.fileno(), buf, 3), errno.errorcode[ctypes.get_errno()]))
    say('bind bad pointer', (libc.bind(t.fileno(), 8, 16), errno.errorcode[ctypes.get_errno()]))


@case
def echo():
    l, p = listener()
    say('listener poll', poll(l))
    c = tcp()
    say('connect', call(c.connect, (HOST, p)))
    say('listener ready', settled(l, 'I'))
    a, peer = l.accept()
    say('peer', peer == c.getsockname())
    say('names cross', (c.getpeername() == a.getsockname(), a.getpeername() == c.getsockname()))
    say('listener after', poll(l))
    say('polls', (poll(c), poll(a)))
    say('send', c.send(b'hello'))
    say('readable', settled(a, 'I'))
    say('FIONREAD', ioctl_int(a, termios.FIONREAD))
    say('peek', a.recv(3, socket.MSG_PEEK))
    say('recv', a.recv(100))
    say('empty', call(a.recv, 10, socket.MSG_DONTWAIT))
    say('connect again', call(c.connect, (HOST, p)))
    say('accept on connected', call(a.accept))
    say('listen on connected', call(a.listen))
    c.close()
    say('eof poll', settled(a, 'R'))
    say('eof', a.recv(10))
    say('send to closed', call(a.send, b'x'))


@case
def half_close():
    c, a = pair()
    c.send(b'request')
    say('shutdown', call(c.shutdown, socket.SHUT_WR))
    say('write after', call(c.send, b'x'))
    say('client poll', poll(c))
    say('all', a.recv(100))
    say('eof', a.recv(100))
    say('server poll', settled(a, 'R'))
    a.send(b'response')
    say('response', c.recv(100))
    a.shutdown(socket.SHUT_WR)
    say('client eof', c.recv(100))
    say('client end', settled(c, 'HR'))
    say('server end', settled(a, 'HR'))
    say('shutdown again', call(c.shutdown, socket.SHUT_WR))


@case
def refused():
    p = port()
    c = tcp()
    say('blocking', call(c.connect, (HOST, p)))
    say('SO_ERROR after', c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    l = tcp()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind((HOST, p))
    l.listen()
    say('retry on the same socket', call(c.connect, (HOST, p)))
    p = port()
    n = tcp()
    n.setblocking(False)
    say('nonblocking', call(n.connect, (HOST, p)))
    say('failed poll', settled(n, 'E'))
    say('SO_ERROR', errno.errorcode.get(n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
    say('SO_ERROR cleared', n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    say('peer', call(n.getpeername))
    l, p = listener()
    n.setblocking(True)
    say('retry after failure', call(n.connect, (HOST, p)))
    say('second retry', call(n.connect, (HOST, p)))
    n.send(b'works')
    say('data after retry', l.accept()[0].recv(10))


@case
def nonblocking_connect():
    l, p = listener()
    c = tcp()
    c.setblocking(False)
    ep = select.epoll()
    ep.register(c, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | select.EPOLLRDHUP)
    ep.poll(0)
    say('connect', call(c.connect, (HOST, p)))
    say('edge', [e for _, e in ep.poll(1)])
    say('SO_ERROR', c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    say('again', call(c.connect, (HOST, p)))
    a, _ = l.accept()
    ep.poll(0.05)  # one more edge for writing is allowed
    a.send(b'x')
    say('data edge', [bool(e & select.EPOLLIN) for _, e in ep.poll(1)])
    say('once', ep.poll(0.05))
    a.close()
    say('fin edge', [bool(e & select.EPOLLRDHUP) for _, e in ep.poll(1)])
    say('data', c.recv(10))
    say('end', c.recv(10))


@case
def accept_queue():
    l, p = listener()
    l.setblocking(False)
    say('empty', call(l.accept))
    cs = []
    for _ in range(3):
        c = tcp()
        c.connect((HOST, p))
        cs.append(c)
    got = 0
    for _ in range(3):
        settled(l, 'I')
        r = call(l.accept)
        got += isinstance(r, tuple)
    say('accepted', got)
    say('then', (call(l.accept), poll(l)))
    l.setblocking(True)
    done = []
    ts = [threading.Thread(target=lambda: done.append(l.accept()[0])) for _ in range(2)]
    for t in ts:
        t.start()
    time.sleep(0.1)
    for _ in range(2):
        c = tcp()
        c.connect((HOST, p))
        cs.append(c)
    for t in ts:
        t.join(2)
    say('two blocked accepts', len(done))
    say('shutdown listener', call(l.shutdown, socket.SHUT_RDWR))
    say('accept after', call(l.accept))


@case
def accept_flags():
    l, p = listener()
    c = tcp()
    c.connect((HOST, p))
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.accept4(l.fileno(), None, None, os.O_NONBLOCK | os.O_CLOEXEC)
    say('accept4', fd >= 0)
    say('flags', (bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK), fcntl.fcntl(fd, fcntl.F_GETFD)))
    say('bad flags', (libc.accept4(l.fileno(), None, None, 0x10), errno.errorcode[ctypes.get_errno()]))


@case
def reset():
    c, a = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    say('linger', struct.unpack('ii', a.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)))
    a.close()
    say('poll', settled(c, 'EH'))
    say('recv', call(c.recv, 10))
    c, a = pair()
    c.send(b'unread')
    settled(a, 'I')
    a.close()
    settled(c, 'E')
    say('closed with unread data', call(c.recv, 10))
    c, a = pair()
    a.send(b'last words')
    settled(c, 'I')
    c.send(b'unread')
    settled(a, 'I')
    a.close()
    settled(c, 'E')
    say('data before the reset', call(c.recv, 100))
    say('then', call(c.recv, 100))
    c, a = pair()
    got = []
    t = threading.Thread(target=lambda: got.append(call(c.recv, 10)))
    t.start()
    time.sleep(0.1)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    a.close()
    t.join(2)
    say('blocked reader', got)


@case
def timeouts():
    c, a = pair()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 200000))
    say('option', struct.unpack('ll', c.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)))
    t = time.monotonic()
    say('recv', call(c.recv, 1))
    say('took about 0.2 s', 0.15 < time.monotonic() - t < 0.6)
    say('usec out of range', call(c.setsockopt, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 2000000)))
    l, _ = listener()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 100000))
    t = time.monotonic()
    say('accept', call(l.accept))
    say('took about 0.1 s', 0.05 < time.monotonic() - t < 0.5)
    u = udp()
    u.bind((HOST, 0))
    u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 100000))
    t = time.monotonic()
    say('udp recvfrom', call(u.recvfrom, 10))
    say('udp recv', call(u.recv, 10))
    say('both took about 0.1 s', 0.15 < time.monotonic() - t < 0.7)


@case
def signals():
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError('alarm')))
    l, p = listener()
    c, a = pair()
    for label, fn in (('accept', l.accept), ('recv', c.recv), ('recvfrom', udp().recvfrom)):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            fn(*([] if label == 'accept' else [10]))
            say(label, 'returned')
        except InterruptedError as e:
            say(label, str(e))
    c = tcp()
    c.connect((HOST, p))
    say('accept still works', isinstance(call(l.accept), tuple))
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    u = udp()
    u.bind((HOST, 0))
    got = []
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    threading.Timer(0.3, lambda: udp().sendto(b'once', u.getsockname())).start()
    got.append(u.recvfrom(10)[0])
    signal.setitimer(signal.ITIMER_REAL, 0)
    say('restarted recvfrom', got)
    say('nothing twice', call(u.recv, 10, socket.MSG_DONTWAIT))


@case
def descriptors():
    c, a = pair()
    d = c.dup()
    c.close()
    d.send(b'dup')
    say('dup', a.recv(10))
    say('name of dup', d.getpeername() == a.getsockname())
    r = os.fork()
    if r == 0:
        d.send(b'child')
        os._exit(0)
    os.waitpid(r, 0)
    say('fork', a.recv(10))
    say('open after child', poll(a))
    x, y = socket.socketpair()
    socket.send_fds(x, [b'f'], [d.fileno()])
    _, fds, _, _ = socket.recv_fds(y, 1, 1)
    d.close()
    e = socket.socket(fileno=fds[0])
    e.send(b'passed')
    say('passed over a unix socket', a.recv(10))
    say('its peer', e.getpeername() == a.getsockname())
    e.close()
    say('last close', a.recv(10))
    with open(__file__, 'rb') as f:
        c, a = pair()
        say('sendfile', c.sendfile(f, 0, 100))
        say('got', len(a.recv(200)))


@case
def bulk():
    c, a = pair()
    total = 8 << 20
    block = bytes(range(256)) * 1024
    def feed():
        left = total
        while left:
            left -= c.send(block[:min(left, len(block))])
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=feed)
    t.start()
    n, good = 0, True
    while True:
        b = a.recv(100000)
        if not b:
            break
        good = good and b[0] == n % 256 and b[-1] == (n + len(b) - 1) % 256
        n += len(b)
    t.join()
    say('bytes', n)
    say('in order', good)
    c, a = pair()
    c.setblocking(False)
    n = 0
    while True:
        r = call(c.send, block)
        if isinstance(r, str):
            break
        n += r
    say('full', (r, n > 100000, poll(c)))
    c.close()
    m = 0
    while True:
        b = a.recv(1 << 20)
        if not b:
            break
        m += len(b)
    say('all arrives after close', m == n)


@case
def options():
    s = tcp()
    for level, opt, v in [(socket.SOL_SOCKET, 'SO_REUSEADDR', 1), (socket.SOL_SOCKET, 'SO_KEEPALIVE', 1), (socket.SOL_SOCKET, 'SO_REUSEPORT', 1),
                          (socket.SOL_SOCKET, 'SO_RCVLOWAT', 10), (socket.SOL_SOCKET, 'SO_OOBINLINE', 1), (socket.SOL_SOCKET, 'SO_PRIORITY', 3),
                          (socket.IPPROTO_TCP, 'TCP_NODELAY', 1), (socket.IPPROTO_TCP, 'TCP_KEEPIDLE', 33), (socket.IPPROTO_TCP, 'TCP_KEEPINTVL', 7),
                          (socket.IPPROTO_TCP, 'TCP_KEEPCNT', 4), (socket.IPPROTO_TCP, 'TCP_MAXSEG', 1000), (socket.IPPROTO_TCP, 'TCP_USER_TIMEOUT', 5000),
                          (socket.IPPROTO_TCP, 'TCP_CORK', 1), (socket.IPPROTO_TCP, 'TCP_DEFER_ACCEPT', 1), (socket.IPPROTO_TCP, 'TCP_QUICKACK', 1),
                          (socket.IPPROTO_IP, 'IP_TOS', 0x10), (socket.IPPROTO_IP, 'IP_TTL', 77),
                          (socket.IPPROTO_IPV6, 'IPV6_V6ONLY', 1), (socket.IPPROTO_IPV6, 'IPV6_UNICAST_HOPS', 9), (socket.IPPROTO_IPV6, 'IPV6_TCLASS', 8)]:
        o = getattr(socket, opt)
        say(opt, (call(s.setsockopt, level, o, v), call(s.getsockopt, level, o)))
    for opt in ('SO_SNDBUF', 'SO_RCVBUF'):
        o = getattr(socket, opt)
        s.setsockopt(socket.SOL_SOCKET, o, 30000)
        say(opt, s.getsockopt(socket.SOL_SOCKET, o))
    say('no such option', call(s.setsockopt, socket.SOL_SOCKET, 9999, 1))
    say('no such level', call(s.setsockopt, 250, 1, 1))
    say('get no such option', call(s.getsockopt, socket.IPPROTO_TCP, 999))
    say('short value', call(s.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, b'\1'))
    say('bad TTL', call(s.setsockopt, socket.IPPROTO_IP, socket.IP_TTL, 300))
    u = udp()
    say('udp TCP_NODELAY', call(u.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
    say('broadcast needed', call(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b'x', ('127.255.255.255', 9)))
    c, a = pair()
    i = c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
    say('TCP_INFO state', i[0])


@case
def datagrams():
    u, v = udp(), udp()
    u.bind((HOST, 0))
    v.bind((HOST, 0))
    say('poll', poll(u))
    say('sendto', v.sendto(b'one', u.getsockname()))
    say('ready', settled(u, 'I'))
    say('FIONREAD', ioctl_int(u, termios.FIONREAD))
    b, peer = u.recvfrom(100)
    say('recvfrom', (b, peer == v.getsockname()))
    v.sendto(b'', u.getsockname())
    settled(u, 'I')
    b, peer = u.recvfrom(100)
    say('empty', (b, peer == v.getsockname()))
    v.sendto(b'0123456789', u.getsockname())
    settled(u, 'I')
    say('truncated', u.recvmsg(4)[:3:2])
    v.sendto(b'0123456789', u.getsockname())
    settled(u, 'I')
    say('real length', (u.recv_into(bytearray(4), 4, socket.MSG_TRUNC | socket.MSG_PEEK), u.recvfrom(20)[0]))
    for i in range(5):
        v.sendto(b'%d' % i, u.getsockname())
    settled(u, 'I')
    time.sleep(0.05)
    say('plain recv', u.recv(10))
    say('os.read', os.read(u.fileno(), 10))
    b, peer = u.recvfrom(10)
    say('address after plain reads', (b, peer == v.getsockname()))
    say('peek', (u.recvfrom(10, socket.MSG_PEEK)[0], u.recvfrom(10)[0], u.recvfrom(10)[0]))
    say('empty queue', call(u.recvfrom, 10, socket.MSG_DONTWAIT))
    say('too long', call(v.sendto, bytes(70000), u.getsockname()))
    big = bytes(60000)
    v.sendto(big, u.getsockname())
    say('60000 bytes', len(u.recvfrom(65535)[0]))
    say('unconnected getpeername', call(u.getpeername))
    say('unconnected sendmsg', call(v.sendmsg, [b'x']))
    u.connect(v.getsockname())
    say('connected', u.getpeername() == v.getsockname())
    say('send', u.send(b'via connect'))
    b, peer = v.recvfrom(100)
    say('source', (b, peer == u.getsockname()))
    w = udp()
    w.sendto(b'stranger', u.getsockname())
    v.sendto(b'friend', u.getsockname())
    settled(u, 'I')
    say('only the peer', u.recv(20))
    say('nothing else', call(u.recv, 20, socket.MSG_DONTWAIT))
    say('listen', call(u.listen))
    say('accept', call(u.accept))


@case
def changing_ways():
    """A program that keeps changing how it receives: every datagram once, in order."""
    ways = {
        'recvfrom': lambda u: u.recvfrom(100)[0],
        'poll, recvfrom': lambda u: u.recvfrom(100)[0] if select.select([u], [], [], 5)[0] else 'no poll',
        'recv': lambda u: u.recv(100),
        'recvmsg': lambda u: u.recvmsg(100, 100)[0],
        'peek': lambda u: u.recvfrom(100)[0] if u.recvfrom(100, socket.MSG_PEEK)[0] == u.recvfrom(100, socket.MSG_PEEK)[0] else 'other',
    }
    u, v = udp(), udp()
    u.settimeout(None)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    u.bind((HOST, 0))
    v.connect(u.getsockname())
    rounds, each = 8, 40

    def feed():
        for i in range(rounds * each * len(ways)):
            v.send(b'%d' % i)
            if i % 7 == 0:
                time.sleep((0, 0.0001, 0.0005, 0.002)[i % 4])

    sender = threading.Thread(target=feed)
    sender.start()
    expected, wrong = 0, []
    for i in range(rounds):
        for label in list(ways)[i % 5:] + list(ways)[:i % 5]:
            for _ in range(each):
                got = ways[label](u)
                if got != b'%d' % expected:
                    wrong.append((label, expected, got))
                expected += 1
    sender.join()
    say('in order', wrong[:3] or expected)


@case
def written_bursts():
    """Datagrams written many at once, of whatever lengths: each arrives once, whole and in order."""
    v, u = udp(), udp()
    v.bind((HOST, port()))
    v.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    v.settimeout(5)
    u.connect(v.getsockname())
    bursts = {
        'equal': [1024] * 60, 'one longer': [300] * 20 + [5000] + [300] * 20, 'empty ones': [0, 700, 0, 0, 700, 1], 'growing': [64 * i for i in range(50)],
        'longest': [65507, 10, 65507], 'short after long': [30000, 1, 30000, 2, 2, 2], 'many short': [3] * 300,
    }
    for label, lengths in bursts.items():
        sent = [bytes([i % 251 + 1]) * n for i, n in enumerate(lengths)]
        for round in range(3):
            for b in sent:
                u.send(b)
            say(f'{label} {round}', [call(v.recv, 70000) for _ in sent] == sent)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    got = []
    reader = threading.Thread(target=lambda: got.extend(v.recv(2000) for _ in range(400)))
    reader.start()
    sent = [i.to_bytes(2, 'big') * 500 for i in range(400)]
    for b in sent:
        u.send(b)
    reader.join()
    say('more than the send buffer', got == sent)
    # What was written natively comes before what a call sends that the runtime answers.
    for i in range(50):
        u.send(b'native')
        u.sendmsg([b'called'])
    say('natively and by calls', [v.recv(10) for _ in range(100)] == [b'native', b'called'] * 50)
    say('nothing else', call(v.recv, 10, socket.MSG_DONTWAIT))


@case
def datagram_errors():
    u = udp()
    u.bind((HOST, 0))
    u.connect((HOST, port()))
    u.send(b'to nobody')
    time.sleep(0.1)
    say('sendmsg tells', call(u.sendmsg, [b'x']))
    u.setblocking(False)
    time.sleep(0.1)
    say('recvfrom tells', call(u.recvfrom, 10))
    say('and forgets', call(u.recvfrom, 10))
    u.send(b'poll')
    say('poll wakes', len(settled(u, 'E', 300)) > 1)
    say('recvfrom tells why', call(u.recvfrom, 10))
    say('nothing is left', call(u.recvfrom, 10))
    u.send(b'again')
    time.sleep(0.1)
    say('SO_ERROR', errno.errorcode.get(u.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
    r = udp()
    r.setsockopt(*((socket.IPPROTO_IPV6, 25) if V6 else (socket.IPPROTO_IP, 11)), 1)  # IP_RECVERR
    p = port()
    r.connect((HOST, p))
    r.send(b'ask')
    time.sleep(0.1)
    data, anc, flags, addr = r.recvmsg(100, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    say('error queue', (data, bool(flags & socket.MSG_ERRQUEUE), addr[:2] == (HOST, p)))
    for level, kind, body in anc:
        e = struct.unpack('IBBBxII', body[:16])
        say('extended error', (level, kind, errno.errorcode[e[0]], e[1:4]))
    say('queue empty', call(r.recvmsg, 100, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT))


@case
def messages():
    u, v = udp(), udp()
    u.bind((HOST, 0))
    level, info, ttl = (socket.IPPROTO_IPV6, 49, 51) if V6 else (socket.IPPROTO_IP, 8, 12)
    u.setsockopt(level, info, 1)  # IP_PKTINFO
    u.setsockopt(level, ttl, 1)  # IP_RECVTTL
    say('sendmsg', v.sendmsg([b'ab', b'', b'cde'], [], 0, u.getsockname()))
    settled(u, 'I')
    data, anc, flags, addr = u.recvmsg(3, 256)
    say('recvmsg', (data, flags, addr[:2] == (HOST, v.getsockname()[1])))
    for level, kind, body in sorted(anc):
        say('ancillary', (level, kind, len(body), socket.inet_ntop(FAMILY, body[:16] if V6 else body[8:12]) == HOST if kind in (8, 50) else struct.unpack('i', body)[0]))
    v.sendto(b'x', u.getsockname())
    settled(u, 'I')
    say('no room for ancillary', u.recvmsg(10)[1:3])
    x = tcp_pair_msg()
    say('stream sendmsg', x)


def tcp_pair_msg():
    c, a = pair()
    n = c.sendmsg([b'hello ', b'world'])
    settled(a, 'I')
    b = bytearray(6), bytearray(20)
    r = a.recvmsg_into(b)
    return n, r[0], bytes(b[0]), bytes(b[1][:5])


@case
def urgent():
    c, a = pair()
    c.send(b'ab')
    c.send(b'!', socket.MSG_OOB)
    c.send(b'cd')
    say('poll', settled(a, 'PI'))
    time.sleep(0.05)
    say('at mark', ioctl_int(a, 0x8905))
    say('before', a.recv(10))
    say('at mark now', ioctl_int(a, 0x8905))
    say('urgent', a.recv(1, socket.MSG_OOB))
    say('after', a.recv(10))
    say('none', call(a.recv, 1, socket.MSG_OOB))


@case
def interfaces():
    x = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    lo = struct.pack('16s24x', b'lo')
    i = socket.if_nametoindex('lo')
    say('index of lo', i)
    say('its name', socket.if_indextoname(i))
    say('no such name', call(socket.if_nametoindex, 'nosuch0'))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for cmd, label in ((0x8915, 'address'), (0x891b, 'netmask')):
        r = fcntl.ioctl(s, cmd, lo)
        say(label, socket.inet_ntoa(r[20:24]))
    say('flags', hex(struct.unpack('H', fcntl.ioctl(x, 0x8913, lo)[16:18])[0] & 0x49))
    say('mtu', struct.unpack('i', fcntl.ioctl(s, 0x8921, lo)[16:20])[0])
    say('no such device', call(fcntl.ioctl, s, 0x8915, struct.pack('16s24x', b'nosuch0')))
    n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    n.bind((0, 0))
    say('netlink name', n.getsockname()[0] > 0)
    n.send(struct.pack('=IHHIIBxHiII', 32, 18, 0x301, 7, 0, 0, 0, 0, 0, 0))
    seen, done = [], False
    while not done:
        data, peer = n.recvfrom(65536)
        at = 0
        while at < len(data):
            size, kind, _, seq, pid = struct.unpack_from('=IHHII', data, at)
            done = done or kind == 3
            if kind == 16:
                seen.append((seq, pid == n.getsockname()[0]))
            at += (size + 3) & ~3
    say('link dump', (len(seen) > 0, all(x == (7, True) for x in seen), peer))


@case
def multiplex():
    l, p = listener()
    ep = select.epoll()
    ep.register(l, select.EPOLLIN | select.EPOLLET)
    cs = [tcp() for _ in range(2)]
    cs[0].connect((HOST, p))
    say('first edge', len(ep.poll(1)))
    cs[1].connect((HOST, p))
    say('second edge', len(ep.poll(1)))
    say('no third', len(ep.poll(0.05)))
    l.accept()
    l.accept()
    c, a = pair()
    r, w, x = select.select([a], [a], [a], 0.05)
    say('select', (len(r), len(w), len(x)))
    c.send(b'x')
    settled(a, 'I')
    say('select ready', len(select.select([a], [], [], 1)[0]))


@case
def many():
    u, v = udp(), udp()
    u.bind((HOST, 0))
    v.bind((HOST, 0))
    libc = ctypes.CDLL(None, use_errno=True)

    class Iovec(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]

    class Msg(ctypes.Structure):
        _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint), ('iov', ctypes.POINTER(Iovec)), ('iovlen', ctypes.c_size_t),
                    ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int), ('got', ctypes.c_uint)]

    def messages(n):
        bufs = [ctypes.create_string_buffer(b'message%d' % i, 32) for i in range(n)]
        ms = (Msg * n)()
        for m, b in zip(ms, bufs):
            m.iov, m.iovlen = ctypes.pointer(Iovec(ctypes.addressof(b), 8)), 1
        return ms, bufs
    v.connect(u.getsockname())
    ms, keep = messages(4)
    say('sendmmsg', (libc.sendmmsg(v.fileno(), ms, 4, 0), [m.got for m in ms]))
    settled(u, 'I')
    ms, bufs = messages(6)
    say('recvmmsg', (libc.recvmmsg(u.fileno(), ms, 6, socket.MSG_DONTWAIT, None), [m.got for m in ms], [b.value for b in bufs[:4]]))
    say('nothing', (libc.recvmmsg(u.fileno(), ms, 6, socket.MSG_DONTWAIT, None), errno.errorcode[ctypes.get_errno()]))
    threading.Timer(0.1, lambda: v.send(b'late')).start()
    say('waits for one', (libc.recvmmsg(u.fileno(), ms, 6, 0x10000, None), ms[0].got))
    say('bad pointer', (libc.sendmsg(v.fileno(), 8, 0), errno.errorcode[ctypes.get_errno()]))
    say('reconnect', call(v.connect, v.getsockname()))
    say('own', (v.send(b'self'), v.recvfrom(10)[0]))
    libc.connect(v.fileno(), ctypes.create_string_buffer(16), 16)
    say('disconnected', call(v.getpeername))


@case
def connect_timeout():
    l, p = listener(0)
    keep = []
    for _ in range(3):
        c = tcp()
        c.setblocking(False)
        call(c.connect, (HOST, p))
        keep.append(c)
    time.sleep(0.1)
    c = tcp()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 0, 200000))
    t = time.monotonic()
    say('full queue', call(c.connect, (HOST, p)))
    say('took about 0.2 s', 0.1 < time.monotonic() - t < 0.6)


@case
def reuse():
    a, b = tcp(), tcp()
    p = port()
    for s in (a, b):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        say('bind', call(s.bind, (HOST, p)))
        say('listen', call(s.listen))
    a.close()
    c = tcp()
    say('connect to the one left', call(c.connect, (HOST, p)))
    b.accept()
    b.close()
    d = tcp()
    say('connect after close', call(d.connect, (HOST, p)))


def bpf(*instructions):
    """struct sock_fprog, and what it points to."""
    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *i) for i in instructions))
    return struct.pack('HxxxxxxP', len(instructions), ctypes.addressof(code)), code


@case
def filters():
    SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
    a, b = udp(), udp()
    p = port()
    a.bind((HOST, p))
    a.settimeout(2)
    # Only datagrams whose payload (behind the UDP header) begins with 'y'.
    only_y, keep = bpf((0x30, 0, 0, 8), (0x15, 0, 1, ord('y')), (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0))
    say('attach', call(a.setsockopt, socket.SOL_SOCKET, SO_ATTACH_FILTER, only_y))
    for text in (b'no', b'yes', b'never', b'yet'):
        b.sendto(text, (HOST, p))
    say('received', [call(a.recv, 100), call(a.recv, 100)])
    a.setblocking(False)
    say('no more', call(a.recv, 100))
    endless, keep2 = bpf((0x05, 0, 0, 5))
    say('attach what jumps out', call(a.setsockopt, socket.SOL_SOCKET, SO_ATTACH_FILTER, endless))
    say('attach nothing', call(a.setsockopt, socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HxxxxxxP', 0, 0)))
    say('attach from nowhere', call(a.setsockopt, socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HxxxxxxP', 4, 8)))
    say('attach too short', call(a.setsockopt, socket.SOL_SOCKET, SO_ATTACH_FILTER, only_y[:8]))
    say('detach', call(a.setsockopt, socket.SOL_SOCKET, SO_DETACH_FILTER, 0))
    say('detach again', call(a.setsockopt, socket.SOL_SOCKET, SO_DETACH_FILTER, 0))
    a.settimeout(2)
    b.sendto(b'no', (HOST, p))
    say('received without', call(a.recv, 100))


@case
def left_blocking():
    # A socket that connected without blocking waits like any other once it blocks.
    a, p = listener()
    c = tcp()
    c.setblocking(False)
    say('connect', call(c.connect, (HOST, p)))
    c.setblocking(True)
    s, _ = a.accept()
    threading.Timer(0.1, lambda: s.send(b'late')).start()
    say('recv', call(c.recv, 10))
    s.close()
    say('end', call(c.recv, 10))
    say('send', call(c.send, b'x'))


@case
def peer_gone():
    # Writing to a peer that has closed fails once its reset is back.
    c, a = pair()
    c.send(b'request')
    a.recv(100)
    c.close()
    settled(a, 'R')
    say('first', call(a.send, b'x'))
    say('hung up', 'H' in settled(a, 'H'))
    say('then', call(a.send, b'x'))
    say('read', call(a.recv, 10))
    # A connection that was reset before anybody accepted it, with what it had sent.
    for data in (b'', b'last words'):
        l, p = listener()
        c = tcp()
        c.connect((HOST, p))
        name = c.getsockname()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if data:
            c.send(data)
        c.close()
        time.sleep(0.05)
        a, peer = l.accept()
        say('accept', peer == name)
        say('its state', (settled(a, 'EH'), call(a.getpeername)))
        say('its data', (call(a.recv, 100), call(a.recv, 100)))


@case
def shut_down_reader():
    # A reader of datagrams that is woken by shutdown gets nothing, from nobody.
    u = udp()
    u.bind((HOST, 0))
    got = []
    t = threading.Thread(target=lambda: got.append(call(u.recvfrom, 10)))
    t.start()
    time.sleep(0.1)
    say('shutdown', call(u.shutdown, socket.SHUT_RDWR))
    t.join(2)
    say('recvfrom', got)


@case
def error_told_once():
    c, a = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    a.close()
    settled(c, 'E')
    say('read', call(c.recv, 10))
    say('SO_ERROR', c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    c, a = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    a.close()
    settled(c, 'E')
    say('SO_ERROR first', errno.errorcode.get(c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
    say('then', (poll(c), call(c.recv, 10)))


@case
def errors_shown():
    # With IP_RECVERR, poll tells of an error until its queue is empty.
    recverr = (socket.IPPROTO_IPV6, 25) if V6 else (socket.IPPROTO_IP, 11)
    queue = socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
    u = udp()
    u.setblocking(False)
    u.setsockopt(*recverr, 1)
    say('descriptor', (os.get_inheritable(u.fileno()), hex(fcntl.fcntl(u, fcntl.F_GETFL))))
    u.connect((HOST, port()))
    for label, tell in (('queue', lambda: call(u.recvmsg, 10, 100, queue)[0]), ('recvfrom', lambda: call(u.recvfrom, 10)),
                        ('SO_ERROR', lambda: u.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)), ('sendmsg', lambda: call(u.sendmsg, [b'y']))):
        u.send(b'x')
        say(label, (settled(u, 'E'), tell(), poll(u)))
        say('rest', (call(u.recvmsg, 10, 100, queue)[0], poll(u), call(u.recvfrom, 10)))
    w, v = udp(), udp()
    w.setsockopt(*recverr, 1)
    w.bind((HOST, 0))
    v.sendto(b'one', w.getsockname())
    settled(w, 'I')
    w.sendto(b'z', (HOST, port()))
    say('data and error', (settled(w, 'IE'), call(w.recvfrom, 10), call(w.recvfrom, 10)[0], poll(w)))
    say('its end', (call(w.recvmsg, 10, 100, queue)[0], poll(w)))
    got = []
    t = threading.Thread(target=lambda: got.append(call(w.recvfrom, 10)))
    t.start()
    time.sleep(0.1)
    w.sendto(b'z', (HOST, port()))
    t.join(2)
    say('wakes a reader', (got, call(w.recvmsg, 10, 100, queue)[0]))
    ep = select.epoll()
    ep.register(w, select.EPOLLIN | select.EPOLLET)
    ep.poll(0)
    w.sendto(b'z', (HOST, port()))
    say('edge', [e & select.EPOLLERR for _, e in ep.poll(1)])
    p = w.getsockname()[1]
    w.close()
    say('its port is free', call(udp().bind, (HOST, p)))


signal.signal(signal.SIGPIPE, signal.SIG_IGN)
for fn in CASES:
    if ONLY and fn.__name__ not in ONLY:
        continue
    current = fn.__name__
    try:
        fn()
    except BaseException as e:
        print(f'{current}: failed: {type(e).__name__} {name(e)} line {e.__traceback__.tb_next.tb_lineno if e.__traceback__.tb_next else 0}', flush=True)
