// limit: 240 s
// An ordinary user's programs over a USER interface, against servers on the host's loopback interface.
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { processes } from '../interop/lab.js';
import { CONNECT, DNS, GATEWAY, UserLab, freePort, privileged, python, sha } from './lab.js';

const test = suite('gateway: programs');
const lab = new UserLab();
test.after(() => lab.close());
const LOOPBACK = { options: ['--host-loopback'] };
const DATA = randomBytes(24 << 20);

/** A server of HTTP with one page, /data, and the hash of what is PUT. */
async function httpServer(host?: string): Promise<number> {
  return lab.serve((s) => {
    let head = Buffer.alloc(0), body: Buffer[] | undefined, left = 0;
    const got = (chunk: Buffer): void => {
      body!.push(chunk);
      left -= chunk.length;
      if (left > 0) return;
      const sum = sha(Buffer.concat(body!));
      s.end(`HTTP/1.1 200 OK\r\nContent-Length: ${sum.length}\r\nConnection: close\r\n\r\n${sum}`);
    };
    s.on('data', (chunk: Buffer) => {
      if (body) return got(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const text = head.toString('latin1', 0, end);
      if (text.startsWith('GET')) {
        s.write(`HTTP/1.1 200 OK\r\nContent-Length: ${DATA.length}\r\nConnection: close\r\n\r\n`);
        s.end(DATA);
        return;
      }
      body = [];
      left = Number(/content-length: (\d+)/i.exec(text)![1]);
      if (/expect: 100/i.test(text)) s.write('HTTP/1.1 100 Continue\r\n\r\n');
      got(head.subarray(end + 4));
    });
  }, host);
}

/** `late`: ms before the answer is read. */
function get(port: number, path = '/', host = '127.0.0.1', late = 0): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request({ host, port, path, agent: false }, (r) => {
      const parts: Buffer[] = [];
      if (late) setTimeout(() => r.resume(), late);
      r.on('data', (d: Buffer) => parts.push(d));
      if (late) r.pause();
      r.on('end', () => resolve(Buffer.concat(parts)));
      r.on('error', reject);
    }).on('error', reject).end();
  });
}
const until = async (what: () => Promise<unknown>, ms = 20000): Promise<void> => {
  for (const end = Date.now() + ms; ;) {
    try {
      await what();
      return;
    } catch (e) {
      if (Date.now() > end) throw e;
      await new Promise((r) => setTimeout(r, 100));
    }
  }
};

test('curl and wget: large transfers both ways arrive whole', async () => {
  const port = await httpServer(), put = lab.file('put.bin', DATA);
  const curl = await lab.run(['sh', '-c', `curl -sS http://${GATEWAY}:${port}/data | sha256sum; curl -sS -T ${put} http://${GATEWAY}:${port}/x`], LOOPBACK);
  assert.is(curl.stdout, `${sha(DATA)}  -\n${sha(DATA)}`, curl.stderr);
  const wget = await lab.run(['sh', '-c', `wget -qO- http://${GATEWAY}:${port}/data | sha256sum`], LOOPBACK);
  assert.is(wget.stdout, `${sha(DATA)}  -\n`, wget.stderr);
});

test('IPv6 as IPv4, and a python client', async () => {
  const port = await httpServer('::1');
  const r = await lab.run(python(`
import urllib.request, hashlib
print(hashlib.sha256(urllib.request.urlopen('http://[fd00::2]:${port}/data').read()).hexdigest())`), LOOPBACK);
  assert.is(r.stdout, `${sha(DATA)}\n`, r.stderr);
});

