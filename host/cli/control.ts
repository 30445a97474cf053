// The control protocol of a named stack: one JSON object a line, over its unix socket, one request at a time.
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { CliError } from './fail.js';

/** Bytes of a line. */
const MAX_LINE = 4 << 20;

export interface Request {
  op: 'info' | 'stats' | 'down';
}

export type Reply = { ok: true; result: unknown } | { ok: false; message: string };

/** What op `info` answers. */
export interface StackInfo {
  name: string;
  /** Process of the runtime. */
  pid: number;
  /** Process that holds the programs' namespaces. */
  holder: number;
  /** Inode of the programs' network namespace. */
  netns: number;
  /** Absolute path of the configuration, or null. */
  config: string | null;
  interfaces: { name: string; type: string; dev: string; addresses: string[] }[];
  dns: { servers: string[]; search: string[] };
  /** ms since the epoch. */
  started: number;
}

function lines(socket: Socket, line: (text: string) => void): void {
  let buffer = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    buffer += chunk;
    for (let at; (at = buffer.indexOf('\n')) >= 0; buffer = buffer.slice(at + 1)) line(buffer.slice(0, at));
    if (buffer.length > MAX_LINE) socket.destroy();
  });
}

/**
 * Ask a stack. Rejects with the system's error (ENOENT, ECONNREFUSED: there is none), or with what the stack answered; after `patience` ms
 * without an answer with ETIMEDOUT.
 */
export function ask<T>(path: string, request: Request, patience = 0): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.on('error', reject);
    socket.setTimeout(patience, () => socket.destroy(Object.assign(new Error('the stack does not answer'), { code: 'ETIMEDOUT' })));
    socket.on('close', () => reject(new CliError('the stack went away without an answer')));
    lines(socket, (text) => {
      const reply = JSON.parse(text) as Reply;
      if (reply.ok) resolve(reply.result as T);
      else reject(new CliError(reply.message));
      socket.destroy();
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

/** Answer requests on a unix socket. */
export function serve(path: string, handler: (request: Request) => Promise<unknown>): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    lines(socket, (text) => {
      const answer = (reply: Reply) => socket.write(`${JSON.stringify(reply)}\n`);
      Promise.resolve().then(() => handler(JSON.parse(text) as Request)).then(
        (result) => answer({ ok: true, result: result ?? null }),
        (error: unknown) => answer({ ok: false, message: (error as Error).message }),
      );
    });
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, () => resolve(server));
  });
}
