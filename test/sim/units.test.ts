// Quantities with units, and the ranges that a scenario allows: what is right is read exactly, what is wrong is told with its line and field.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseScenario } from '../../host/sim/scenario_file.js';
import { parseDuration, parseFigure, parseRate, parseSize } from '../../host/sim/units.js';

const test = suite('sim: units and ranges');

test('rates, times and sizes', () => {
  for (const [text, bits] of [['10bit', 10], ['56kbit', 56e3], ['1.5Mbit', 1.5e6], ['10 Gbit/s', 1e10]] as const) assert.is(parseRate(text), bits, text);
  for (const [text, ns] of [['7ns', 7], ['20us', 2e4], ['20µs', 2e4], ['0.5ms', 5e5], ['3 s', 3e9], ['2min', 12e10]] as const) assert.is(parseDuration(text), ns, text);
  for (const [text, bytes] of [['9B', 9], ['64kB', 64e3], ['64KiB', 65536], ['1.5MiB', 1572864], ['2GB', 2e9]] as const) assert.is(parseSize(text), bytes, text);
  for (const [text, value] of [['20ms', 0.02], ['9.4Mbit', 9.4e6], ['5%', 0.05], ['-3', -3], ['1kB', 1000]] as const) assert.is(parseFigure(text), value, text);
});
test('what has no unit, another case or a sign is none', () => {
  for (const text of ['10', '', '10mbit', '10Mbps', '10 MB', '-10Mbit', '1e6bit', '10Mbit 5', 'Mbit']) assert.is(parseRate(text), undefined, text);
  for (const text of ['10', '10sec', '10S', '-1s', '1:30', '10Mbit']) assert.is(parseDuration(text), undefined, text);
  for (const text of ['10', '10kb', '10Kib', '10Mbit']) assert.is(parseSize(text), undefined, text);
});

/** A scenario of one link with this field on line 4. */
const withLink = (field: string): string => `duration: 1s\nlinks:\n  - between: [a, b]\n    ${field}\n`;
const OUT_OF_RANGE: [string, string, RegExp][] = [
  ['a rate without a unit', 'rate: 10', /^f\.yaml:4: links\.0\.rate: "10" is not a quantity such as `10Mbit`/],
  ['a negative delay', 'delay: -5ms', /^f\.yaml:4: links\.0\.delay: .*-5ms.* is not a quantity such as `20ms`/],
  ['a probability in percent', 'loss: 5', /^f\.yaml:4: links\.0\.loss: 5 is not a probability from 0 to 1/],
  ['a negative probability', 'corrupt: -0.1', /^f\.yaml:4: links\.0\.corrupt: -0\.1 is not a probability from 0 to 1/],
  ['a probability in words', 'duplicate: often', /^f\.yaml:4: links\.0\.duplicate: "often" is not a probability from 0 to 1/],
  ['too large an MTU', 'mtu: 65535', /^f\.yaml:4: links\.0\.mtu: 65535 is not bytes from 68 to 9000/],
  ['too small an MTU', 'mtu: 40', /^f\.yaml:4: links\.0\.mtu: 40 is not bytes from 68 to 9000/],
  ['a queue of nothing', 'queue: { type: droptail, limit: 0 }', /^f\.yaml:4: links\.0\.queue\.limit: 0 is not a whole number from 1 to 1000000/],
  ['half a packet', 'queue: { type: codel, limit: 1.5 }', /^f\.yaml:4: links\.0\.queue\.limit: 1\.5 is not a whole number/],
  ['a queue in bytes without a unit', 'queue: { type: droptail, bytes: 64000 }', /^f\.yaml:4: links\.0\.queue\.bytes: "64000" is not a quantity such as `10MB`/],
  ['an unknown queue', 'queue: { type: fifo }', /^f\.yaml:4: links\.0\.queue(\.type)?: .*fifo/],
  ['bursts without an end', 'bursts: { toBad: 0.1 }', /^f\.yaml:4: links\.0\.bursts\.toGood: is missing/],
  ['frame number 0', 'lose: [0]', /^f\.yaml:4: links\.0\.lose\.0: 0 is not a whole number from 1/],
  ['up, maybe', 'up: maybe', /^f\.yaml:4: links\.0\.up: "maybe" is not true or false/],
];
for (const [what, field, message] of OUT_OF_RANGE)
  test(`out of range: ${what}`, () => assert.throws(() => parseScenario(withLink(field), 'f.yaml'), message));
test('the ends of the ranges are allowed', () => {
  for (const field of ['loss: 1', 'loss: 0', 'mtu: 68', 'mtu: 9000', 'queue: { type: droptail, limit: 1, bytes: 64KiB }', 'delay: 0ms', 'lose: []'])
    assert.is(parseScenario(withLink(field), 'f.yaml').links.length, 1, field);
});
test('all mistakes of a file are told at once, by line', () => {
  assert.throws(() => parseScenario('duration: 1\nlinks:\n  - { between: [a, b], loss: 2 }\n  - { between: [a, c], rate: x }\n', 'f.yaml'),
    /^f\.yaml:1: duration: .*\nf\.yaml:3: links\.0\.loss: .*\nf\.yaml:4: links\.1\.rate: [^\n]*$/);
});

test.run();
