// The bytes of a module, as far as debugging needs them: names and places of functions, and a copy with a name and a source map of its own.
// A debugger takes modules of equal bytes for one script; a copy that differs is one that breakpoints tell from the others.

const CUSTOM = 0, IMPORT = 2, CODE = 10;
const FUNCTION_NAMES = 1, MODULE_NAME = 0;
const HEADER = 8;

/** A function with a body. */
export interface WasmFunction {
  name: string;
  /** Bytes of the module: from its first instruction to behind its last. */
  start: number;
  end: number;
}

interface Section {
  id: number;
  /** Where it begins, where its payload begins (behind the name, of a custom one), and where it ends. */
  at: number;
  payload: number;
  end: number;
  name: string;
}

class Reader {
  constructor(private readonly bytes: Uint8Array, public at: number) {}
  leb(): number {
    let value = 0, scale = 1;
    for (;;) {
      if (this.at >= this.bytes.length) throw new TypeError(`no WebAssembly module: a number at byte ${this.at} has no end`);
      const b = this.bytes[this.at++];
      value += (b & 127) * scale;
      if (b < 128) return value;
      scale *= 128;
    }
  }
  text(): string {
    const n = this.leb();
    this.at += n;
    return new TextDecoder().decode(this.bytes.subarray(this.at - n, this.at));
  }
}

function sections(bytes: Uint8Array): Section[] {
  const out: Section[] = [];
  for (let at = HEADER; at < bytes.length;) {
    const r = new Reader(bytes, at + 1), size = r.leb(), end = r.at + size, id = bytes[at];
    const name = id === CUSTOM ? r.text() : '';
    out.push({ id, at, payload: r.at, end, name });
    at = end;
  }
  return out;
}

function importedFunctions(bytes: Uint8Array, list: readonly Section[]): number {
  const section = list.find((s) => s.id === IMPORT);
  if (!section) return 0;
  const r = new Reader(bytes, section.payload);
  let functions = 0;
  for (let n = r.leb(); n > 0; n--) {
    r.text();
    r.text();
    const kind = bytes[r.at++];
    if (kind === 0) {
      functions++;
      r.leb();
    } else if (kind === 3) r.at += 2; // a global: type, mutability
    else {
      if (kind === 1) r.at++; // a table: element type, then limits as of a memory
      const flags = r.leb();
      r.leb();
      if (flags & 1) r.leb();
    }
  }
  return functions;
}

function functionNames(bytes: Uint8Array, list: readonly Section[]): Map<number, string> {
  const names = new Map<number, string>(), section = list.find((s) => s.name === 'name');
  for (let at = section?.payload ?? 0; section && at < section.end;) {
    const r = new Reader(bytes, at + 1), size = r.leb(), end = r.at + size;
    if (bytes[at] === FUNCTION_NAMES) for (let n = r.leb(); n > 0; n--) names.set(r.leb(), r.text());
    at = end;
  }
  return names;
}

/** The functions that have names. */
export function functionsOf(bytes: Uint8Array): WasmFunction[] {
  const list = sections(bytes), names = functionNames(bytes, list), code = list.find((s) => s.id === CODE), out: WasmFunction[] = [];
  if (!code) return out;
  const r = new Reader(bytes, code.payload), first = importedFunctions(bytes, list);
  for (let i = 0, n = r.leb(); i < n; i++) {
    const size = r.leb(), end = r.at + size, name = names.get(first + i);
    for (let groups = r.leb(); groups > 0; groups--) {
      r.leb();
      r.at++;
    }
    if (name !== undefined) out.push({ name, start: r.at, end });
    r.at = end;
  }
  return out;
}

function leb(n: number): number[] {
  const out: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n & 127) | 128);
  return [...out, n];
}
function withLength(bytes: Uint8Array): Uint8Array { return join([Uint8Array.from(leb(bytes.length)), bytes]); }
function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const custom = (name: string, payload: Uint8Array): Uint8Array => join([Uint8Array.of(CUSTOM), withLength(join([withLength(utf8(name)), payload]))]);

/** A copy that a debugger calls `name`, and whose source map is at `mapUrl`. */
export function namedCopy(bytes: Uint8Array, name: string, mapUrl: string): Uint8Array<ArrayBuffer> {
  const list = sections(bytes), own = list.find((s) => s.name === 'name');
  const kept = list.filter((s) => s !== own && s.name !== 'sourceMappingURL').map((s) => bytes.subarray(s.at, s.end));
  const moduleName = join([Uint8Array.of(MODULE_NAME), withLength(withLength(utf8(name)))]);
  return join([
    bytes.subarray(0, HEADER), ...kept, custom('name', join([moduleName, own ? bytes.subarray(own.payload, own.end) : new Uint8Array(0)])),
    custom('sourceMappingURL', withLength(utf8(mapUrl))), custom('nuse.node', utf8(name)),
  ]);
}
