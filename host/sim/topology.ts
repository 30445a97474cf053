// A topology out of a file in GML or GraphML, with the attributes of edges that Shadow has: `latency "10 ms"`, `jitter "1 ms"`,
// `packet_loss 0.01`; and `bandwidth "100 Mbit"`. All other attributes are passed over, as GML wants it.
import { Problems } from '../config/errors.js';
import { GmlError, parseGml, type GmlEntry } from './gml.js';
import { parseGraphml } from './graphml.js';
import type { DirectionSpec, LinkSpec } from './scenario.js';
import { parseDuration, parseRate } from './units.js';

const NAME = /^[A-Za-z][\w.-]{0,30}$/, MTU = 1500, MANY = 20_000;
const field = (list: readonly GmlEntry[], key: string): GmlEntry | undefined => list.find((e) => e.key === key);

/** Reads the attributes of one list, and tells what is wrong with them. */
class Attributes {
  constructor(private readonly list: readonly GmlEntry[], private readonly what: GmlEntry, private readonly problems: Problems) {}

  bad(e: GmlEntry, message: string, remedy: string): undefined {
    this.problems.add(e.line, `${this.what.key}.${e.key}`, message, remedy);
    return undefined;
  }
  quantity(key: string, parse: (text: string) => number | undefined, example: string): number | undefined {
    const e = field(this.list, key);
    if (!e) return undefined;
    return (typeof e.value === 'string' ? parse(e.value) : undefined) ?? this.bad(e, `${shown(e)} is not a quantity with its unit`, `write for example ${key} "${example}"`);
  }
  probability(key: string): number | undefined {
    const e = field(this.list, key);
    if (!e || (typeof e.value === 'number' && e.value >= 0 && e.value <= 1)) return e?.value as number | undefined;
    return this.bad(e, `${shown(e)} is not a probability`, 'write a number from 0 to 1');
  }
  id(key: string, format: Format): NodeId | undefined {
    const e = field(this.list, key);
    if (!e) {
      this.problems.add(this.what.line, this.what.key, `it has no \`${key}\``, `write ${key} and the ${format.id} of a node`);
      return undefined;
    }
    return typeof e.value === (format.xml ? 'string' : 'number') && (format.xml || Number.isInteger(e.value)) ? e.value as NodeId : this.bad(e, `${shown(e)} is not a whole number`, 'write the number of a node');
  }
}
/** A whole number in GML, a text in GraphML. */
type NodeId = number | string;
const GML = {
  xml: false, id: 'number', parse: parseGml, name: 'GML', graph: 'graph [ node [ id 0 ] ... edge [ source 0 target 1 ] ... ]', undirected: 'directed 0', edge: 'edge [ source 0 target 1 ]',
};
type Format = typeof GML;
const GRAPHML: Format = {
  xml: true, id: 'id', parse: parseGraphml, name: 'GraphML', graph: '<graphml><graph edgedefault="undirected"> ... </graph></graphml>', undirected: 'edgedefault="undirected"',
  edge: '<edge source="a" target="b"/>',
};
const shown = (e: GmlEntry): string => (Array.isArray(e.value) ? 'a list' : JSON.stringify(e.value));

/** Names of nodes by id: their labels, or ids that are texts, where these are names and differ; else `node` and the id or their place. */
function names(graph: readonly GmlEntry[], format: Format, problems: Problems): Map<NodeId, string> {
  const out = new Map<NodeId, string>(), used = new Set<string>();
  for (const node of graph.filter((e) => e.key === 'node')) {
    const list = Array.isArray(node.value) ? node.value : [], id = new Attributes(list, node, problems).id('id', format), label = field(list, 'label')?.value ?? id;
    if (id === undefined) continue;
    if (out.has(id)) problems.add(node.line, 'node', `a second node ${id}`, 'give it an id of its own');
    let name = typeof label === 'string' && NAME.test(label) && !used.has(label) ? label : `node${format.xml ? out.size : id}`;
    for (let nth = 2; used.has(name); nth++) name = `node${format.xml ? out.size : id}-${nth}`; // another's label
    used.add(name);
    out.set(id, name);
  }
  return out;
}

/**
 * The links of a graph in GML, or in GraphML (then it begins with `<`); what an edge does not say is as in `edge`. `file`: for messages.
 * Throws ConfigError with file, line and remedy.
 */
export function topologyLinks(source: string, file: string, edge: DirectionSpec): LinkSpec[] {
  const problems = new Problems(file), format = /^\s*</.test(source) ? GRAPHML : GML;
  let top: GmlEntry[] = [];
  try {
    top = format.parse(source);
  } catch (e) {
    if (!(e instanceof GmlError)) throw e;
    problems.add(e.line, '', e.message, `mend the ${format.name}`);
  }
  problems.check();
  const graph = field(top, 'graph');
  if (!graph || !Array.isArray(graph.value)) problems.add(graph?.line ?? 1, 'graph', 'there is no graph here', `write ${format.graph}`);
  problems.check();
  const list = graph!.value as GmlEntry[], directed = field(list, 'directed');
  if (directed && directed.value !== 0) problems.add(directed.line, 'graph.directed', 'links go both ways', `write ${format.undirected}, and each edge once`);
  const byId = names(list, format, problems), links: LinkSpec[] = [], pairs = new Map<string, number>();
  for (const e of list.filter((x) => x.key === 'edge')) {
    const a = new Attributes(Array.isArray(e.value) ? e.value : [], e, problems), ends = [a.id('source', format), a.id('target', format)];
    const delay = a.quantity('latency', parseDuration, '10 ms'), jitter = a.quantity('jitter', parseDuration, '1 ms'), rate = a.quantity('bandwidth', parseRate, '100 Mbit'), loss = a.probability('packet_loss');
    for (const id of ends) if (id !== undefined && !byId.has(id)) problems.add(e.line, 'edge', `there is no node ${id}`, 'add it, or name another');
    const [from, to] = ends.map((id) => byId.get(id!));
    // Shadow has edges from a node to itself, for hosts at one place: here each node is a host.
    if (from === undefined || to === undefined || from === to) continue;
    const pair = [from, to].sort().join(' '), nth = (pairs.get(pair) ?? 0) + 1;
    pairs.set(pair, nth);
    const said = Object.fromEntries(Object.entries({ delay, jitter, rate, loss }).filter(([, v]) => v !== undefined));
    links.push({ between: [from, to], mtu: MTU, ...edge, ...said, ...(nth > 1 ? { name: `${from}-${to}-${nth}`.slice(-31) } : {}) });
    if (links.length > MANY) problems.add(e.line, 'edge', `more than ${MANY} edges`, 'take a part of the graph');
  }
  problems.check();
  if (!links.length) problems.add(graph!.line, 'graph', 'it has no edge between two nodes', `add ${format.edge}`);
  problems.check();
  return links;
}
