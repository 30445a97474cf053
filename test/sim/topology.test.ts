// Topologies in GML and GraphML: what they become, and mistakes in them with file, line and remedy.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseGml } from '../../host/sim/gml.js';
import { parseScenario } from '../../host/sim/scenario_file.js';
import { topologyLinks } from '../../host/sim/topology.js';

const test = suite('sim: topologies in GML and GraphML');

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
  assert.equal(topologyLinks(GRAPH, 'f.gml', edge), [
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
for (const [what, text, message] of MISTAKES) test(`a mistake: ${what}`, () => assert.throws(() => topologyLinks(text, 'f.gml', {}), message));

const XML = `<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><!-- <graph> -->
  <key id="d0" for="edge" attr.name="latency" attr.type="string"/>
  <key id="d1" for="edge" attr.name="packet_loss" attr.type="double"><default>0.5</default></key>
  <key id="d2" for="node" attr.name="label" attr.type="string"/>
  <graph edgedefault="undirected">
    <node id="n0"><data key="d2">london</data></node>
    <node id="New York"/>
    <node id="n2"><data key="d2">node1</data></node>
    <edge source="n0" target="New York"><data key="d0">35 ms</data><data key="d1">0.001</data></edge>
    <edge source="n2" target="n0"/>
  </graph>
</graphml>
`;
test('GraphML: ids or labels for names, declared attributes, their defaults', () => {
  const links = [
    { between: ['london', 'node1'], mtu: 1500, delay: 35e6, loss: 0.001 },
    { between: ['node2', 'london'], mtu: 1500, loss: 0.5 },
  ];
  assert.equal(topologyLinks(XML.replace('london', 'node1'), 'f.graphml', {}).map((l) => l.between), [['node1', 'node1-2'], ['node2', 'node1']]);
  assert.equal(topologyLinks(XML, 'f.graphml', {}), links);
  assert.equal(topologyLinks(XML.replaceAll('\n', '\r\n'), 'f.graphml', {}), links);
});

const XML_MISTAKES: [string, string, RegExp][] = [
  ['a latency without unit', XML.replace('35 ms', '35'), /^f:10: edge\.latency: "35" is not a quantity with its unit/],
  ['a text for a number', XML.replace('0.001', 'low'), /^f:10: `low` of `packet_loss` is not a number, as its key says; mend the GraphML$/],
  ['a loss in percent', XML.replace('0.001', '5'), /^f:10: edge\.packet_loss: 5 is not a probability/],
  ['an undeclared key', XML.replace('key="d0">', 'key="d9">'), /^f:10: data of `d9`, which no key declares; mend the GraphML$/],
  ['an edge to nowhere', XML.replace('source="n2"', 'source="n9"'), /^f:11: edge: there is no node n9; /],
  ['an edge with one end', XML.replace('source="n2"', ''), /^f:11: edge: it has no `source`; write source and the id of a node$/],
  ['two nodes of one id', XML.replace('id="n2"', 'id="n0"'), /^f:9: node: a second node n0; /],
  ['a directed graph', XML.replace('undirected', 'directed'), /^f:6: graph\.directed: links go both ways; write edgedefault="undirected"/],
  ['a directed edge', XML.replace('source="n2"', 'directed="true" source="n2"'), /^f:11: graph\.directed: /],
  ['a tag that is not closed', XML.replace('</graph>', ''), /^f:13: Missing end tag for element graph; mend the GraphML$/],
  ['an entity of its own', XML.replace('london', '&city;'), /^f:7: .*&city;.*; mend the GraphML$/],
  ['an edge of three nodes', XML.replace('<edge source="n2"', '<hyperedge/><edge source="n2"'), /^f:11: an edge between more than two nodes is not read; /],
  ['a graph in a node', XML.replace('<node id="New York"/>', '<node id="x"><graph/></node>'), /^f:8: a graph within a graph is not read; /],
  ['another document', '<html/>', /^f:1: graph: there is no graph here; write <graphml>/],
  ['no edges', XML.replace(/<edge.*/g, ''), /^f:6: graph: it has no edge between two nodes; add <edge/],
  ['elements without end', '<a b=">">'.repeat(100_000), /^f:1: elements are nested more than 64 deep; mend the GraphML$/],
];
for (const [what, text, message] of XML_MISTAKES) test(`a mistake in GraphML: ${what}`, () => assert.throws(() => topologyLinks(text, 'f', {}), message));

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
