// A core's memory is its whole state (scripts/check/state.mjs guards that): copied, and put into a fresh instance, it goes
// on as if nothing had happened.
import { HDR, HDR_ABI, HDR_MAGIC } from '../abi/constants.js';
import { bareCore, checkAbi, type Core, type CoreHost } from '../core.js';

const PAGE = 65536;

/** A copy of everything. The core may be anywhere between two calls. */
export function snapshot(core: Core): Uint8Array {
  const image = new Uint8Array(core.mem.u8.length);
  copy(core.mem.u8, image);
  return image;
}

/** Make `to` what `from` is. Pages that are zero in both are not written to: what was never used costs the machine nothing here either. */
function copy(from: Uint8Array, to: Uint8Array): void {
  for (let at = 0; at < from.length; at += PAGE) {
    const page = from.subarray(at, at + PAGE);
    if (!isZero(page) || !isZero(to.subarray(at, at + PAGE))) to.set(page, at);
  }
}
function isZero(page: Uint8Array): boolean {
  const words = new Uint32Array(page.buffer, page.byteOffset, page.length >>> 2);
  for (let i = 0; i < words.length; i++) if (words[i]) return false;
  return true;
}

/** A core that goes on where the snapshot was taken. `module`: the one it was taken of. Throws AbiError when a core of another version was. */
export async function restore(module: WebAssembly.Module, image: Uint8Array, host: CoreHost = {}): Promise<Core> {
  const core = bareCore(module, image.length, host);
  copy(image, core.mem.u8);
  checkAbi(core.mem.u32[(HDR + HDR_MAGIC) >>> 2], core.mem.u32[(HDR + HDR_ABI) >>> 2]);
  return core;
}
