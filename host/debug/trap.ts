// Where a core has trapped, in terms of its sources: the offsets in V8's stack lead through the source map that asc has
// written beside the module to file and line.
import { TraceMap, originalPositionFor } from '@jridgewell/trace-mapping';

export interface TrapPlace {
  /** Byte of the module. */
  offset: number;
  /** Function of the name section or its number. */
  function: string;
  /** Source, when there is a map that knows. */
  file?: string;
  line?: number;
}

/** Function, name of the module if it has one, number of the function, byte. */
const FRAME = /(?:at (?:async )?(?:(\S+) \()?)?wasm:\/\/[^\s:]*\/(?:([^\s:]+)-)?[^\s:-]+:wasm-function\[(\d+)\]:0x([0-9a-f]+)/;
const FRAMES_MAX = 32;
/** Frames that a message tells. */
const TOLD = 6;

/** The wasm frames of an error, innermost first. `map`: text of the source map. */
export function trapPlaces(error: Error, map?: string): TrapPlace[] {
  const trace = map === undefined ? undefined : new TraceMap(map), out: TrapPlace[] = [];
  for (let e: unknown = error; e instanceof Error && !out.length; e = e.cause) {
    for (const line of (e.stack ?? '').split('\n')) {
      const m = FRAME.exec(line);
      if (!m || out.length === FRAMES_MAX) continue;
      const offset = parseInt(m[4], 16), place: TrapPlace = { offset, function: withoutModule(m[1], m[2]) ?? `wasm-function[${m[3]}]` };
      // A map of a module has one line; its columns are the module's bytes.
      const source = trace && originalPositionFor(trace, { line: 1, column: offset });
      // Sources are relative to the repository, below a root that asc names after the module.
      if (source?.source) Object.assign(place, { file: source.source.replace(/^\.\/[^/]+\//, ''), line: source.line });
      out.push(place);
    }
  }
  return out;
}

/** V8 puts a module's name before those of its functions. */
function withoutModule(name: string | undefined, module: string | undefined): string | undefined {
  return module !== undefined && name?.startsWith(`${module}.`) ? name.slice(module.length + 1) : name;
}

/** `message at file:line < file:line ...`: where it happened, and from where that was called. */
export function describeTrap(error: Error, map?: string): string {
  const places = trapPlaces(error, map).slice(0, TOLD).map((p) => (p.file ? `${p.file}:${p.line}` : `${p.function}+0x${p.offset.toString(16)}`));
  return `${error.message}${places.length ? ` at ${places.join(' < ')}` : ''}`;
}
