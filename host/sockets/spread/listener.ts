// A listener in every worker. Browser-safe.
import { Errno } from '../../abi/constants.js';
import type { IpFamily, SocketAddress } from '../address.js';
import type { ListenSocket, SocketProvider, StreamSocket } from '../endpoints.js';
import { SocketError } from '../error.js';
import { inAllWorkers, oneEach } from './bind.js';
import { OptionLog } from './options.js';

export class SpreadListener implements ListenSocket {
  onerror?: (error: SocketError) => void;
  onconnection?: () => void;
  private readonly options = new OptionLog();
  private parts: ListenSocket[];
  /** Whose connections are looked at first. */
  private turn = 0;
  private closed = false;

  constructor(private readonly workers: readonly SocketProvider[], private readonly family: IpFamily) {
    // Until it listens, one socket is enough to judge options.
    this.parts = [workers[0].listener(family)];
  }

  get local(): SocketAddress | undefined { return this.parts[0].local; }

  setOption(level: number, name: number, value: number | Uint8Array): void {
    for (const p of this.parts) p.setOption(level, name, value);
    this.options.add(level, name, value);
  }
  getOption(level: number, name: number, room?: number): Uint8Array { return this.parts[0].getOption(level, name, room); }

  listen(address: string, port: number, backlog?: number): void {
    const make = (): ListenSocket[] => oneEach(this.workers, (w) => {
      const s = w.listener(this.family);
      this.options.applyTo(s);
      return s;
    });
    const all = inAllWorkers(make, port, (s, p) => s.listen(address, p, backlog));
    this.parts[0].close();
    this.parts = all;
    for (const p of all) {
      p.onerror = (error) => this.failed(error);
      p.onconnection = () => this.onconnection?.();
    }
  }
  accept(): StreamSocket | undefined {
    if (this.closed) throw new SocketError(Errno.EBADF, 'accept');
    const { parts } = this;
    for (let i = 0; i < parts.length; i++) {
      const s = parts[(this.turn + i) % parts.length].accept();
      if (!s) continue;
      this.turn = (this.turn + i + 1) % parts.length;
      return s;
    }
    return undefined;
  }

  close(): void {
    this.closed = true;
    for (const p of this.parts) p.close();
  }
  private failed(error: SocketError): void {
    if (this.closed) return;
    this.close();
    this.onerror?.(error);
  }
}
