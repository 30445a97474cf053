// A core's memory is its whole state (scripts/check/state.mjs guards that): copied, and put into a fresh instance, it goes
// on as if nothing had happened.
import { bareCore, type Core, type CoreHost } from '../core.js';

/** A copy of everything. The core may be anywhere between two calls. */
export function snapshot(core: Core): Uint8Array {
  return core.mem.u8.slice();
}

/** A core that goes on where the snapshot was taken. `module`: the one it was taken of. */
export async function restore(module: WebAssembly.Module, image: Uint8Array, host: CoreHost = {}): Promise<Core> {
  const core = bareCore(module, image.length, host);
  core.mem.u8.set(image);
  return core;
}
