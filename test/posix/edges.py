# Socket calls at their edges: bad descriptors, pointers, lengths, flags and states, by raw system calls. Run natively and
# under nuse, the lines are compared. usage: edges.py ADDRESS PORT-BASE [CASE]...
import array, ctypes, errno, fcntl, mmap, os, select, signal, socket, struct, sys, termios, threading, time

HOST, BASE = sys.argv[1], int(sys.argv[2])
V6 = ':' in HOST
FAMILY = socket.AF_INET6 if V6 else socket.AF_INET
ONLY = set(sys.argv[3:])
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
SIZE = 28 if V6 else 16
BAD = ctypes.c_void_p(8)
used = 0
CASES = []


def case(fn):
    CASES.append(fn)
    return fn


def port():
    global used
    used += 1
    return BASE + used


def say(label, value):
    print(f'{current}: {label} = {value}', flush=True)


def sys_(name, *args):
    """The result of a call of libc, or the name of its error."""
    ctypes.set_errno(0)
    r = getattr(libc, name)(*args)
    return str(r) if r >= 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())


def addr(p, host=HOST, family=None):
    family = family or FAMILY
    if V6:
        return struct.pack('=H', family) + struct.pack('!HI', p, 0) + socket.inet_pton(socket.AF_INET6, host) + struct.pack('=I', 0)
    return struct.pack('=H', family) + struct.pack('!H', p) + socket.inet_pton(socket.AF_INET, host) + bytes(8)


NAMES = [(1, 'I'), (2, 'P'), (4, 'O'), (8, 'E'), (16, 'H'), (0x2000, 'R'), (32, 'N')]


def poll(s, ms=0, mask=0x2007):
    p = select.poll()
    p.register(s, mask)
    r = p.poll(ms)
    return ''.join(c for bit, c in NAMES if r and r[0][1] & bit) or '-'


def settled(s, want, ms=1000):
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


class Iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]


class Msg(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint), ('iov', ctypes.c_void_p), ('iovlen', ctypes.c_size_t),
                ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int), ('got', ctypes.c_uint)]


def msg(buf, name=None, control=None, count=1):
    """A message of `count` pieces, all of them `buf`; and what it points to."""
    iov = (Iovec * max(count, 1))(*[Iovec(ctypes.addressof(buf), len(buf)) for _ in range(max(count, 1))])
    m = Msg(ctypes.addressof(name) if name else None, len(name) if name else 0, ctypes.addressof(iov), count,
            ctypes.addressof(control) if control else None, len(control) if control else 0)
    m.keep = (iov, buf, name, control)
    return m


def buffer(n, fill=b'x'):
    return ctypes.create_string_buffer(fill * n, n)


def kinds():
    c, a = pair()
    l, _ = listener()
    b = tcp()
    b.bind((HOST, 0))
    u, v = udp(), udp()
    v.bind((HOST, 0))
    u2 = udp()
    u2.connect((HOST, port()))
    return {'fresh': tcp(), 'bound': b, 'listening': l, 'connected': c, 'accepted': a, 'udp': u, 'udp bound': v, 'udp connected': u2}


@case
def creation():
    for family in (0, 1, 2, 3, 4, 5, 9, 10, 16, 17, 39, 46, 255, -1):
        for kind in (0, 1, 2, 3, 4, 5, 6, 10, 11, 1 | os.O_NONBLOCK, 1 | 0x10, 2 | os.O_CLOEXEC, 0x7fffffff):
            for proto in (0, 1, 6, 17, 58, 132, 136, 255, 256, 999, -1):
                if family in (3, 4, 5, 9, 39, 46) or (family == 16 and proto not in (0, 6)) or proto in (132, 136, 33):
                    continue  # what a kernel was built with
                if family == 17 and proto:
                    continue
                r = sys_('socket', family, kind, proto)
                if r.isdigit():
                    fd = int(r)
                    r = f'ok {bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)} {fcntl.fcntl(fd, fcntl.F_GETFD)} {fcntl.fcntl(fd, fcntl.F_GETFL) & 3}'
                    os.close(fd)
                say(f'{family},{kind},{proto}', r)
    say('socketpair inet', sys_('socketpair', FAMILY, 1, 0, buffer(8)))
    say('socketpair unix bad pointer', sys_('socketpair', 1, 1, 0, BAD))
    say('socketpair unix', sys_('socketpair', 1, 1, 0, buffer(8)))


