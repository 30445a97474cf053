// Mistakes of a configuration file, each with its place, the key concerned and what to do about it.

export interface Problem {
  file: string;
  /** From 1; 0: the file as a whole. */
  line: number;
  /** The key or block concerned, empty for the file as a whole. */
  key: string;
  message: string;
  /** What to write instead. */
  remedy: string;
}

/** `file:line: key: message; remedy` */
export function formatProblem(p: Problem): string {
  return `${p.file}${p.line ? `:${p.line}` : ''}: ${p.key ? `${p.key}: ` : ''}${p.message}; ${p.remedy}`;
}

export class ConfigError extends Error {
  readonly code = 'ERR_NUSE_CONFIG';
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ConfigError';
  }
}

/** Collects problems of one file. */
export class Problems {
  readonly list: Problem[] = [];
  constructor(readonly file: string) {}
  add(line: number, key: string, message: string, remedy: string): void {
    if (this.list.length < MAX_PROBLEMS) this.list.push({ file: this.file, line, key, message, remedy });
  }
  /** Throw what was found, in order of lines. */
  check(): void {
    if (this.list.length) throw new ConfigError(this.list.sort((a, b) => a.line - b.line));
  }
}

const MAX_PROBLEMS = 50;
