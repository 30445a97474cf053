// Topologies in GML: what they become, and mistakes in them with file, line and remedy.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseGml } from '../../host/sim/gml.js';
import { parseScenario } from '../../host/sim/scenario_file.js';
import { gmlLinks } from '../../host/sim/topology.js';

const test = suite('sim: topologies in GML');

test('GML: numbers, texts, lists, comments, entities, lines', () => {
  assert.equal(parseGml('# a comment\nCreator "me &amp; &quot;you&quot;"\ngraph [\n  x -1.5e3 node [ id 0 ]\n]'), [
    { key: 'Creator', value: 'me & "you"', line: 2 },
    { key: 'graph', value: [{ key: 'x', value: -1500, line: 4 }, { key: 'node', value: [{ key: 'id', value: 0, line: 4 }], line: 4 }], line: 3 },
  ]);
  assert.equal(parseGml('a "over\ntwo lines" b 1').map((e) => e.line), [1, 2]);
  assert.equal(parseGml(''), []);
});

const GRAPH = `graph [
  directed 0
  node [ id 0 label "london" host_bandwidth_up "1 Gbit" ]
  node [ id 1 label "New York" ]
  node [ id 2 label "london" ]
  edge [ source 0 target 0 latency "1 ms" ]
  edge [ source 0 target 1 latency "35 ms" jitter "1 ms" packet_loss 0.001 bandwidth "100 Mbit" label "cable" ]
  edge [ source 2 target 1 ]
  edge [ source 1 target 0 latency "40 ms" ]
]
`;
test('nodes by their labels where these are names; edges with their attributes, the rest as the scenario says', () => {
  const edge = { rate: 1e9, queue: { type: 'droptail' as const, limit: 50 } };
  assert.equal(gmlLinks(GRAPH, 'f.gml', edge), [
    { between: ['london', 'node1'], mtu: 1500, ...edge, delay: 35e6, jitter: 1e6, rate: 1e8, loss: 0.001 },
    { between: ['node2', 'node1'], mtu: 1500, ...edge },
    { between: ['node1', 'london'], mtu: 1500, ...edge, delay: 40e6, name: 'node1-london-2' },
  ]);
});

const MISTAKES: [string, string, RegExp][] = [
  ['a latency without unit', GRAPH.replace('"35 ms"', '35'), /^f\.gml:7: edge\.latency: 35 is not a quantity with its unit; write for example latency "10 ms"$/],
  ['a wrong unit', GRAPH.replace('100 Mbit', '100 MB'), /^f\.gml:7: edge\.bandwidth: "100 MB" is not a quantity with its unit; write for example bandwidth "100 Mbit"$/],
  ['a loss in percent', GRAPH.replace('0.001', '5'), /^f\.gml:7: edge\.packet_loss: 5 is not a probability; write a number from 0 to 1$/],
  ['an edge to nowhere', GRAPH.replace('source 2', 'source 7'), /^f\.gml:8: edge: there is no node 7; add it, or name another$/],
  ['an edge with one end', GRAPH.replace('source 2 ', ''), /^f\.gml:8: edge: it has no `source`; /],
  ['a node without id', GRAPH.replace('id 2 ', ''), /^f\.gml:5: node: it has no `id`; .*\nf\.gml:8: edge: there is no node 2; /],
  ['two nodes of one id', GRAPH.replace('id 2', 'id 1'), /^f\.gml:5: node: a second node 1; give it an id of its own/],
  ['a directed graph', GRAPH.replace('directed 0', 'directed 1'), /^f\.gml:2: graph\.directed: links go both ways; write directed 0/],
  ['a bracket too few', GRAPH.replace(/\]\n$/, ''), /^f\.gml:1: this bracket is never closed; mend the GML$/],
  ['a bracket too many', `${GRAPH}]`, /^f\.gml:11: a key should stand where `\]` does; mend the GML$/],
  ['a key without value', GRAPH.replace('packet_loss 0.001', 'packet_loss'), /^f\.gml:7: `packet_loss` has no value; mend the GML$/],
  ['a number that is none', GRAPH.replace('0.001', '0.0.1'), /^f\.gml:7: `0\.0\.1 .*` is neither a key, a number, a "text" nor a bracket; mend the GML$/],
  ['no graph', 'Version 1', /^f\.gml:1: graph: there is no graph here; /],
  ['no edges', 'graph [ node [ id 0 ] ]', /^f\.gml:1: graph: it has no edge between two nodes; /],
  ['lists without end', 'a ['.repeat(100_000), /^f\.gml:1: lists are nested more than 16 deep; mend the GML$/],
];
for (const [what, text, message] of MISTAKES) test(`a mistake: ${what}`, () => assert.throws(() => gmlLinks(text, 'f.gml', {}), message));

test('a scenario on a topology: its own links first, names of both, mistakes of either file', () => {
  const text = 'duration: 1s\ntopology: { file: net/world.gml, edge: { queue: { type: codel } } }\nlinks:\n  - { between: [london, home], rate: 10Mbit }\napps:\n  - { type: bulk, from: home, to: node1 }\n';
  const asked: string[] = [], read = (path: string): string => {
    asked.push(path);
    return GRAPH;
  };
  const s = parseScenario(text, 'f.yaml', {}, { read });
  assert.equal(asked, ['net/world.gml']);
  assert.equal(s.links.map((l) => [l.between, l.queue?.type]), [[['london', 'home'], undefined], [['london', 'node1'], 'codel'], [['node2', 'node1'], 'codel'], [['node1', 'london'], 'codel']]);
  assert.throws(() => parseScenario(text.replace('to: node1', 'to: paris'), 'f.yaml', {}, { read }), /^f\.yaml:6: apps\.0\.to: there is no node `paris`/);
  assert.throws(() => parseScenario(text, 'f.yaml', {}, { read: () => GRAPH.replace('"35 ms"', '35') }), /^net\/world\.gml:7: edge\.latency: /);
  assert.throws(() => parseScenario(text, 'f.yaml', {}, { read: () => { throw new Error('ENOENT'); } }), /^f\.yaml:2: topology: cannot read net\/world\.gml: ENOENT/);
  assert.throws(() => parseScenario(text, 'f.yaml'), /^f\.yaml:2: topology: cannot read/);
});

test.run();