test('the host\'s loopback interface and link are closed unless asked for; a refusal is a refusal', async () => {
  const port = await httpServer(), nobody = await freePort();
  const script = (targets: [string, number][]): string[] => python(`${CONNECT}
for h, p in ${JSON.stringify(targets)}: print(connect(h, p))`);
  const closed = await lab.run(script([[GATEWAY, port], ['fd00::2', port], ['169.254.169.254', 80], [DNS, port], ['10.0.2.77', port]]));
  assert.is(closed.stdout, 'EHOSTUNREACH\nEACCES\nEHOSTUNREACH\nECONNREFUSED\nEHOSTUNREACH\n', closed.stderr);
  const open = await lab.run(script([[GATEWAY, port], [GATEWAY, nobody], ['fd00::2', nobody]]), LOOPBACK);
  assert.is(open.stdout, 'ok\nECONNREFUSED\nECONNREFUSED\n', open.stderr);
  assert.is((await lab.run(['curl', '-sS', `http://${GATEWAY}:${nobody}/`], LOOPBACK)).code, 7);
});

test('egress rules: the first that matches decides', async () => {
  const port = await httpServer(), other = await httpServer();
  const r = await lab.run(python(`${CONNECT}
print(connect('${GATEWAY}', ${port}), connect('${GATEWAY}', ${other}))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.connect(('${GATEWAY}', ${other}))
u.send(b'x')
try: u.recvfrom(10)
except OSError as e: print(errno.errorcode[e.errno])`), { options: ['--host-loopback', '--egress', `allow ${GATEWAY} ${port}/tcp`, '--egress', 'deny any'] });
  assert.is(r.stdout, 'ok EHOSTUNREACH\nEHOSTUNREACH\n', r.stderr);
  const names = await lab.run(python(`${CONNECT}
print(connect('${DNS}', 53))`), { options: ['--egress', 'deny any'] });
  assert.is(names.stdout, 'EHOSTUNREACH\n', 'names are a way out, too');
});

test('half-closed connections carry the other direction to its end', async () => {
  const heard: Buffer[] = [];
  const port = await lab.serve((s) => {
    // Says everything, ends, and then listens to the end.
    s.on('data', (d: Buffer) => heard.push(d));
    s.end('all I say\n');
  });
  const echo = await lab.serve((s) => {
    const parts: Buffer[] = [];
    s.on('data', (d: Buffer) => parts.push(d));
    s.on('end', () => s.end(`${Buffer.concat(parts).length}`));
  });
  const r = await lab.run(python(`
s = socket.create_connection(('${GATEWAY}', ${port}))
while s.recv(100): pass
for i in range(50): s.send(b'y' * 1000); time.sleep(0.001)
s.close()
s = socket.create_connection(('${GATEWAY}', ${echo}))
s.sendall(b'z' * 3000000)
s.shutdown(socket.SHUT_WR)
print(s.recv(100).decode(), s.recv(100))`), LOOPBACK);
  assert.is(r.stdout, '3000000 b\'\'\n', r.stderr);
  await until(() => Promise.resolve(assert.is(Buffer.concat(heard).length, 50000)));
});

test('a reset is a reset, both ways', async () => {
  const ends: string[] = [];
  const resets = await lab.serve((s) => s.once('data', () => s.resetAndDestroy()));
  const listens = await lab.serve((s) => {
    s.on('error', (e: NodeJS.ErrnoException) => ends.push(e.code ?? ''));
    s.on('end', () => ends.push('end'));
    s.resume();
  });
  const r = await lab.run(python(`
s = socket.create_connection(('${GATEWAY}', ${resets}))
s.send(b'x')
try: print(s.recv(10))
except OSError as e: print(errno.errorcode[e.errno])
s = socket.create_connection(('${GATEWAY}', ${listens}))
s.send(b'x' * 100)
time.sleep(0.3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
s.close()
time.sleep(0.5)`), LOOPBACK);
  assert.is(r.stdout, 'ECONNRESET\n', r.stderr);
  assert.equal(ends, ['ECONNRESET']);
});

test('a reader that does not read stops the writer, both ways; nothing is lost', async () => {
  let paused: Socket | undefined, taken = 0;
  const slow = await lab.serve((s) => {
    paused = s.pause();
    s.on('data', (d: Buffer) => { taken += d.length; });
  });
  const p = lab.start(python(`
s = socket.create_connection(('${GATEWAY}', ${slow}))
s.settimeout(2)
n = 0
try:
  while n < 400 << 20: n += s.send(b'w' * 65536)
except TimeoutError: pass
print('stopped', n < 400 << 20, flush=True)
s.settimeout(60)
while n % 65536: n += s.send(b'w' * (65536 - n % 65536))
s.shutdown(socket.SHUT_WR)
s.recv(10)
print(n)`), LOOPBACK);
  await p.until(/stopped/, 60000);
  paused!.resume();
  paused!.on('end', () => paused!.end());
  const r = await p.finish();
  assert.match(r.stdout, /^stopped True\n/);
  assert.is(Number(r.stdout.split('\n')[1]), taken);
});

