// A connection, or one in the making, of one of several workers. Bound to a port it is in all of them until it connects: then it stays in
// the one to which its packets come. Browser-safe.
import { Errno } from '../../abi/constants.js';
import type { IpFamily, SocketAddress } from '../address.js';
import type { SocketProvider, StreamSocket } from '../endpoints.js';
import { SocketError } from '../error.js';
import { inAllWorkers, oneEach } from './bind.js';
import { OptionLog } from './options.js';

export class SpreadStream implements StreamSocket {
  onerror?: (error: SocketError) => void;
  onopen?: () => void;
  onreadable?: () => void;
  onend?: () => void;
  onwritable?: () => void;
  private readonly options = new OptionLog();
  private current: StreamSocket;
  /** The port's sockets in the other workers. */
  private others: StreamSocket[] = [];
  private bound = false;

  constructor(private readonly workers: readonly SocketProvider[], private readonly family: IpFamily, home: number) {
    this.current = this.adopt(workers[home].stream(family));
  }

  get local(): SocketAddress | undefined { return this.current.local; }
  get remote(): SocketAddress | undefined { return this.current.remote; }
  get ended(): boolean { return this.current.ended; }

  setOption(level: number, name: number, value: number | Uint8Array): void {
    this.current.setOption(level, name, value);
    for (const s of this.others) s.setOption(level, name, value);
    this.options.add(level, name, value);
  }
  getOption(level: number, name: number, room?: number): Uint8Array { return this.current.getOption(level, name, room); }

  bind(address: string, port: number): void {
    if (this.bound) throw new SocketError(Errno.EINVAL, 'bind', { address, port });
    const make = (): StreamSocket[] => oneEach(this.workers, (w) => {
      const s = w.stream(this.family);
      this.options.applyTo(s);
      return s;
    });
    const [first, ...rest] = inAllWorkers(make, port, (s, p) => s.bind(address, p));
    this.current.close();
    this.current = this.adopt(first);
    this.others = rest.map((s) => this.adopt(s));
    this.bound = true;
  }
  connect(address: string, port: number): void {
    const candidates = [this.current, ...this.others];
    for (const [i, s] of candidates.entries()) {
      try {
        s.connect(address, port);
      } catch (error) {
        // What the core says of a port whose packets would not come to it.
        if (i + 1 < candidates.length && error instanceof SocketError && error.errno === -Errno.EADDRNOTAVAIL) continue;
        throw error;
      }
      this.current = s;
      this.others = candidates.filter((o) => o !== s);
      return;
    }
  }

  read(take: (piece: Uint8Array) => number | void, most?: number): number { return this.current.read(take, most); }
  write(bytes: Uint8Array, more?: boolean): number { return this.current.write(bytes, more); }
  shutdown(): void { this.current.shutdown(); }
  reset(): void {
    this.release();
    this.current.reset();
  }
  close(): void {
    this.release();
    this.current.close();
  }

  private release(): void {
    for (const s of this.others) s.close();
    this.others = [];
  }
  private adopt(s: StreamSocket): StreamSocket {
    s.onopen = () => this.onopen?.();
    s.onreadable = () => this.onreadable?.();
    s.onend = () => this.onend?.();
    s.onwritable = () => this.onwritable?.();
    s.onerror = (error) => {
      if (s !== this.current) return;
      this.release();
      this.onerror?.(error);
    };
    return s;
  }
}