@case
def descriptors():
    """Every call on what is no socket."""
    r, w = os.pipe()
    f = os.open('/dev/null', os.O_RDWR)
    d = os.open('/', os.O_RDONLY)
    path = os.open('/', os.O_PATH)
    b, n = buffer(64), ctypes.c_int(16)
    for label, fd in (('-1', -1), ('999', 999), ('pipe', r), ('null', f), ('dir', d), ('path', path)):
        for name, args in (
            ('bind', (addr(port()), SIZE)), ('connect', (addr(port()), SIZE)), ('listen', (1,)), ('accept', (None, None)), ('accept4', (None, None, 0)),
            ('getsockname', (b, ctypes.byref(n))), ('getpeername', (b, ctypes.byref(n))), ('getsockopt', (1, 4, b, ctypes.byref(n))),
            ('setsockopt', (1, 2, b, 4)), ('shutdown', (0,)), ('send', (b, 1, 0)), ('recv', (b, 1, 64)), ('sendto', (b, 1, 0, addr(port()), SIZE)),
            ('recvfrom', (b, 1, 64, b, ctypes.byref(n))), ('sendmsg', (ctypes.byref(msg(b)), 0)), ('recvmsg', (ctypes.byref(msg(b)), 64)),
            ('sendmmsg', (ctypes.byref(msg(b)), 1, 0)), ('recvmmsg', (ctypes.byref(msg(b)), 1, 64, None)), ('ioctl', (0x8913, b)), ('ioctl', (0x541b, b)),
        ):
            if label == 'pipe' and name == 'ioctl':
                continue
            say(f'{label} {name}', sys_(name, fd, *args))


@case
def pointers():
    for label, s in kinds().items():
        fd, n = s.fileno(), ctypes.c_int(16)
        for name, args in (
            ('bind', (BAD, SIZE)), ('bind', (None, SIZE)), ('bind', (None, 0)), ('bind', (addr(0), 0)), ('bind', (addr(0), 1)), ('bind', (addr(0), 2)), ('bind', (addr(0), SIZE - 1)),
            ('bind', (addr(0), -1)), ('bind', (addr(0) + bytes(200), 129)), ('bind', (addr(0) + bytes(200), 128)), ('bind', (addr(0, family=1), SIZE)), ('bind', (addr(0, family=77), SIZE)),
            ('connect', (BAD, SIZE)), ('connect', (None, SIZE)), ('connect', (None, 0)), ('connect', (addr(9), 1)), ('connect', (addr(9), SIZE - 5)),
            ('connect', (addr(9), -1)), ('connect', (addr(9, family=77), SIZE)), ('connect', (addr(9, family=1), SIZE)),
            ('accept', (BAD, ctypes.byref(n))), ('accept4', (None, None, 0x123)), ('getsockname', (BAD, ctypes.byref(n))), ('getsockname', (buffer(64), BAD)),
            ('getsockname', (None, None)), ('getsockname', (buffer(64), ctypes.byref(ctypes.c_int(-1)))), ('getsockname', (buffer(64), ctypes.byref(ctypes.c_int(0)))),
            ('getpeername', (BAD, ctypes.byref(n))), ('getpeername', (buffer(64), BAD)), ('getpeername', (buffer(64), ctypes.byref(ctypes.c_int(-1)))),
            ('getsockopt', (1, 3, BAD, ctypes.byref(n))), ('getsockopt', (1, 3, buffer(8), BAD)), ('getsockopt', (1, 3, buffer(8), None)), ('getsockopt', (1, 3, None, ctypes.byref(n))),
            ('getsockopt', (1, 3, buffer(8), ctypes.byref(ctypes.c_int(-1)))), ('getsockopt', (1, 3, buffer(8), ctypes.byref(ctypes.c_int(0)))),
            ('setsockopt', (1, 2, BAD, 4)), ('setsockopt', (1, 2, None, 4)), ('setsockopt', (1, 2, buffer(8), -1)), ('setsockopt', (1, 2, buffer(8), 0)),
            ('setsockopt', (1, 2, None, 0)), ('setsockopt', (0, 2, None, 0)), ('setsockopt', (6, 1, BAD, 4)), ('setsockopt', (1, 25, b'nosuch0', 8)),
            ('ioctl', (0x541b, BAD)), ('ioctl', (0x5411, BAD)), ('ioctl', (0x8912, BAD)), ('ioctl', (0x8913, BAD)), ('ioctl', (0x5421, BAD)), ('ioctl', (0x89ff, buffer(64))),
            ('ioctl', (0x5401, buffer(64))), ('ioctl', (0x1234, buffer(64))), ('ioctl', (0x8905, buffer(8))), ('ioctl', (0x8901, buffer(8))), ('ioctl', (0x8903, buffer(8))),
            ('shutdown', (3,)), ('shutdown', (-1,)),
        ):
            if label == 'listening' and name == 'connect':
                continue
            shown = [a if isinstance(a, int) else len(a) if isinstance(a, bytes) else 'nil' if a is None else 'bad' if a is BAD else 'ptr' for a in args]
            fam = args[0][0] if name in ('bind', 'connect') and isinstance(args[0], bytes) else ''
            if name == 'accept' and label == 'listening':
                s.setblocking(False)
            say(f'{label} {name}{shown}{fam if fam in (1, 77) else ""}', sys_(name, fd, *args))


