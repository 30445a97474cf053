# Attaches an XDP program of another author (return XDP_PASS) to a device until stdin ends.
import ctypes, platform, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = 321 if platform.machine() == 'x86_64' else 280

def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr.ljust(144, b'\0'), 144)
    r = libc.syscall(SYS_BPF, command, buf, 144)
    if r < 0:
        raise OSError(ctypes.get_errno(), 'bpf')
    return r

code = ctypes.create_string_buffer(struct.pack('<BBhiBBhi', 0xb7, 0, 0, 2, 0x95, 0, 0, 0))
licence = ctypes.create_string_buffer(b'MIT')
program = bpf(5, struct.pack('<IIQQ', 6, 2, ctypes.addressof(code), ctypes.addressof(licence)))
link = bpf(28, struct.pack('<IIII', program, socket.if_nametoindex(sys.argv[1]), 37, 0))
print('attached', flush=True)
sys.stdin.read()
