// A scenario in YAML (or JSON, which is YAML): mistakes with file, line, field and what to write instead.
import { LineCounter, isNode, parseDocument, type Document } from 'yaml';
import { Problems } from '../config/errors.js';
import { fieldPath } from './field_path.js';
import { SCENARIO, checkScenario, type Mistake, type Scenario } from './scenario.js';
import { generate } from './generate.js';
import { checkNames } from './names.js';
import { topologyLinks } from './topology.js';

/** Aliases of YAML can blow up: none are needed that often. */
const ALIASES = 100;

/** What a scenario needs to know of the files that it names. */
export interface ScenarioFiles {
  /** The text of one. Throws when there is none. */
  read?(path: string): string;
  /** Finds more mistakes, which are told with their lines, too. */
  check?(scenario: Scenario, mistakes: Mistake[]): void;
}

/**
 * Read a scenario. `override`: what a sweep or an option sets, by the way to it (`links.0.loss`) or by a parameter's name. Throws ConfigError.
 */
export function parseScenario(text: string, file: string, override: Readonly<Record<string, unknown>> = {}, files: ScenarioFiles = {}): Scenario {
  const problems = new Problems(file), lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines });
  for (const e of doc.errors) problems.add(e.linePos?.[0].line ?? 0, '', e.message.split('\n')[0], 'mend the YAML');
  problems.check();
  const plain = plainOf(doc, problems), parameters = parametersOf(doc, plain, (name, message, remedy) => problems.add(lineOf(['parameters', name]), `parameters.${name}`, message, remedy));
  for (const [way, value] of Object.entries(override)) {
    for (const field of parameters.get(way) ?? [way]) {
      const found = fieldPath(doc, field), keys = typeof found !== 'string' && !Object.hasOwn(SCENARIO.entries, found[0]) ? 'there is no such parameter or field' : found;
      if (typeof keys === 'string') problems.add(0, way, keys, `name a parameter (${[...parameters.keys()].join(', ') || 'there are none'}) or a field of the scenario, as in \`links.0.loss\``);
      else doc.setIn(keys, value);
    }
  }
  problems.check();
  const mistakes: Mistake[] = [];
  const checked = checkScenario(plainOf(doc, problems), mistakes), scenario = checked && withTopology(generate(checked), mistakes, files);
  if (scenario) {
    checkNames(scenario, mistakes);
    files.check?.(scenario, mistakes);
  }
  for (const { path, message } of mistakes) problems.add(lineOf(path), path.join('.'), message, 'see docs/simulator.md');
  problems.check();
  return scenario!;

  function lineOf(path: (string | number)[]): number {
    for (let n = path.length; n > 0; n--) {
      const node = doc.getIn(path.slice(0, n), true);
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  }
}

/** The document as plain data. Throws ConfigError when its aliases make too much of it. */
function plainOf(doc: Document, problems: Problems): unknown {
  try {
    return doc.toJS({ maxAliasCount: ALIASES });
  } catch (e) {
    problems.add(0, '', (e as Error).message, 'write out what the aliases (`*`) stand for');
  }
  problems.check();
  return undefined;
}

/** What `parameters` names: the ways to the fields that each sets. Its shape is checked with the rest. */
function parametersOf(doc: Document, plain: unknown, bad: (name: string, message: string, remedy: string) => void): Map<string, string[]> {
  const declared = (plain as { parameters?: unknown } | null)?.parameters, out = new Map<string, string[]>();
  if (typeof declared !== 'object' || declared === null) return out;
  for (const [name, ways] of Object.entries(declared as Record<string, unknown>)) {
    if (Object.hasOwn(SCENARIO.entries, name)) bad(name, 'is the name of a field of the scenario', 'give the parameter another name');
    const list = [ways].flat().filter((w) => typeof w === 'string');
    for (const w of list) {
      const keys = fieldPath(doc, w);
      if (typeof keys === 'string') bad(name, keys, 'write the way to a field, as in `links.0.loss`');
    }
    out.set(name, list);
  }
  return out;
}

/** The scenario with the links of its topology after its own. */
function withTopology(s: Scenario, mistakes: Mistake[], files: ScenarioFiles): Scenario {
  if (!s.topology) return s;
  const { file, edge } = s.topology;
  let text = '';
  try {
    if (!files.read) throw new Error('nobody reads files here');
    text = files.read(file);
  } catch (e) {
    mistakes.push({ path: ['topology'], message: `cannot read ${file}: ${(e as Error).message}` });
    return s;
  }
  return { ...s, links: [...s.links, ...topologyLinks(text, file, edge)] };
}

/** A scenario made by a program. Throws ConfigError, in which fields stand for lines. */
export function scenarioOf(input: unknown, name = 'scenario'): Scenario {
  return parseScenario(JSON.stringify(input), name);
}
