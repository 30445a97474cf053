// GraphML (graphml.graphdrawing.org): a graph as the GML entries that say the same (gml.ts), so that one reader serves both.
import { XmlElement, XmlError, parseXml } from '@rgrove/parse-xml';
import { GmlError, type GmlEntry } from './gml.js';

/** Deeper, and it is no graph. */
const DEPTH = 64;
const NUMBERS = new Set(['int', 'long', 'float', 'double']);

/** A declared attribute: its name, whether it is a number, and what it is where nothing is said. */
interface Key {
  name: string;
  numeric: boolean;
  of: string;
  fallback: string | undefined;
}

/** Whether elements stand in each other deeper than DEPTH: the parser goes as deep as they do. */
function tooDeep(source: string): boolean {
  let depth = 0;
  for (const [tag] of source.matchAll(/<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<\/|<[A-Za-z_:](?:[^>"']|"[^"]*"|'[^']*')*>/g)) {
    if (tag === '</') depth--;
    else if (!tag.startsWith('<!') && !tag.endsWith('/>') && ++depth > DEPTH) return true;
  }
  return false;
}

class Reader {
  private readonly keys = new Map<string, Key>();
  /** Offsets at which lines begin. */
  private readonly lines: number[] = [0];

  constructor(source: string) {
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) this.lines.push(at + 1);
  }
  line(e: XmlElement): number {
    let low = 0, high = this.lines.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.lines[middle] <= e.start) low = middle;
      else high = middle;
    }
    return low + 1;
  }
  private value(key: Key, text: string, line: number): number | string {
    if (!key.numeric) return text;
    const n = text.trim() === '' ? NaN : Number(text);
    if (Number.isNaN(n)) throw new GmlError(line, `\`${text.trim()}\` of \`${key.name}\` is not a number, as its key says`);
    return n;
  }
  declare(e: XmlElement): void {
    const { id, 'attr.name': name, 'attr.type': type, for: of } = e.attributes;
    if (id) this.keys.set(id, { name: name ?? id, numeric: NUMBERS.has(type), of: of ?? 'all', fallback: children(e, 'default').at(0)?.text });
  }
  /** The attributes of a node or edge: what its data say, and the defaults of the rest. */
  data(e: XmlElement): GmlEntry[] {
    const out = new Map<Key, GmlEntry>();
    for (const d of children(e, 'data')) {
      const key = this.keys.get(d.attributes.key ?? ''), line = this.line(d);
      if (!key) throw new GmlError(line, `data of \`${d.attributes.key ?? ''}\`, which no key declares`);
      out.set(key, { key: key.name, value: this.value(key, d.text, line), line });
    }
    for (const key of this.keys.values()) {
      if (key.fallback === undefined || out.has(key) || (key.of !== e.name && key.of !== 'all')) continue;
      out.set(key, { key: key.name, value: this.value(key, key.fallback, this.line(e)), line: this.line(e) });
    }
    return [...out.values()];
  }
  /** Ids are texts here. */
  entry(e: XmlElement, ...ids: string[]): GmlEntry {
    const line = this.line(e);
    if (children(e, 'graph').length) throw new GmlError(line, 'a graph within a graph is not read');
    const own = ids.filter((id) => e.attributes[id] !== undefined).map((id) => ({ key: id, value: e.attributes[id], line }));
    return { key: e.name, value: [...own, ...this.data(e).filter((x) => !ids.includes(x.key))], line };
  }
}

const children = (e: XmlElement, name: string): XmlElement[] => e.children.filter((c): c is XmlElement => c instanceof XmlElement && c.name === name);

/** Read a text: its first graph, as GML's `graph [ directed, node [ id, ... ], edge [ source, target, ... ] ]`. Throws GmlError. */
export function parseGraphml(text: string): GmlEntry[] {
  const source = text.replace(/\r\n?/g, '\n'); // as offsets are counted
  if (tooDeep(source)) throw new GmlError(1, `elements are nested more than ${DEPTH} deep`);
  let root: XmlElement | null;
  try {
    ({ root } = parseXml(source, { includeOffsets: true }));
  } catch (e) {
    if (!(e instanceof XmlError)) throw e;
    throw new GmlError(e.line, e.message.split('\n')[0].replace(/ \(line.*/, ''));
  }
  const reader = new Reader(source), graph = root?.name === 'graphml' ? children(root, 'graph').at(0) : undefined;
  if (!root || !graph) return [];
  for (const k of children(root, 'key')) reader.declare(k);
  const entries: GmlEntry[] = [];
  if (graph.attributes.edgedefault === 'directed') entries.push({ key: 'directed', value: 1, line: reader.line(graph) });
  for (const e of graph.children) {
    if (!(e instanceof XmlElement)) continue;
    if (e.name === 'node') entries.push(reader.entry(e, 'id'));
    else if (e.name === 'hyperedge') throw new GmlError(reader.line(e), 'an edge between more than two nodes is not read');
    else if (e.name === 'edge') {
      if (e.attributes.directed === 'true') entries.push({ key: 'directed', value: 1, line: reader.line(e) });
      entries.push(reader.entry(e, 'source', 'target'));
    }
  }
  return [{ key: 'graph', value: entries, line: reader.line(graph) }];
}
