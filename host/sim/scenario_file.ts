// A scenario in YAML (or JSON, which is YAML): mistakes with file, line, field and what to write instead.
import { LineCounter, isNode, parseDocument } from 'yaml';
import { Problems } from '../config/errors.js';
import { checkScenario, type Mistake, type Scenario } from './scenario.js';
import { generate } from './generate.js';
import { checkNames } from './names.js';

/** Aliases of YAML can blow up: none are needed that often. */
const ALIASES = 100;

/**
 * Read a scenario. `override`: what a sweep or an option sets, by the way to it (`links.0.loss`).
 * `check`: finds more mistakes, which are told with their lines, too. Throws ConfigError.
 */
export function parseScenario(
  text: string, file: string, override: Readonly<Record<string, unknown>> = {}, check?: (scenario: Scenario, mistakes: Mistake[]) => void,
): Scenario {
  const problems = new Problems(file), lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines });
  for (const e of doc.errors) problems.add(e.linePos?.[0].line ?? 0, '', e.message.split('\n')[0], 'mend the YAML');
  problems.check();
  for (const [way, value] of Object.entries(override)) {
    const keys = way.split('.').map((k) => (/^\d+$/.test(k) ? Number(k) : k));
    try {
      doc.setIn(keys, value);
    } catch {
      problems.add(0, way, 'cannot be set', 'name a field of the scenario, as in `links.0.loss`');
    }
  }
  problems.check();
  const mistakes: Mistake[] = [];
  const checked = checkScenario(doc.toJS({ maxAliasCount: ALIASES }), mistakes), scenario = checked && generate(checked);
  if (scenario) {
    checkNames(scenario, mistakes);
    check?.(scenario, mistakes);
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

/** A scenario made by a program. Throws ConfigError, in which fields stand for lines. */
export function scenarioOf(input: unknown, name = 'scenario'): Scenario {
  return parseScenario(JSON.stringify(input), name);
}
