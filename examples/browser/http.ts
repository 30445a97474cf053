// HTTP/1.1 over streams, as little of it as an example needs: one exchange on each connection, bodies by length or in chunks
// (RFC 9112). Requests and responses are the browser's own Request and Response.
import type { DirectSockets, TCPServerSocket, TCPSocket } from 'nuse/browser';

/** Longest head of a message, bytes. */
const HEAD_MAX = 16384;
const CR = 13, LF = 10;

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes lines and counted bytes off a stream. */
class Intake {
  private have: Bytes = new Uint8Array(0);
  private readonly reader: ReadableStreamDefaultReader<Bytes>;
  /** `done`: the message is through, or nobody wants the rest of it. */
  constructor(stream: ReadableStream<Bytes>, private readonly done?: () => void) { this.reader = stream.getReader(); }

  /** Up to `most` bytes; none at the end of the stream. */
  async some(most = Infinity): Promise<Bytes> {
    while (!this.have.length) {
      const { value, done } = await this.reader.read();
      if (done) return new Uint8Array(0);
      this.have = value;
    }
    const piece = this.have.subarray(0, Math.min(most, this.have.length));
    this.have = this.have.subarray(piece.length);
    return piece;
  }

  async line(): Promise<string> {
    const bytes: number[] = [];
    while (bytes.at(-1) !== LF) {
      const [b] = await this.some(1);
      if (b === undefined || bytes.push(b) > HEAD_MAX) throw new TypeError('the message ends in its head');
    }
    return String.fromCharCode(...bytes.slice(0, bytes.at(-2) === CR ? -2 : -1));
  }

  /** First line and header fields. */
  async head(): Promise<{ first: string[]; headers: Headers }> {
    const first = (await this.line()).split(' '), headers = new Headers();
    let size = 0;
    for (let line = await this.line(); line; line = await this.line()) {
      const colon = line.indexOf(':');
      if (colon < 1 || (size += line.length) > HEAD_MAX) throw new TypeError('bad header field');
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return { first, headers };
  }

  /** The body that the header fields announce; to the end of the connection when they don't. */
  body(headers: Headers, none: boolean): ReadableStream<Bytes> | null {
    const length = headers.get('content-length');
    if (headers.get('transfer-encoding') === 'chunked') return this.until(() => this.chunkSize());
    if (length === null && !none) return this.until(once(Infinity));
    if (Number(length)) return this.until(once(Number(length)));
    this.end();
    return null;
  }

  /** A stream of what comes in portions of `next()` bytes, until that is 0. */
  private until(next: () => number | Promise<number>): ReadableStream<Bytes> {
    let left = 0;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        if (!left) left = await next();
        const piece = left ? await this.some(left) : new Uint8Array(0);
        left -= piece.length;
        if (piece.length) controller.enqueue(piece);
        else {
          if (left && left < Infinity) controller.error(new TypeError('the body is cut short'));
          else controller.close();
          this.end();
        }
      },
      cancel: () => this.end(),
    }, { highWaterMark: 0 });
  }
  /** One exchange on each connection: what else comes is of no interest, and a failure is the writer's to hear. */
  private end(): void {
    this.reader.cancel().catch(() => undefined);
    this.done?.();
  }
  private async chunkSize(): Promise<number> {
    let line = await this.line();
    if (!line) line = await this.line(); // the end of the chunk before
    const n = /^[0-9a-f]{1,8}/i.test(line) ? parseInt(line, 16) : NaN;
    if (Number.isNaN(n)) throw new TypeError('bad chunk size');
    return n;
  }
}

const once = (n: number) => (): number => {
  const now = n;
  n = 0;
  return now;
};

/** Write a message; a body without a length goes in chunks. */
async function send(writable: WritableStream<Bytes>, first: string, headers: Headers, body: ReadableStream<Bytes> | null, close: boolean): Promise<void> {
  const out = new TextEncoder(), chunked = body && !headers.has('content-length');
  if (chunked) headers.set('transfer-encoding', 'chunked');
  if (!body && !headers.has('content-length')) headers.set('content-length', '0');
  const writer = writable.getWriter();
  const head = [first, ...Array.from(headers.entries(), ([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
  await writer.write(out.encode(head));
  writer.releaseLock();
  if (!body) {
    if (close) await writable.close();
    return;
  }
  const chunks = new TransformStream<Bytes, Bytes>({
    transform(piece, controller) {
      controller.enqueue(out.encode(`${piece.length.toString(16)}\r\n`));
      controller.enqueue(piece);
      controller.enqueue(out.encode('\r\n'));
    },
    flush: (controller) => controller.enqueue(out.encode('0\r\n\r\n')),
  });
  await (chunked ? body.pipeThrough(chunks) : body).pipeTo(writable, { preventClose: !close });
}

export type Handler = (request: Request) => Response | Promise<Response>;

/** Answer every connection of a listener, until it closes. */
export async function serveHttp(server: TCPServerSocket, handler: Handler): Promise<void> {
  await server.readable.pipeTo(new WritableStream<TCPSocket>({
    write(socket) {
      // A connection that fails is its client's trouble: the others go on.
      answer(socket, handler).catch((error: unknown) => socket.writable.abort(error));
    },
  }));
}

async function answer(socket: TCPSocket, handler: Handler): Promise<void> {
  const intake = new Intake(socket.readable), { first: [method, path], headers } = await intake.head();
  const body = intake.body(headers, true);
  const response = await handler(new Request(new URL(path, `http://${headers.get('host') ?? 'localhost'}`), { method, headers, ...(body ? { body, duplex: 'half' } : {}) } as RequestInit));
  const fields = new Headers(response.headers);
  fields.set('connection', 'close');
  await send(socket.writable, `HTTP/1.1 ${response.status} ${response.statusText}`, fields, response.body, true);
}

/** As fetch(), over sockets of a stack. Rejects as the connection does, with a `code`. `halfClose`: end our direction after the request. */
export async function fetchOver({ TCPSocket }: DirectSockets, url: string, init?: RequestInit, halfClose = false): Promise<Response> {
  const request = new Request(url, init), { hostname, host, port, pathname, search } = new URL(url);
  const socket = new TCPSocket(hostname.replace(/^\[|\]$/g, ''), Number(port) || 80, { signal: init?.signal ?? undefined });
  await socket.opened;
  const headers = new Headers(request.headers);
  headers.set('host', host);
  const sending = send(socket.writable, `${request.method} ${pathname}${search} HTTP/1.1`, headers, request.body as ReadableStream<Bytes> | null, halfClose);
  // Should the connection have failed by then, whoever reads the body knows.
  const intake = new Intake(socket.readable, () => { sending.then(() => socket.close()).catch(() => undefined); });
  const [{ first, headers: fields }] = await Promise.all([intake.head(), sending]);
  return new Response(intake.body(fields, false), { status: Number(first[1]), statusText: first.slice(2).join(' '), headers: fields });
}
