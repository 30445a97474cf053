// What the tests of the gateway share: `nuse` as an ordinary user who may do nothing special, servers of the host, programs inside.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NUSE, Program } from '../interop/lab.js';

/** The gateway's address, which leads to the host's loopback interface when asked for. */
export const GATEWAY = '10.0.2.2', GUEST = '10.0.2.15', DNS = '10.0.2.3';
const NOBODY = 65534;
const ROOT = process.getuid?.() === 0;

export interface UserOptions {
  /** Options of `nuse`. */
  options?: string[];
  /** Run in this network namespace instead of the machine's. */
  netns?: string;
  /** The resolv.conf that the host has, for this process tree. */
  resolvConf?: string;
  env?: NodeJS.ProcessEnv;
}

export class UserLab {
  readonly dir = mkdtempSync(join(tmpdir(), 'nuse-user-'));
  private readonly programs: Program[] = [];
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();

  constructor() { chmodSync(this.dir, 0o777); }

  file(name: string, text: string | Uint8Array): string {
    const path = join(this.dir, name);
    writeFileSync(path, text, { mode: 0o644 });
    return path;
  }

  /** The command line that starts `nuse OPTIONS -- PROGRAM` as a user without rights: no root, no /dev/net/tun, a home of its own. */
  command(program: readonly string[], o: UserOptions = {}): string[] {
    const nuse = [...NUSE, ...(o.options ?? []), '--', ...program];
    if (!ROOT) return nuse;
    const mounts = ['mount -t tmpfs none /dev/net'];
    if (o.resolvConf !== undefined) mounts.push(`mount --bind ${this.file('resolv.conf', o.resolvConf)} /etc/resolv.conf`);
    const drop = `exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups -- "$@"`;
    const user = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${mounts.join('; ')}; ${drop}`, 'sh', ...nuse];
    return o.netns ? ['ip', 'netns', 'exec', o.netns, ...user] : user;
  }
  private env(o: UserOptions): NodeJS.ProcessEnv {
    return { ...process.env, NUSECONF: '', HOME: this.dir, XDG_RUNTIME_DIR: this.dir, ...o.env };
  }

  start(program: readonly string[], o: UserOptions = {}): Program {
    const [file, ...args] = this.command(program, o);
    const child: ChildProcess = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: this.env(o), cwd: this.dir });
    const p = new Program(child, program.join(' '));
    this.programs.push(p);
    return p;
  }
  /** Run to the end; its status and output. */
  async run(program: readonly string[], o: UserOptions = {}, ms = 60000): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return this.start(program, o).finish(ms);
  }

  /** A server on the host's loopback interface; its port. */
  async serve(connection: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
      connection(socket);
    });
    this.servers.push(server);
    await new Promise<void>((done) => server.listen(0, host, done));
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const p of this.programs) p.kill('SIGTERM');
    await Promise.all(this.programs.map(async (p) => {
      const killer = setTimeout(() => p.kill('SIGKILL'), 5000);
      await p.done;
      clearTimeout(killer);
    }));
    for (const s of this.sockets) s.destroy();
    for (const s of this.servers) s.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Does this machine have what the tests of namespaces need? */
export const privileged = ROOT;

export const sha = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

/** Python that says `errno` of what fails, and nothing else. */
export const python = (body: string): string[] => ['/usr/bin/python3', '-uc', `import socket, struct, sys, time, errno\n${body}`];
/** A connect, told as its errno's name or `ok`. */
export const CONNECT = `
def connect(host, port, timeout=20):
  s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
  s.settimeout(timeout)
  try:
    s.connect((host, port))
    return 'ok'
  except TimeoutError:
    return 'timeout'
  except OSError as e:
    return errno.errorcode.get(e.errno, str(e))
`;

/** Ports of this host that nobody has. */
export async function freePort(): Promise<number> {
  const s = createServer();
  await new Promise<void>((done) => s.listen(0, '127.0.0.1', done));
  const { port } = s.address() as AddressInfo;
  await new Promise<void>((done) => { s.close(() => done()); });
  return port;
}
