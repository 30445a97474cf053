// A UDP socket of one of several workers: the one that its port leads to. Until it is bound to a port it is in some worker, which has it
// choose one of its own; bound to another worker's it moves there, with its options. Browser-safe.
import type { IpFamily, SocketAddress } from '../address.js';
import type { Datagram, DatagramSocket, SocketProvider } from '../endpoints.js';
import type { SocketError } from '../error.js';
import { SOCK_DGRAM } from '../linux.js';
import { OptionLog } from './options.js';

export class SpreadDatagrams implements DatagramSocket {
  onerror?: (error: SocketError) => void;
  onreadable?: () => void;
  onwritable?: () => void;
  private readonly options = new OptionLog();
  private current: DatagramSocket;

  constructor(private readonly workers: readonly SocketProvider[], private readonly family: IpFamily, private readonly protocol: number, private home: number) {
    this.current = this.open(home);
  }

  get local(): SocketAddress | undefined { return this.current.local; }
  get remote(): SocketAddress | undefined { return this.current.remote; }
  setOption(level: number, name: number, value: number | Uint8Array): void {
    this.current.setOption(level, name, value);
    this.options.add(level, name, value);
  }
  getOption(level: number, name: number, room?: number): Uint8Array { return this.current.getOption(level, name, room); }

  bind(address: string, port: number): void {
    const home = port ? port % this.workers.length : this.home;
    if (home !== this.home && !this.current.local?.port) {
      const there = this.open(home);
      this.current.close();
      this.current = there;
      this.home = home;
      this.options.applyTo(there);
    }
    this.current.bind(address, port);
  }
  connect(address?: string, port?: number): void { this.current.connect(address, port); }
  send(data: Uint8Array, address?: string, port?: number, control?: Uint8Array, done?: (error?: SocketError) => void): boolean {
    return this.current.send(data, address, port, control, done);
  }
  receive(): Datagram | undefined { return this.current.receive(); }
  close(): void { this.current.close(); }

  private open(worker: number): DatagramSocket {
    const s = this.workers[worker].datagram(this.family, SOCK_DGRAM, this.protocol);
    s.onreadable = () => this.onreadable?.();
    s.onwritable = () => this.onwritable?.();
    s.onerror = (error) => this.onerror?.(error);
    return s;
  }
}
