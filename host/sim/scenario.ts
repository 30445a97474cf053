// What a scenario is: the shape of the file, checked. Defaults are filled in here; durations become ns, rates bit/s, sizes bytes.
import * as v from 'valibot';
import { MAX_MEMORY_BYTES } from '../config/config.js';
import { parseDuration, parseFigure, parseRate, parseSize } from './units.js';

/** Most of anything, so that a hostile file stays cheap. */
const MANY = 20_000;
const NAME = v.pipe(v.string(), v.regex(/^[A-Za-z][\w.-]{0,30}$/, 'a name: a letter, then up to 30 letters, digits, `_`, `.` or `-`'));

/** An end of a link: a node, or a device outside of the simulation. */
const END = v.pipe(v.string(), v.regex(/^(tap:[A-Za-z][\w.-]{0,14}|[A-Za-z][\w.-]{0,30})$/, 'the name of a node, or `tap:DEVICE`'));

const measured = (parse: (text: string) => number | undefined, example: string) => v.pipe(
  v.union([v.string(), v.number()], `a quantity such as \`${example}\``), v.transform(String),
  v.check((s) => parse(s) !== undefined, `a quantity such as \`${example}\``), v.transform((s) => parse(s)!));
/** Longest time, ns: below 2^53 with the core's start added, so that every ns is a number. */
const LONGEST = 100 * 86_400e9;
const SEED = `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;
const duration = v.pipe(measured(parseDuration, '20ms'), v.maxValue(LONGEST, 'a time of at most 100 days (8640000s)'));
const rate = measured(parseRate, '10Mbit'), size = measured(parseSize, '10MB'), figure = measured(parseFigure, '9.4Mbit');
const count = (most: number) => {
  const what = `a whole number from 1 to ${most}`;
  return v.pipe(v.number(what), v.integer(what), v.minValue(1, what), v.maxValue(most, what));
};
const probability = v.pipe(v.number('a probability from 0 to 1'), v.minValue(0, 'a probability from 0 to 1'), v.maxValue(1, 'a probability from 0 to 1'));

const QUEUE = v.variant('type', [
  v.strictObject({ type: v.literal('droptail'), limit: v.optional(count(1e6), 100), bytes: v.optional(size) }),
  v.pipe(
    v.strictObject({ type: v.literal('red'), limit: v.optional(count(1e6), 1000), min: v.optional(count(1e6), 20), max: v.optional(count(1e6), 60), probability: v.optional(probability, 0.1) }),
    v.check((q) => q.min < q.max, 'a `min` that is less than its `max`')),
  v.strictObject({ type: v.literal('codel'), limit: v.optional(count(1e6), 1000), target: v.optional(duration, '5ms'), interval: v.optional(duration, '100ms') }),
  v.strictObject({ type: v.literal('fq_codel'), limit: v.optional(count(1e6), 10240), target: v.optional(duration, '5ms'), interval: v.optional(duration, '100ms') }),
], 'a queue: { type: droptail | red | codel | fq_codel, limit: PACKETS ... }');
export type QueueSpec = v.InferOutput<typeof QUEUE>;

const RULES = {
  loss: v.optional(probability),
  bursts: v.optional(v.strictObject({ toBad: probability, toGood: probability, lossBad: v.optional(probability, 1), lossGood: v.optional(probability, 0) })),
  lose: v.optional(v.pipe(v.array(count(2 ** 31)), v.maxLength(MANY))),
  drop: v.optional(v.array(v.picklist(['icmp', 'icmpv6', 'tcp', 'udp'], 'icmp, icmpv6, tcp or udp'), 'a list of icmp, icmpv6, tcp and udp')),
  corrupt: v.optional(probability),
  duplicate: v.optional(probability),
  reorder: v.optional(v.strictObject({ probability, delay: duration })),
  jitter: v.optional(duration),
};
/** What can be changed while the run goes on. */
const CHANGES = { rate: v.optional(rate), delay: v.optional(duration), up: v.optional(v.boolean('true or false')), mark: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0, 'packets, 0 or more'))), ...RULES };
const DIRECTION = v.strictObject({ ...CHANGES, queue: v.optional(QUEUE) });
export type DirectionSpec = v.InferOutput<typeof DIRECTION>;

const LINK = v.pipe(v.strictObject({
  name: v.optional(NAME),
  between: v.optional(v.tuple([END, END], 'two names of nodes')),
  switch: v.optional(v.pipe(v.array(NAME), v.minLength(2, 'at least two names of nodes'), v.maxLength(MANY))),
  wireless: v.optional(v.strictObject({ cells: v.record(NAME, v.strictObject(CHANGES)), wired: v.array(NAME), stations: v.record(NAME, v.nullable(NAME)) })),
  mtu: v.optional(v.pipe(v.number(), v.integer(), v.minValue(68, 'bytes from 68 to 9000'), v.maxValue(9000, 'bytes from 68 to 9000')), 1500),
  ...DIRECTION.entries,
  reverse: v.optional(DIRECTION),
}), v.check((l) => [l.between, l.switch, l.wireless].filter((x) => x !== undefined).length === 1, 'exactly one of `between`, `switch` and `wireless`'));
export type LinkSpec = v.InferOutput<typeof LINK>;

const NODE = v.nullish(v.strictObject({
  sysctl: v.optional(v.record(v.string(), v.pipe(v.union([v.string(), v.number()]), v.transform(String))), {}),
  memory: v.optional(v.pipe(size, v.maxValue(MAX_MEMORY_BYTES, 'a size below 4GiB, such as `16MiB`'))), sockets: v.optional(count(65536)),
}, 'the fields of one node, as in `nodes: { a: { memory: 16MiB } }`'), {});

const flow = {
  name: v.optional(NAME), from: NAME, to: NAME, port: v.optional(count(65535)), family: v.optional(v.picklist([4, 6], '4 or 6'), 4),
  start: v.optional(duration, '0s'), stop: v.optional(duration), warmup: v.optional(duration, '0s'),
};
const DATAGRAM = 'bytes from 16 to 65000', datagram = v.pipe(v.number(DATAGRAM), v.integer(DATAGRAM), v.minValue(16, DATAGRAM), v.maxValue(65000, DATAGRAM));
/** As a program's command line has them: text. */
const ARGUMENT = v.pipe(v.union([v.string(), v.number(), v.boolean()], 'a text or a number'), v.transform(String));
const APP = v.variant('type', [
  v.strictObject({ type: v.literal('bulk'), ...flow, bytes: v.optional(size) }),
  v.strictObject({ type: v.literal('datagrams'), ...flow, rate: v.pipe(rate, v.minValue(1, 'a rate above 0, such as `10Mbit`')), size: v.optional(datagram, 1000) }),
  v.strictObject({ type: v.literal('synflood'), ...flow, family: v.optional(v.literal(4, '4'), 4), port: count(65535), perSecond: count(1e6) }),
  v.strictObject({
    type: v.literal('wasi'), name: v.optional(NAME), node: NAME, module: v.string(), args: v.optional(v.array(ARGUMENT), []), env: v.optional(v.record(v.string(), ARGUMENT), {}),
    stdin: v.optional(v.string(), ''), start: v.optional(duration, '0s'), fuel: v.optional(count(2 ** 31 - 1)),
  }),
  v.strictObject({ type: v.literal('module'), name: v.optional(NAME), node: NAME, file: v.string(), args: v.optional(v.array(ARGUMENT), []), start: v.optional(duration, '0s') }),
], 'an application: { type: bulk | datagrams | synflood, from: NODE, to: NODE ... } or { type: wasi | module, node: NODE ... }');
export type AppSpec = v.InferOutput<typeof APP>;

const CHANGE = v.strictObject({
  at: duration,
  link: v.optional(NAME), set: v.optional(v.strictObject(CHANGES)), reverse: v.optional(v.strictObject(CHANGES)),
  partition: v.optional(v.array(v.array(NAME))), heal: v.optional(v.literal(true, 'true')),
  associate: v.optional(v.record(NAME, v.nullable(NAME))),
});
export type ChangeSpec = v.InferOutput<typeof CHANGE>;
export type SettingsSpec = NonNullable<ChangeSpec['set']>;

const hop = v.optional(v.strictObject({ ...DIRECTION.entries }), {});
const GENERATE = v.variant('kind', [
  v.strictObject({ kind: v.literal('dumbbell'), pairs: count(1000), edge: hop, bottleneck: hop }),
  v.strictObject({ kind: v.literal('star'), leaves: count(60), edge: hop }),
  v.strictObject({ kind: v.literal('chain'), nodes: count(1000), edge: hop }),
  v.strictObject({ kind: v.literal('grid'), rows: count(100), columns: count(100), edge: hop }),
  v.strictObject({ kind: v.literal('fat-tree'), k: v.picklist([2, 4, 6, 8], '2, 4, 6 or 8'), edge: hop }),
  v.strictObject({ kind: v.literal('random'), nodes: count(1000), degree: v.optional(count(16), 3), edge: hop }),
], 'a topology: { kind: dumbbell | star | chain | grid | fat-tree | random ... }');
export type GenerateSpec = v.InferOutput<typeof GENERATE>;

const TOPOLOGY = v.union([v.pipe(v.string(), v.transform((file) => ({ file, edge: {} as DirectionSpec }))), v.strictObject({ file: v.string(), edge: hop })], 'a file in GML or GraphML, or { file, edge }');

const EXPECT = v.pipe(v.strictObject({ metric: v.string(), min: v.optional(figure), max: v.optional(figure) }), v.check((e) => e.min !== undefined || e.max !== undefined, '`min` or `max`'));

export const SCENARIO = v.strictObject({
  description: v.optional(v.string()),
  seed: v.optional(v.pipe(v.number(SEED), v.safeInteger(SEED), v.minValue(0, SEED)), 1),
  duration: v.pipe(duration, v.minValue(1, 'a time above 0, such as `20s`')),
  sample: v.optional(duration),
  parameters: v.optional(v.record(NAME, v.union([v.string(), v.pipe(v.array(v.string()), v.minLength(1))], 'the way to a field, or a list of them, as in `links.0.loss`')), {}),
  generate: v.optional(GENERATE),
  topology: v.optional(TOPOLOGY),
  nodes: v.optional(v.record(NAME, NODE), {}),
  links: v.optional(v.pipe(v.array(LINK), v.maxLength(MANY)), []),
  apps: v.optional(v.pipe(v.array(APP), v.maxLength(MANY)), []),
  schedule: v.optional(v.pipe(v.array(CHANGE), v.maxLength(MANY)), []),
  expect: v.optional(v.array(EXPECT), []),
});
/** As written: by a file or a program. */
export type ScenarioInput = v.InferInput<typeof SCENARIO>;
/** Checked, complete. */
export type Scenario = v.InferOutput<typeof SCENARIO>;

/** A mistake, and where: the way to the value. */
export interface Mistake {
  path: (string | number)[];
  message: string;
}

/** Check a scenario; what is wrong with it goes to `mistakes`. */
export function checkScenario(input: unknown, mistakes: Mistake[]): Scenario | undefined {
  const r = v.safeParse(SCENARIO, input);
  if (r.success) return r.output;
  for (const i of r.issues) mistakes.push({ path: (i.path ?? []).map((p) => p.key as string | number), message: expected(i) });
  return undefined;
}

/** What valibot calls kinds of values, for people. */
const KINDS: Readonly<Record<string, string>> = { Object: 'a map of fields', Array: 'a list', string: 'a text', number: 'a number', boolean: '`true` or `false`' };
const kind = (name: string): string => (Object.hasOwn(KINDS, name) ? KINDS[name] : name);

function expected(i: v.BaseIssue<unknown>): string {
  if (i.type === 'strict_object' && i.expected === 'never') return 'there is no such field here';
  // The name of a field that is missing is told before.
  if (i.received === 'undefined') return i.expected?.startsWith('"') ? 'is missing' : `is missing: ${kind(i.expected ?? i.message)}`;
  if (i.type === 'check' && i.received === 'Object') return `it needs ${i.message}`;
  return `${kind(i.received)} is not ${/^Invalid/.test(i.message) ? kind(i.expected ?? 'allowed') : i.message}`;
}
