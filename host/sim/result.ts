// What comes of a run, whether it ran as one or in parts.
import { Murmur3 } from '../debug/murmur3.js';
import type { AppOutput, Metrics } from './apps.js';
import type { Scenario } from './scenario.js';

/** One line of the event log. */
export interface LogEntry {
  /** ns of the run. */
  time: number;
  what: string;
}

export interface Expectation {
  metric: string;
  value: number | undefined;
  min?: number;
  max?: number;
  met: boolean;
}

export interface RunResult {
  seed: number;
  /** ns. */
  duration: number;
  events: number;
  /** Hash of all nodes' frames with their times, and of the figures. */
  hash: string;
  nodes: Record<string, string>;
  metrics: Metrics;
  /** What applications have written, by their names. */
  output: Record<string, AppOutput>;
  expectations: Expectation[];
  log: LogEntry[];
}

/** What a run, or all of its parts together, has counted. */
export type Outcome = Pick<RunResult, 'duration' | 'events' | 'nodes' | 'metrics' | 'output' | 'log'>;

/** The hash, which does not depend on the order of figures, and what was expected. */
export function conclude(scenario: Scenario, outcome: Outcome): RunResult {
  const { duration, events, nodes, metrics, output } = outcome, hash = new Murmur3();
  const figures = Object.entries(metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  hash.add(new TextEncoder().encode(JSON.stringify([scenario.seed, duration, events, nodes, figures, ...Object.entries(output)])));
  const expectations = scenario.expect.map(({ metric, min, max }) => {
    const value = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
    return { metric, value, min, max, met: value !== undefined && value >= (min ?? -Infinity) && value <= (max ?? Infinity) };
  });
  return { seed: scenario.seed, ...outcome, hash: hash.hex, expectations };
}
