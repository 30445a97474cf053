// What holds beyond single calls: the runtime's death, programs left behind, and ways around the filter.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';
import { PEER4, wire } from '../interop/wire.js';

const test = suite('posix: lifetime');
const lab = new Lab();
test.after(() => lab.close());
const env = { ...process.env, NUSECONF: '/dev/null' };
const HERE = join(ROOT, 'test/posix');

test('a killed runtime: what waits in a call or a read gets ECONNRESET', async () => {
  const p = spawn(NUSE[0], [...NUSE.slice(1), '--', '/usr/bin/python3', join(HERE, 'guarded.py')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  await new Promise<void>((resolve, reject) => {
    p.on('close', () => { reject(new Error(`ended early: ${out}`)); });
    p.stdout.on('data', (d) => {
      out += d;
      if (!out.includes('waiting')) return;
      setTimeout(resolve, 300);
    });
  });
  const closed = new Promise((resolve) => p.stdout.on('close', resolve));
  p.kill('SIGKILL');
  await closed;
  for (const label of ['recv', 'accept', 'recvfrom', 'datagram recv', 'recv with errors']) assert.match(out, new RegExp(`^${label}: ConnectionResetError$`, 'm'));
  assert.match(out, /^socket: OSError 100\nsendto: OSError 100\nbind: OSError 100\nunix: 5\nof it: b'local'$/m); // ENETDOWN
});

test('the stack lasts as long as what a program leaves behind', () => {
  const background = `/usr/bin/python3 -c "
import socket, time
time.sleep(0.5)
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.sendto(b'alive', a.getsockname())
print(a.recvfrom(10)[0].decode())
"`;
  const r = spawnSync(NUSE[0], [...NUSE.slice(1), '--', 'sh', '-c', `${background} & exit 3`], { env, encoding: 'utf8', timeout: 20000 });
  assert.is(r.stdout, 'alive\n', r.stderr);
  assert.is(r.status, 3);
});

test('a connection that accept() has returned stands at its other end too', () => {
  const script = `
import select, socket
for _ in range(100):
    l = socket.create_server(('127.0.0.1', 0))
    c = socket.socket()
    c.setblocking(False)
    try: c.connect(l.getsockname())
    except BlockingIOError: pass
    s, _ = l.accept()
    p = select.epoll()
    for x in (c, s): p.register(x, select.EPOLLOUT)
    assert sorted(p.poll(0)) == [(c.fileno(), select.EPOLLOUT), (s.fileno(), select.EPOLLOUT)]
    for x in (c, s, l, p): x.close()
`;
  const r = spawnSync(NUSE[0], [...NUSE.slice(1), '--', '/usr/bin/python3', '-c', script], { env, encoding: 'utf8', timeout: 60000 });
  assert.is(r.status, 0, r.stderr);
});

test('what a program has written arrives, though it ends before the peer has read it', async () => {
  const w = wire(lab, 'TAP');
  const reader = lab.run(w.peer, ['/usr/bin/python3', '-uc', `
import socket, time
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
l.bind(('${PEER4}', 6000))
l.listen()
print('ready')
a, _ = l.accept()
time.sleep(0.5)
n = 0
while b := a.recv(16384):
    n += len(b)
print(n)
`]);
  await reader.until(/ready/);
  const end = await lab.nuse(w.ns, ['-c', w.conf, '--', '/usr/bin/python3', '-c',
    `import socket; s = socket.create_connection(('${PEER4}', 6000)); s.sendall(bytes(600000)); s.close()`]).finish();
  assert.is(end.code, 0, end.stderr);
  assert.is((await reader.finish(10000)).stdout, 'ready\n600000\n');
});

test('no way around the filter: 32-bit and x32 calls, io_uring, other families', () => {
  const program = join(lab.dir, 'escape');
  execFileSync('gcc', ['-O2', '-D_GNU_SOURCE', '-o', program, join(HERE, 'escape.c')]);
  const r = spawnSync(NUSE[0], [...NUSE.slice(1), '--', program], { env, encoding: 'utf8', timeout: 20000 });
  const want = ['io_uring: ENOSYS', 'vsock: EAFNOSUPPORT', 'bluetooth: EAFNOSUPPORT', 'unix: done'];
  if (process.arch === 'x64') want.push('x32 socket: ENOSYS', 'socketcall: ENOSYS', '32-bit socket: ENOSYS', '32-bit getpid: done');
  assert.equal(r.stdout.trim().split('\n'), want);
});

test('a hostile program harms itself only, and leaves nothing behind', () => {
  const program = join(lab.dir, 'hostile');
  execFileSync('gcc', ['-O2', '-D_GNU_SOURCE', '-o', program, join(HERE, 'hostile.c'), '-lpthread']);
  const command = `${program} 3 ${Date.now()}; /usr/bin/python3 ${join(HERE, 'sockets.py')} 127.0.0.1 20000 echo`;
  const r = spawnSync(NUSE[0], [...NUSE.slice(1), 'run', '-v', '--', 'sh', '-c', command], { env, encoding: 'utf8', timeout: 30000 });
  assert.match(r.stdout, /^survived$/m, r.stderr);
  assert.match(r.stdout, /^echo: send to closed = 1$/m, r.stderr);
  assert.match(r.stderr, /^ *sockets +[01]$/m);
});

test('nothing of the machine is in reach: no interface but loopback, no resolver daemon', () => {
  const r = spawnSync(NUSE[0], [...NUSE.slice(1), '--', 'sh', '-c', 'grep ^hosts /etc/nsswitch.conf; find /run -type s 2>/dev/null | wc -l'], { env, encoding: 'utf8', timeout: 20000 });
  assert.is(r.stdout, 'hosts: files dns\n0\n');
});

test.run();
