// uvu's suite for tests that make cores: after each test that passed, every core it made must come to its end without a leak.
import { suite as uvuSuite } from 'uvu';
import { TestCore } from './core.js';
import { retire } from './retire.js';

/** As uvu's suite, with retire() for every TestCore made since the last test. */
export function suite(name: string): ReturnType<typeof uvuSuite> {
  const inner = uvuSuite(name);
  const wrap = (fn: () => unknown) => async (): Promise<void> => {
    try {
      await fn();
      for (const core of TestCore.made) retire(core);
    } finally {
      TestCore.made.length = 0;
    }
  };
  const outer = (title: string, fn: () => unknown): void => { inner(title, wrap(fn)); };
  return Object.assign(outer, inner, { only: (title: string, fn: () => unknown): void => { inner.only(title, wrap(fn)); } }) as ReturnType<typeof uvuSuite>;
}

process.on('exit', () => {
  if (!TestCore.made.length) return;
  console.error(`${TestCore.made.length} cores were made by tests that check no leaks: use the suite of test/harness/suite`);
  process.exitCode = 1;
});
