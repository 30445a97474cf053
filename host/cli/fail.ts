// Errors of the `nuse` command itself, and how they are told.
import { ConfigError } from '../config/errors.js';

/** Exit code for what nuse itself could not do, apart from the codes of programs (as env(1) and timeout(1)). */
export const EXIT_NUSE = 125;

/** A failure with its remedy; ends the command. */
export class CliError extends Error {
  readonly code = 'ERR_NUSE_CLI';
  constructor(message: string, readonly remedy = '', readonly exitCode = EXIT_NUSE) {
    super(message);
  }
}

/** Say on stderr what went wrong, as text or as one JSON line; the exit code. */
export function tell(error: unknown, json: boolean): number {
  const e = error instanceof Error ? error : new Error(String(error));
  const code = (e as NodeJS.ErrnoException).code ?? 'ERR_NUSE';
  const exitCode = e instanceof CliError ? e.exitCode : EXIT_NUSE;
  if (json) {
    const detail = e instanceof ConfigError ? { problems: e.problems } : e instanceof CliError && e.remedy ? { remedy: e.remedy } : {};
    process.stderr.write(`${JSON.stringify({ error: { code, message: e.message, ...detail } })}\n`);
  } else if (e instanceof ConfigError) process.stderr.write(`${e.message}\n`);
  else {
    process.stderr.write(`nuse: ${e.message}${e instanceof CliError && e.remedy ? `\n      ${e.remedy}` : ''}\n`);
    if (process.env.NUSE_DEBUG && e.stack) process.stderr.write(`${e.stack}\n`);
  }
  return exitCode;
}