FLAGS = {'0': 0, 'OOB': 1, 'PEEK': 2, 'DONTROUTE': 4, 'CTRUNC': 8, 'TRUNC': 32, 'EOR': 128, 'WAITALL': 256, 'CONFIRM': 0x800, 'ERRQUEUE': 0x2000,
         'NOSIGNAL': 0x4000, 'MORE': 0x8000, 'ZEROCOPY': 0x4000000, 'FASTOPEN': 0x20000000, 'CLOEXEC': 0x40000000, 'PROXY': 0x10, '0x100000': 0x100000}


@case
def flags():
    """Sending and receiving with every flag, by each of the calls, in every state, with nothing to receive."""
    for label in kinds():
        for flag, value in FLAGS.items():
            if flag == 'FASTOPEN':
                continue  # where the kernel was told to try, it connects
            for name in ('recv', 'recvfrom', 'recvmsg', 'sendto', 'sendmsg', 'send'):
                everything = kinds()  # a peer that stays
                s, b, n = everything[label], buffer(16), ctypes.c_int(28)
                args = {'recv': (b, 16, value | 64), 'recvfrom': (b, 16, value | 64, buffer(32), ctypes.byref(n)), 'recvmsg': (ctypes.byref(msg(b)), value | 64),
                        'send': (b'abc', 3, value | 64), 'sendto': (b'abc', 3, value | 64, addr(BASE), SIZE), 'sendmsg': (ctypes.byref(msg(b)), value | 64)}[name]
                say(f'{label} {flag} {name}', sys_(name, s.fileno(), *args))
                for x in everything.values():
                    x.close()


@case
def received():
    """What every flag makes of waiting bytes and datagrams."""
    for flag, value in FLAGS.items():
        if flag == 'CLOEXEC':
            continue
        c, a = pair()
        c.send(b'0123456789')
        settled(a, 'I')
        b = buffer(4, b'.')
        out = [sys_('recv', a.fileno(), b, 4, value | 64), b.raw, sys_('recv', a.fileno(), b, 4, 64), b.raw]
        m = msg(b)
        out += [sys_('recvmsg', a.fileno(), ctypes.byref(m), value | 64), hex(m.flags), b.raw, sys_('recv', a.fileno(), None, 2, value | 64), sys_('recv', a.fileno(), b, 4, 64)]
        say(f'stream {flag}', out)
        u, v = udp(), udp()
        u.bind((HOST, 0))
        v.connect(u.getsockname())
        for i in range(4):
            v.send(b'%d123456789' % i)
        settled(u, 'I')
        time.sleep(0.02)
        b = buffer(4, b'.')
        out = [sys_('recv', u.fileno(), b, 4, value | 64), b.raw, sys_('recv', u.fileno(), b, 4, 64), b.raw]
        m = msg(b)
        out += [sys_('recvmsg', u.fileno(), ctypes.byref(m), value | 64), hex(m.flags), b.raw, sys_('recv', u.fileno(), None, 0, value | 64)]
        say(f'datagram {flag}', out)
    c, a = pair()
    threading.Timer(0.1, lambda: c.send(b'world')).start()
    c.send(b'hello')
    b = buffer(10)
    say('WAITALL', (sys_('recv', a.fileno(), b, 10, 256), b.raw))
    threading.Timer(0.1, lambda: c.send(b'again')).start()
    n = ctypes.c_int(28)
    c.send(b'hello')
    say('WAITALL recvfrom', (sys_('recvfrom', a.fileno(), b, 10, 256, buffer(32), ctypes.byref(n)), b.raw, n.value))


