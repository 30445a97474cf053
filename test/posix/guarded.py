# Waits in several calls at once and tells how each ends: for a runtime that is killed.
import os, socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('127.0.0.1', 0))
e = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
e.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
e.bind(('127.0.0.1', 0))
l = socket.socket()
l.bind(('127.0.0.1', 0))
l.listen()
c = socket.create_connection(l.getsockname())
a, _ = l.accept()


def wait(label, fn, *args):
    try:
        end = repr(fn(*args))
    except OSError as e:
        end = type(e).__name__ + (f' {e.errno}' if type(e) is OSError else '')
    os.write(1, f'{label}: {end}\n'.encode())


ts = [threading.Thread(target=wait, args=x) for x in (('recv', a.recv, 10), ('accept', l.accept), ('recvfrom', u.recvfrom, 10), ('datagram recv', u.recv, 10), ('recv with errors', e.recv, 10))]
for t in ts:
    t.start()
print('waiting', flush=True)
for t in ts:
    t.join()
# Afterwards the network is down, and nothing else is.
wait('socket', socket.socket)
wait('sendto', u.sendto, b'x', ('127.0.0.1', 9))
wait('bind', u.bind, ('127.0.0.1', 0))
x, y = socket.socketpair()
wait('unix', x.sendmsg, [b'local'])
wait('of it', y.recv, 10)
