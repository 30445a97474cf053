// The options of a socket that may become several, or move to another worker: kept, and set again there. Browser-safe.
import type { AnySocket } from '../endpoints.js';

export class OptionLog {
  private readonly set: { level: number; name: number; value: number | Uint8Array }[] = [];

  add(level: number, name: number, value: number | Uint8Array): void { this.set.push({ level, name, value: typeof value === 'number' ? value : value.slice() }); }
  applyTo(socket: AnySocket): void {
    for (const { level, name, value } of this.set) socket.setOption(level, name, value);
  }
}
