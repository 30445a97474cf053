// Where to stop: the name of a function or a line of the AssemblyScript sources, as a byte of the module.
import { TraceMap, eachMapping, originalPositionFor } from '@jridgewell/trace-mapping';
import { functionsOf, type WasmFunction } from './wasm_file.js';

/** Names told when none fits. */
const SUGGESTED = 8;

/** The text that asked for it, and the byte. */
export interface BreakPlace {
  text: string;
  offset: number;
}

/** No such place: `message` says so, `remedy` what there is. */
export class NoBreakPlace extends Error {
  constructor(message: string, readonly remedy: string) { super(message); }
}

/** Sources and places of one module. */
export class BreakPlaces {
  private readonly map: TraceMap;
  private readonly functions: readonly WasmFunction[];

  /** `map`: text of the source map. */
  constructor(bytes: Uint8Array, map: string) {
    this.map = new TraceMap(map);
    this.functions = functionsOf(bytes);
  }

  /** `tcpInput`, `input/tcpInput` or `tcp/input.ts:42`. Throws NoBreakPlace. */
  find(text: string): BreakPlace {
    const line = /^(.+\.ts):(\d+)$/.exec(text);
    return { text, offset: line ? this.line(text, line[1], Number(line[2])) : this.fn(text) };
  }
  /** Source and line of a byte. */
  source(offset: number): { file: string; line: number } | undefined {
    const p = originalPositionFor(this.map, { line: 1, column: offset });
    return p.source === null ? undefined : { file: relativeSource(p.source), line: p.line };
  }

  private fn(text: string): number {
    const named = (name: string): boolean => name === text || name.endsWith(`/${text}`);
    const all = this.functions.filter((f) => named(f.name.replace(/[<|(].*$/, '')));
    if (all.length === 1) return this.firstMapped(all[0]);
    if (all.length) throw new NoBreakPlace(`there are ${all.length} functions \`${text}\``, `say which: ${all.map((f) => f.name).join(', ')}`);
    const alike = this.functions.filter((f) => f.name.toLowerCase().includes(text.toLowerCase())).slice(0, SUGGESTED).map((f) => f.name);
    throw new NoBreakPlace(`there is no function \`${text}\` in this build`, alike.length ? `names like it: ${alike.join(', ')}` : 'a small function may have been inlined: name a line, as in tcp/input.ts:42');
  }
  /** The first instruction of the function's own file: what was inlined before it has other lines. */
  private firstMapped(f: WasmFunction): number {
    const file = f.name.replace(/\/[^/]*$/, '.ts');
    let first = f.end;
    eachMapping(this.map, (m) => {
      if (m.source !== null && m.generatedColumn >= f.start && m.generatedColumn < first && relativeSource(m.source) === file) first = m.generatedColumn;
    });
    return first < f.end ? first : f.start;
  }

  private line(text: string, file: string, line: number): number {
    let best: { line: number; offset: number } | undefined, known = false;
    eachMapping(this.map, (m) => {
      if (m.source === null || !sameFile(relativeSource(m.source), file)) return;
      known = true;
      // The line itself, or the next below it that has code.
      if (m.originalLine >= line && (!best || m.originalLine < best.line || (m.originalLine === best.line && m.generatedColumn < best.offset))) best = { line: m.originalLine, offset: m.generatedColumn };
    });
    if (best) return best.offset;
    throw new NoBreakPlace(known ? `there is no code at or below ${text}` : `there is no source \`${file}\` in this build`, 'name a file below assembly/, as in tcp/input.ts:42');
  }
}

const sameFile = (source: string, named: string): boolean => source === named || source.endsWith(`/${named}`);
/** As the repository calls it: asc puts a root before it that is named after the module. */
const relativeSource = (source: string): string => source.replace(/^\.\/[^/]+\//, '');

/** The map with sources that editors find: absolute, below `root` (a URL that ends with `/`). */
export function absoluteMap(map: string, root: string): string {
  const m = JSON.parse(map) as { sources: string[]; sourceRoot?: string };
  return JSON.stringify({ ...m, sourceRoot: '', sources: m.sources.map((s) => new URL(s, root).href) });
}
