// What runs on the coverage build of the core (scripts/coverage) have reached of its sources: arms of branches, and statements.
import type { Core } from '../core.js';

/** One way of a branch. */
export interface Arm {
  file: string;
  line: number;
  column: number;
  /** if, ?:, switch, loop, &&, || */
  kind: string;
  /** Which of its arms, from 0. */
  arm: number;
}
export interface Statement {
  file: string;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}
/** Where the counters stand: what scripts/coverage has written. */
export interface CoverageMap {
  arms: Arm[];
  statements: Statement[];
}

interface Counters {
  coverage?(): number;
  coverage_statements?(): number;
}

export class Coverage {
  private readonly arms: Uint8Array;
  private readonly statements: Uint8Array;

  constructor(readonly map: CoverageMap) {
    this.arms = new Uint8Array(map.arms.length);
    this.statements = new Uint8Array(map.statements.length);
  }

  /** Add the counters of arms of one run; how many arms it reached first. */
  add(counters: Uint8Array): number { return merge(this.arms, counters); }
  /** Add what a core has reached so far. Throws when it counts nothing. */
  addCore({ exports, mem }: Core): void {
    const x = exports as Counters;
    if (!x.coverage || !x.coverage_statements) throw new TypeError('this core has no counters: it is not the coverage build');
    merge(this.arms, mem.u8.subarray(x.coverage()));
    merge(this.statements, mem.u8.subarray(x.coverage_statements()));
  }

  missed(): Arm[] { return this.map.arms.filter((_, i) => !this.arms[i]); }
  /** Whether the n-th arm and statement were reached. */
  reachedArm(n: number): boolean { return this.arms[n] === 1; }
  reachedStatement(n: number): boolean { return this.statements[n] === 1; }
  /** Per file: arms, and how many were reached. */
  files(): Map<string, [reached: number, arms: number]> {
    const out = new Map<string, [number, number]>();
    this.map.arms.forEach((a, i) => {
      const f = out.get(a.file) ?? [0, 0];
      out.set(a.file, [f[0] + this.arms[i], f[1] + 1]);
    });
    return out;
  }
}

function merge(into: Uint8Array, counters: Uint8Array): number {
  let news = 0;
  for (let i = 0; i < into.length; i++) {
    if (!counters[i] || into[i]) continue;
    into[i] = 1;
    news++;
  }
  return news;
}
