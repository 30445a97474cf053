// A core of another ABI version: the one that is there, with another number where init writes it.
import { ABI_VERSION, HDR, HDR_ABI } from '../../host/abi/constants.js';

/** Signed LEB128 of a number below 2^20. */
function leb(n: number): number[] {
  const out: number[] = [];
  for (; n > 63; n = Math.floor(n / 128)) out.push((n & 127) | 128);
  return [...out, n];
}

/** A copy of the module whose init writes `version`. */
export function withAbi(bytes: Uint8Array, version: number): Uint8Array<ArrayBuffer> {
  const I32_CONST = 0x41, I32_STORE = 0x36, out = new Uint8Array(bytes), code = Buffer.from(out.buffer);
  const store = (v: number): Buffer => Buffer.from([I32_CONST, ...leb(HDR + HDR_ABI), I32_CONST, v, I32_STORE, 2, 0]), at = code.indexOf(store(ABI_VERSION));
  if (at < 0 || code.indexOf(store(ABI_VERSION), at + 1) >= 0 || version > 63) throw new Error('the place where init writes the ABI version is not found');
  store(version).copy(code, at);
  return out;
}