test('UDP: answers, refusals and large datagrams', async () => {
  const echo = createSocket('udp4');
  await new Promise<void>((done) => echo.bind(0, '127.0.0.1', done));
  echo.on('message', (m, from) => echo.send(m, from.port, from.address));
  const nobody = await freePort();
  try {
    const r = await lab.run(python(`
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
for n in (0, 1, 1472, 1473, 9000, 60000):
  u.sendto(bytes(n), ('${GATEWAY}', ${echo.address().port}))
  d, a = u.recvfrom(65536)
  print(len(d), a[0], end=' ')
u.connect(('${GATEWAY}', ${nobody}))
u.send(b'x')
try: u.recvfrom(10)
except OSError as e: print(errno.errorcode[e.errno])`), LOOPBACK);
    assert.is(r.stdout, `${[0, 1, 1472, 1473, 9000, 60000].map((n) => `${n} ${GATEWAY} `).join('')}ECONNREFUSED\n`, r.stderr);
  } finally {
    echo.close();
  }
});

test('the last words of a program that ends at once still go out', async () => {
  const words: string[] = [], s = createSocket('udp4').on('message', (m) => words.push(m.toString()));
  await new Promise<void>((done) => s.bind(0, '127.0.0.1', done));
  const tcp = await lab.serve((c) => c.on('data', (d: Buffer) => words.push(d.toString())));
  try {
    const r = await lab.run(['sh', '-c', `/usr/bin/python3 -c "import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'datagram', ('${GATEWAY}', ${s.address().port}))
t = socket.create_connection(('${GATEWAY}', ${tcp})); t.sendall(b'stream')"`], LOOPBACK);
    assert.is(r.code, 0, r.stderr);
    await until(() => Promise.resolve(assert.equal(words.sort(), ['datagram', 'stream'])));
  } finally {
    s.close();
  }
});

test('ping: the gateway answers for itself, in both families', async () => {
  for (const address of [GATEWAY, 'fd00::2', DNS]) {
    const r = await lab.run(['ping', '-n', '-c', '2', '-i', '0.2', '-W', '10', address]);
    assert.match(r.stdout, /2 received, 0% packet loss/, r.stderr);
  }
});

test('--publish: a python server is reached from the host, sees its peer, and refuses as itself', async () => {
  const outside = await freePort(), refused = await freePort();
  const p = lab.start(['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--directory', lab.dir], { options: ['-p', `${outside}:8000/tcp`, '-p', `127.0.0.1:${refused}:81`] });
  lab.file('page', 'published\n');
  await until(async () => assert.is((await get(outside, '/page')).toString(), 'published\n'));
  await p.until(new RegExp(`${GATEWAY.replaceAll('.', '\\.')} - - .*"GET /page`));
  const end = await new Promise((resolve) => {
    const s = connect(refused, '127.0.0.1');
    s.on('error', (e: NodeJS.ErrnoException) => resolve(e.code));
    s.on('end', () => resolve('end'));
    s.resume();
  });
  assert.is(end, 'ECONNRESET');
  const again = await lab.run(['true'], { options: ['-p', `${outside}:80`] });
  assert.is(again.code, 125);
  assert.match(again.stderr, new RegExp(`port ${outside}/tcp of 127.0.0.1 cannot be published: .*EADDRINUSE`));
});

