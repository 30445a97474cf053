// A debugger without a person: a client of the inspector protocol.
import { WebSocket } from 'undici';

interface Message {
  id?: number;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { message: string };
}

export class DebuggerClient {
  private readonly socket: WebSocket;
  private readonly answers = new Map<number, { resolve: (r: unknown) => void; reject: (e: Error) => void }>();
  private readonly listeners: ((method: string, params: unknown) => void)[] = [];
  private sent = 0;
  readonly closed: Promise<void>;

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.closed = new Promise((resolve) => this.socket.addEventListener('close', () => resolve()));
    this.socket.addEventListener('message', ({ data }) => this.message(JSON.parse(data as string) as Message));
  }
  static async connect(url: string): Promise<DebuggerClient> {
    const client = new DebuggerClient(url);
    await new Promise<void>((resolve, reject) => {
      client.socket.addEventListener('open', () => resolve());
      client.socket.addEventListener('error', () => reject(new Error(`no debugger at ${url}`)));
    });
    return client;
  }

  private message(m: Message): void {
    if (m.id === undefined) {
      for (const l of this.listeners) l(m.method!, m.params);
      return;
    }
    const answer = this.answers.get(m.id)!;
    this.answers.delete(m.id);
    if (m.error) answer.reject(new Error(m.error.message));
    else answer.resolve(m.result);
  }
  on<T>(method: string, fn: (params: T) => void): void {
    this.listeners.push((m, params) => { if (m === method) fn(params as T); });
  }
  call<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.sent;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise<T>((resolve, reject) => { this.answers.set(id, { resolve: resolve as (r: unknown) => void, reject }); });
  }
  close(): void { this.socket.close(); }
}
