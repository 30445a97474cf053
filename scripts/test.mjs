// `npm test [-- PATTERN...]`: install what is missing, build, check, and run every test file in a process of its own.
// The last line is `N passed, N failed`; the exit code is 1 when something failed.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { root, setup } from './setup.mjs';

const DEFAULT_LIMIT_S = 120;
/** Niceness of what must not disturb the tests of the machine, and how much longer it may take. */
const BACKGROUND = 19, PATIENCE = 2;
/** Folders whose tests use the machine's network, its programs or its clock: one at a time. */
const ALONE = /^test\/(interop|posix|cli|backends|host|bench|gateway)\//;
/** Tests of the core run on the debug build and once more on the sanitizer build, unless NUSE_TEST_CORE names one. Pages run what is published. */
const CORE = /from '[./]*harness\/(?!chromium)/;

/** How much longer a run may take than the tests' own limits say. */
const SLOWNESS = /sanitizer/.test(process.env.NUSE_TEST_CORE ?? '') ? 2 : 1;

/** @typedef {{ path: string, label: string, env: Record<string, string>, limit: number, alone: boolean }} Job */

/** Every test file, as jobs; `// limit: N s` among the first lines of a file changes its time limit. */
function jobs(patterns) {
  const out = [];
  for (const e of readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })) {
    if (!e.isFile() || !e.name.endsWith('.test.ts')) continue;
    const path = relative(root, join(e.parentPath, e.name));
    if (patterns.length && !patterns.some((p) => path.includes(p))) continue;
    const source = readFileSync(join(root, path), 'utf8');
    const limit = Number(/^\/\/ limit: (\d+) s$/m.exec(source.slice(0, 2000))?.[1] ?? DEFAULT_LIMIT_S);
    const job = { path, label: path, env: {}, limit: limit * SLOWNESS, alone: ALONE.test(path) };
    out.push(job);
    if (CORE.test(source) && !process.env.NUSE_TEST_CORE) out.push({ ...job, label: `${path} (sanitizer)`, env: { NUSE_TEST_CORE: 'core.sanitizer.wasm' }, limit: limit * 2 });
  }
  // Long ones first, so that no lane is idle while the other has them to itself.
  return out.sort((a, b) => Number(a.alone) - Number(b.alone) || b.limit - a.limit || (a.label < b.label ? -1 : 1));
}

/** Process groups of running tests: they end with us. */
const groups = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const kill of groups) kill('SIGTERM');
    console.error(`ended by ${signal}`);
    process.exit(1);
  });
}

/** Run in a process group of its own, at a niceness; `{ code, output, timedOut, seconds }`. */
function runProcess(args, env, limit, nice) {
  return new Promise((resolve) => {
    const start = Date.now();
    let output = '', timedOut = false;
    const p = spawn('nice', ['-n', String(nice), process.execPath, ...args], { cwd: root, env: { ...process.env, FORCE_COLOR: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const killGroup = (signal) => {
      try {
        process.kill(-p.pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    };
    groups.add(killGroup);
    let last;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup('SIGTERM');
      last = setTimeout(() => killGroup('SIGKILL'), 5000);
    }, limit * 1000);
    for (const s of [p.stdout, p.stderr]) s.on('data', (d) => { output += d; });
    p.on('exit', () => { last ??= setTimeout(() => killGroup('SIGKILL'), 2000); });
    p.on('close', (code, signal) => {
      clearTimeout(timer);
      clearTimeout(last);
      killGroup('SIGKILL');
      groups.delete(killGroup);
      resolve({ code: code ?? signal, output, timedOut, seconds: (Date.now() - start) / 1000 });
    });
  });
}

/** What uvu reported, or null when it did not come to its end. Skipped tests are not in its total. */
function counts(output) {
  const total = /^ {2}Total: +(\d+)$/m.exec(output), passed = /^ {2}Passed: +(\d+)$/m.exec(output);
  return total && passed ? { passed: Number(passed[1]), failed: Number(total[1]) - Number(passed[1]) } : null;
}

const sum = { passed: 0, failed: 0 };

async function runJob(job, nice) {
  const file = join('build/js', job.path.replace(/\.ts$/, '.js')), limit = job.limit * (nice ? PATIENCE : 1);
  const r = existsSync(join(root, file)) ? await runProcess([file], job.env, limit, nice) : { code: 1, output: `${file} is missing: was it built?`, timedOut: false, seconds: 0 };
  const c = counts(r.output) ?? { passed: 0, failed: 0 };
  // A file that crashed, hung or tested nothing has failed, whatever it reported before.
  if ((r.code !== 0 || r.timedOut || c.passed === 0) && c.failed === 0) c.failed = 1;
  sum.passed += c.passed;
  sum.failed += c.failed;
  const what = r.timedOut ? `, time limit of ${limit} s` : c.failed && r.code !== 1 ? `, ended with ${r.code}` : '';
  console.log(`${c.failed ? 'FAIL' : 'ok  '} ${job.label}: ${c.passed} passed, ${c.failed} failed (${r.seconds.toFixed(1)} s${what})`);
  if (c.failed) console.log(r.output.trimEnd().split('\n').slice(-120).join('\n').replace(/^/gm, '     '));
}

async function checks() {
  console.log('checking');
  const r = await runProcess(['scripts/check.mjs'], {}, 300, 0);
  sum.passed += r.output.match(/^ok {3}/gm)?.length ?? 0;
  const failed = r.output.match(/^FAIL /gm)?.length ?? 0;
  sum.failed += failed || (r.code === 0 ? 0 : 1);
  console.log(r.output.trimEnd());
}

const patterns = process.argv.slice(2);
setup('test');
if (!patterns.length) await checks();
const all = jobs(patterns);
if (!all.length) {
  console.error(`no test file matches ${patterns.join(' ')}`);
  sum.failed++;
}
console.log(`running ${all.length} test files`);
// One lane has the machine's tests, one at a time; the others wait for the processor whenever those want it.
const together = all.filter((j) => !j.alone);
const rest = async () => {
  for (let j; (j = together.shift());) await runJob(j, BACKGROUND);
};
const first = async () => {
  for (const j of all.filter((x) => x.alone)) await runJob(j, 0);
  await rest();
};
await Promise.all([first(), ...Array.from({ length: Math.min(4, availableParallelism()) - 1 }, rest)]);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed ? 1 : 0;
