# Every socket option by number on every kind of socket: read, set to good and bad values of every length, read back.
# Run natively and under nuse, the lines are compared. usage: options.py
import ctypes, errno, socket, struct

libc = ctypes.CDLL(None, use_errno=True)
ETH_P_ALL = socket.htons(3)
KINDS = {
    'tcp4': (socket.AF_INET, socket.SOCK_STREAM, 0), 'tcp6': (socket.AF_INET6, socket.SOCK_STREAM, 0),
    'udp4': (socket.AF_INET, socket.SOCK_DGRAM, 0), 'udp6': (socket.AF_INET6, socket.SOCK_DGRAM, 0),
    'raw4': (socket.AF_INET, socket.SOCK_RAW, 1), 'raw6': (socket.AF_INET6, socket.SOCK_RAW, 58),
    'raw4u': (socket.AF_INET, socket.SOCK_RAW, 200), 'raw6u': (socket.AF_INET6, socket.SOCK_RAW, 200),
    'ping4': (socket.AF_INET, socket.SOCK_DGRAM, 1), 'ping6': (socket.AF_INET6, socket.SOCK_DGRAM, 58),
    'packet': (socket.AF_PACKET, socket.SOCK_RAW, 0),
}
LEVELS = {'SOCKET': (1, range(0, 84)), 'IP': (0, range(0, 60)), 'IPV6': (41, range(0, 82)), 'UDP': (17, range(98, 106)), 'UDPCORK': (17, (1,)),
          'RAW': (255, range(0, 4)), 'ICMPV6': (58, range(0, 4)), 'PACKET': (263, range(1, 25)), 'NONE': (77, (1,))}
# Values that are the machine's, or options whose effects are elsewhere: sets and gets that a sandbox or a clock decides.
SKIP = {('SOCKET', n) for n in (26, 50, 51, 52, 56, 57, 61, 71, 79, 80)} | {('IPV6', n) for n in (64, 65, 68, 69, 80)} | {('PACKET', n) for n in (5, 13, 18, 22)}
INTS = (-2, -1, 0, 1, 2, 3, 5, 64, 255, 256, 65535, 1 << 30, 0x7fffffff, -0x80000000)
SIZES = (0, 1, 2, 3, 5, 8, 12, 16, 20, 24, 32, 40, 136, 264)


def code():
    return errno.errorcode[ctypes.get_errno()]


def get(s, level, name, room):
    buf = ctypes.create_string_buffer(b'\xee' * 300, 300)
    n = ctypes.c_int(room)
    if libc.getsockopt(s.fileno(), level, name, buf, ctypes.byref(n)) < 0:
        return code()
    return f'{buf.raw[:n.value].hex()}/{n.value}'


def put(s, level, name, value):
    return 'ok' if libc.setsockopt(s.fileno(), level, name, value, len(value)) == 0 else code()


def one(kind, label, level, name):
    out = []

    def step(what, result):
        out.append(f'{what}:{result}')
    def fresh():
        # The kernel takes long to close a packet socket: one for all steps.
        nonlocal s
        if s is None or kind != 'packet':
            if s is not None:
                s.close()
            s = socket.socket(*KINDS[kind])
        return s

    s = None
    step('get', ' '.join(f'{n}={get(fresh(), level, name, n)}' for n in (0, 1, 2, 3, 4, 5, 8, 16, 64)))
    for v in INTS:
        step(f'set{v}', put(fresh(), level, name, struct.pack('i', v)) + '>' + get(s, level, name, 4))
    for fill in (0, 1):
        for n in SIZES:
            value = bytes([fill]) + bytes(n - 1) if n else b''
            step(f'set{fill}x{n}', put(fresh(), level, name, value) + '>' + get(s, level, name, 64))
    s.close()
    for item in out:
        what, _, result = item.partition(':')
        print(f'{kind} {label} {name} {what} = {result}')


for kind in KINDS:
    for label, (level, names) in LEVELS.items():
        for name in names:
            if (label, name) not in SKIP:
                one(kind, label, level, name)