@case
def vectors():
    c, a = pair()
    u, v = udp(), udp()
    u.bind((HOST, 0))
    v.connect(u.getsockname())
    b = buffer(1)
    for label, s, r in (('stream', c, a), ('datagram', v, u)):
        for count in (0, 1, 2, 1024, 1025, 5000):
            m = msg(b, count=count)
            say(f'{label} sendmsg {count}', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
            say(f'{label} writev {count}', sys_('writev', s.fileno(), ctypes.c_void_p(m.iov), count))
            if count:
                settled(r, 'I')
            m = msg(b, count=count)
            say(f'{label} recvmsg {count}', sys_('recvmsg', r.fileno(), ctypes.byref(m), 64))
            say(f'{label} readv {count}', sys_('readv', r.fileno(), ctypes.c_void_p(m.iov), count) if poll(r) != 'O' else poll(r))
            while poll(r) != 'O':
                r.recv(100000)
        say(f'{label} iov count huge', sys_('sendmsg', s.fileno(), ctypes.byref(Msg(None, 0, 8, 1 << 40)), 0))
        m = msg(b)
        m.iov = 8
        say(f'{label} iov bad', (sys_('sendmsg', s.fileno(), ctypes.byref(m), 0), sys_('recvmsg', r.fileno(), ctypes.byref(m), 64)))
        m = msg(b)
        m.keep[0][0].base = 8
        say(f'{label} base bad', (sys_('sendmsg', s.fileno(), ctypes.byref(m), 0), sys_('recvmsg', r.fileno(), ctypes.byref(m), 64)))
        m = msg(b)
        m.keep[0][0].len = 1 << 63
        say(f'{label} length bad', (sys_('sendmsg', s.fileno(), ctypes.byref(m), 0), sys_('recvmsg', r.fileno(), ctypes.byref(m), 64)))
        m = msg(b, name=buffer(16))
        m.namelen = 0xffffffff
        say(f'{label} name length', (sys_('sendmsg', s.fileno(), ctypes.byref(m), 0), sys_('recvmsg', r.fileno(), ctypes.byref(m), 64)))
        m = msg(b, name=buffer(16))
        m.name = 8
        say(f'{label} name bad', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
        m = msg(b, control=buffer(64))
        m.control = 8
        say(f'{label} control bad', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
        m = msg(b, control=buffer(64))
        say(f'{label} control nonsense', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
        m = msg(b, control=buffer(64))
        m.controllen = 1 << 40
        say(f'{label} control length', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
        m = msg(b, control=ctypes.create_string_buffer(struct.pack('QiiI', 20, 1, 1, 0), 24))
        say(f'{label} rights', sys_('sendmsg', s.fileno(), ctypes.byref(m), 0))
        for name, args in (('lseek', (0, 0)), ('pread', (b, 1, 0)), ('pwrite', (b, 1, 0)), ('ftruncate', (0,)), ('fsync', ()), ('fdatasync', ())):
            say(f'{label} {name}', sys_(name, s.fileno(), *args))
        say(f'{label} mmap', libc.mmap(None, 4096, 1, 1, s.fileno(), 0) == ctypes.c_void_p(-1).value and errno.errorcode[ctypes.get_errno()])
        say(f'{label} write nothing', sys_('write', s.fileno(), b, 0))
        say(f'{label} read nothing', sys_('read', c.fileno(), b, 0))
        say(f'{label} write bad', sys_('write', s.fileno(), BAD, 5))
        say(f'{label} sendto bad', sys_('sendto', s.fileno(), BAD, 5, 0, addr(BASE), SIZE))
        say(f'{label} mode', oct(os.fstat(s.fileno()).st_mode))
        say(f'{label} link', os.readlink(f'/proc/self/fd/{s.fileno()}').split(':')[0])


@case
def lengths():
    """How long a datagram may be, and the room for names."""
    u, v = udp(), udp()
    u.bind((HOST, 0))
    v.connect(u.getsockname())
    big = bytes(300000)
    for n in (65507, 65508, 65527, 65528, 65535, 65536, 131072, 250000):
        say(f'send {n}', sys_('send', v.fileno(), big, n, 64))
        say(f'sendto {n}', sys_('sendto', v.fileno(), big, n, 64, addr(u.getsockname()[1]), SIZE))
        say(f'write {n}', sys_('write', v.fileno(), big, n))
        while poll(u, 20) != 'O':
            u.recv(100000)
    for room in (0, 1, 2, 4, 15, 16, 27, 28, 100, -1):
        v.send(b'x')
        settled(u, 'I')
        n, name = ctypes.c_int(room), buffer(64, b'.')
        r = sys_('recvfrom', u.fileno(), buffer(8), 8, 64, name, ctypes.byref(n))
        say(f'room {room}', (r, n.value, name.raw[:2].hex(), name.raw[max(room, 0):].count(b'.') == 64 - max(room, 0)))
        while poll(u) != 'O':
            u.recv(10)
    for label, a, n in (('short', addr(9), SIZE - 5), ('family', addr(9, family=77), SIZE), ('unspec', addr(9, family=0), SIZE), ('negative', addr(9), -1), ('long', addr(9) + bytes(200), 129),
                        ('port 0', addr(0), SIZE), ('no length', addr(9), 0)):
        say(f'sendto {label}', sys_('sendto', udp().fileno(), b'x', 1, 0, a, n))
        say(f'stream sendto {label}', sys_('sendto', tcp().fileno(), b'x', 1, 0, a, n))
        say(f'connect {label}', sys_('connect', udp().fileno(), a, n))


@case
def states():
    """poll, read, write, shutdown, names and errors of a stream in every state."""
    def look(label, s, what='prws'):
        b, n = buffer(8), ctypes.c_int(28)
        s.setblocking(False)
        say(f'{label}: poll', poll(s))
        say(f'{label}: SO_ERROR', s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        say(f'{label}: getpeername', sys_('getpeername', s.fileno(), buffer(64), ctypes.byref(n)))
        say(f'{label}: FIONREAD', (sys_('ioctl', s.fileno(), 0x541b, b), sys_('ioctl', s.fileno(), 0x5411, b), sys_('ioctl', s.fileno(), 0x8905, b)))
        if 'r' in what:
            say(f'{label}: read', sys_('read', s.fileno(), b, 4))
            say(f'{label}: recv', sys_('recv', s.fileno(), b, 4, 0))
            say(f'{label}: recvfrom', sys_('recvfrom', s.fileno(), b, 4, 0, buffer(32), ctypes.byref(n)))
            say(f'{label}: recvmsg', sys_('recvmsg', s.fileno(), ctypes.byref(msg(b)), 0))
        if 'w' in what:
            say(f'{label}: write', sys_('write', s.fileno(), b'x', 1))
            say(f'{label}: send', sys_('send', s.fileno(), b'x', 1, 0))
            say(f'{label}: sendmsg', sys_('sendmsg', s.fileno(), ctypes.byref(msg(b)), 0))
            say(f'{label}: send NOSIGNAL', sys_('send', s.fileno(), b'x', 1, 0x4000))
        if 's' in what:
            for how in (0, 1, 2):
                say(f'{label}: shutdown {how}', sys_('shutdown', s.fileno(), how))
            say(f'{label}: poll after', poll(s))
            say(f'{label}: read after', sys_('read', s.fileno(), b, 4))
            say(f'{label}: send after', sys_('send', s.fileno(), b'x', 1, 0))
        say(f'{label}: listen', sys_('listen', s.fileno(), 1))
        say(f'{label}: bind', sys_('bind', s.fileno(), addr(0), SIZE))
        s.close()

    look('fresh', tcp())
    s = tcp()
    s.bind((HOST, 0))
    look('bound', s)
    l, p = listener()
    look('listening', l)
    s = tcp()
    call_refused = sys_('connect', s.fileno(), addr(port()), SIZE)
    say('refused', call_refused)
    look('refused', s)
    c, a = pair()
    look('connected', c)
    time.sleep(0.05)
    look('peer gone', a)
    c, a = pair()
    a.shutdown(socket.SHUT_WR)
    settled(c, 'R')
    look('peer shut down', c)
    c, a = pair()
    a.shutdown(socket.SHUT_RD)
    time.sleep(0.05)
    look('peer reads no more', c)
    say('reads no more: poll', poll(a))
    say('reads no more: read', sys_('read', a.fileno(), buffer(4), 4))
    c, a = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    a.close()
    settled(c, 'E')
    say('reset: read', sys_('read', c.fileno(), buffer(4), 4))
    say('reset: read again', sys_('read', c.fileno(), buffer(4), 4))
    look('reset', c)
    c, a = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    a.close()
    settled(c, 'E')
    say('reset: write', sys_('write', c.fileno(), b'x', 1))
    say('reset: write again', sys_('write', c.fileno(), b'x', 1))
    c, a = pair()
    c.send(b'data')
    settled(a, 'I')
    a.shutdown(socket.SHUT_RD)
    say('shut down with data: poll', poll(a))
    say('shut down with data: read', (sys_('read', a.fileno(), buffer(10), 10), sys_('read', a.fileno(), buffer(10), 10)))


@case
def disconnecting():
    """connect() to AF_UNSPEC."""
    nobody = struct.pack('=H', 0) + bytes(26)
    c, a = pair()
    say('stream', sys_('connect', c.fileno(), nobody, SIZE))
    say('stream poll', poll(c))
    say('peer', (settled(a, 'E'), sys_('recv', a.fileno(), buffer(4), 4, 64)))
    say('name', sys_('getpeername', c.fileno(), buffer(64), ctypes.byref(ctypes.c_int(28))))
    l, p = listener()
    say('again', sys_('connect', c.fileno(), addr(p), SIZE))
    say('works', (sys_('send', c.fileno(), b'x', 1, 0), l.accept()[0].recv(4)))
    say('listener', sys_('connect', l.fileno(), nobody, SIZE))
    say('listener poll', poll(l))
    say('fresh', sys_('connect', tcp().fileno(), nobody, SIZE))
    u = udp()
    u.connect((HOST, port()))
    say('datagram', (sys_('connect', u.fileno(), nobody, SIZE), sys_('send', u.fileno(), b'x', 1, 0)))
    say('short', sys_('connect', u.fileno(), nobody, 2))


@case
def descriptor_flags():
    c, a = pair()
    for name in ('dup', 'dup2', 'dup3', 'F_DUPFD', 'F_DUPFD_CLOEXEC'):
        r = {'dup': lambda: libc.dup(c.fileno()), 'dup2': lambda: libc.dup2(c.fileno(), 200), 'dup3': lambda: libc.dup3(c.fileno(), 201, os.O_CLOEXEC),
             'F_DUPFD': lambda: fcntl.fcntl(c.fileno(), fcntl.F_DUPFD, 210), 'F_DUPFD_CLOEXEC': lambda: fcntl.fcntl(c.fileno(), fcntl.F_DUPFD_CLOEXEC, 220)}[name]()
        say(name, (r if r >= 200 else 'low', fcntl.fcntl(r, fcntl.F_GETFD), sys_('send', r, b'x', 1, 0)))
        os.close(r)
    say('closed copies leave it open', (sys_('send', c.fileno(), b'x', 1, 0), settled(a, 'I')))
    say('flags', hex(fcntl.fcntl(c.fileno(), fcntl.F_GETFL)))
    n = array.array('i', [1])
    fcntl.ioctl(c, 0x5421, n, True)
    say('FIONBIO', hex(fcntl.fcntl(c.fileno(), fcntl.F_GETFL)))
    say('empty', sys_('recv', c.fileno(), buffer(4), 4, 0))
    d = os.dup(c.fileno())
    n = array.array('i', [0])
    fcntl.ioctl(d, 0x5421, n, True)
    say('shared with copies', hex(fcntl.fcntl(c.fileno(), fcntl.F_GETFL)))
    got = []
    signal.signal(signal.SIGIO, lambda *_: got.append('IO'))
    while poll(a) != 'O':
        a.recv(100)
    fcntl.fcntl(a, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)
    say('owner', fcntl.fcntl(a, fcntl.F_GETOWN) == os.getpid())
    c.send(b'x')
    for _ in range(100):
        if got:
            break
        time.sleep(0.01)
    say('O_ASYNC', got[:1])
    u = udp()
    u.bind((HOST, 0))
    fcntl.fcntl(u, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(u, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    del got[:]
    udp().sendto(b'x', u.getsockname())
    for _ in range(100):
        if got:
            break
        time.sleep(0.01)
    say('O_ASYNC datagram', got[:1])
    l, p = listener()
    fcntl.fcntl(l, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(l, fcntl.F_SETFL, os.O_ASYNC)
    del got[:]
    x = tcp()
    x.connect((HOST, p))
    for _ in range(100):
        if got:
            break
        time.sleep(0.01)
    say('O_ASYNC listener', got[:1])


signal.signal(signal.SIGPIPE, signal.SIG_IGN)
for fn in CASES:
    if ONLY and fn.__name__ not in ONLY:
        continue
    current = fn.__name__
    try:
        fn()
    except BaseException as e:
        line = e.__traceback__.tb_next.tb_lineno if e.__traceback__.tb_next else 0
        print(f'{current}: failed: {type(e).__name__} {e} line {line}', flush=True)
