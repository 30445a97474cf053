# What `ss` and `ip rule` tell of sockets this script opens: lines to compare on the kernel and under nuse.
import re, socket, subprocess

listener = socket.socket()
listener.bind(('127.0.0.1', 5555))
listener.listen(7)
client = socket.socket()
client.bind(('127.0.0.1', 5600))
client.connect(('127.0.0.1', 5555))
server, _ = listener.accept()
six = socket.socket(socket.AF_INET6)
six.bind(('::', 5556))
six.listen(3)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('0.0.0.0', 5557))
udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp6.bind(('::1', 5558))
udp6.connect(('::1', 5559))
client.send(b'hello')
server.recv(5)
closed = socket.socket()
closed.bind(('127.0.0.1', 5601))
closed.connect(('127.0.0.1', 5555))
peer, _ = listener.accept()
closed.close()
peer.close()
for args in ('-Htan', '-Huan', '-H6tan', '-Htln', '-Htan state established', '-Htan sport = :5555'):
    out = subprocess.run(['ss', *args.split(' ')], capture_output=True, text=True)
    for line in sorted(re.sub(r' +', ' ', l).strip() for l in out.stdout.splitlines()):
        print(f'ss {args}: {line}')
info = subprocess.run(['ss', '-Htin', 'sport = :5600'], capture_output=True, text=True).stdout
print('info', all(k in info for k in ('mss:', 'cwnd:', 'bytes_sent:5')))
for family in ('-4', '-6'):
    print(subprocess.run(['ip', family, 'rule'], capture_output=True, text=True).stdout)