test('nginx serves many requests at once', async () => {
  const outside = await freePort();
  const conf = lab.file('nginx.conf', `daemon off; master_process off; pid ${lab.dir}/nginx.pid; error_log stderr;
events { }
http { access_log off; client_body_temp_path ${lab.dir}/b; proxy_temp_path ${lab.dir}/p; fastcgi_temp_path ${lab.dir}/f; uwsgi_temp_path ${lab.dir}/u; scgi_temp_path ${lab.dir}/s;
server { listen 80; root ${lab.dir}; } }\n`);
  lab.file('blob', DATA.subarray(0, 1 << 20));
  lab.start(['nginx', '-c', conf, '-e', 'stderr'], { options: ['-p', `${outside}:80`] });
  await until(() => get(outside, '/blob'));
  const sums = await Promise.all(Array.from({ length: 40 }, async () => sha(await get(outside, '/blob'))));
  assert.ok(sums.every((s) => s === sha(DATA.subarray(0, 1 << 20))));
  // More than the stack has memory for, while nobody reads: nginx has written and closed some of it by then.
  lab.file('large', DATA.subarray(0, 4e6));
  const late = await Promise.all(Array.from({ length: 60 }, async () => sha(await get(outside, '/large', '127.0.0.1', 2000))));
  assert.ok(late.every((s) => s === sha(DATA.subarray(0, 4e6))));
});

test('UDP is published, too', async () => {
  const outside = await freePort();
  const p = lab.start(python(`
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('', 5353))
print('ready')
while True:
  d, a = u.recvfrom(65536)
  u.sendto(a[0].encode() + b' ' + d, a)`), { options: ['-p', `${outside}:5353/udp`] });
  await p.until(/ready/);
  const s = createSocket('udp4');
  const answer = new Promise<string>((done) => s.once('message', (m) => done(m.toString())));
  s.send('hello', outside, '127.0.0.1');
  assert.is(await answer, `${GATEWAY} hello`);
  s.close();
});

test('killed, it leaves nothing: its program and the client outside hear of it, and the port is free', async () => {
  const outside = await freePort(), mark = `nuse-mark-${process.pid}`;
  // What the runtime holds must go with it; a program goes on, as it likes, without a network.
  const p = lab.start(python(`
# ${mark}
l = socket.create_server(('', 80))
print('listening')
c = l.accept()[0]
print('accepted')
try: print(c.recv(10))
except OSError as e: print(errno.errorcode[e.errno])`), { options: ['-p', `127.0.0.1:${outside}:80`] });
  await p.until(/listening/, 60000);
  const client = connect(outside, '127.0.0.1');
  const heard = new Promise<string>((done) => {
    client.on('error', (e: NodeJS.ErrnoException) => done(e.code ?? ''));
    client.on('end', () => done('end'));
    client.resume();
  });
  await p.until(/accepted/, 60000);
  p.kill('SIGKILL');
  assert.match((await p.finish(60000)).stdout, /accepted\nECONNRESET\n$/);
  assert.match(await heard, /^(end|ECONNRESET)$/);
  await until(() => Promise.resolve(assert.equal(processes(mark), [])));
  const s = await lab.run(['true'], { options: ['-p', `127.0.0.1:${outside}:80`] });
  assert.is(s.code, 0, s.stderr);
});

test('names are looked up by the host\'s name servers, over UDP and TCP', async () => {
  if (!privileged) return; // only root may have port 53 and another resolv.conf
  const { nameServer } = await import('./name_server.js');
  const server = await nameServer('127.0.0.77');
  try {
    const o = { resolvConf: 'nameserver 127.0.0.76\nnameserver 127.0.0.77\nsearch nuse.test\n' };
    const dig = await lab.run(['sh', '-c', 'dig +short +tries=3 +time=5 host.nuse.test; dig +short +tcp +tries=3 +time=5 host.nuse.test'], o);
    assert.is(dig.stdout, '192.0.2.53\n192.0.2.53\n', dig.stderr);
    const py = await lab.run(python('print(socket.gethostbyname("host"))'), o);
    assert.is(py.stdout, '192.0.2.53\n', py.stderr);
    const none = await lab.run(['dig', '+tries=1', '+time=5', 'host.nuse.test'], { resolvConf: '# none\n' });
    assert.match(none.stdout, /connection refused/);
  } finally {
    server.close();
  }
});

test.run();
