// Writing files that an option names.
import { CliError } from './fail.js';

/** What `fn` gives; what the system refuses it is thrown as CliError. */
export function writing<T>(path: string, remedy: string, fn: () => T): T {
  try {
    return fn();
  } catch (e) {
    throw new CliError(`cannot write ${path}: ${(e as Error).message}`, remedy);
  }
}
