// The end of a core under test: nothing may be left in it.
import type { TestCore } from './core.js';

/** Close, take down and delete everything; throws what the sanitizer finds and when something leaks. */
export function retire(core: TestCore): void {
  core.stamp();
  const left = core.check.retire();
  if (left.length) throw new Error(`left at the end of the test: ${left.join('; ')}`);
}
