// A headless Chromium for tests: a module is bundled, served from 127.0.0.1 and run in a fresh page, and its result comes
// back. Whatever the page complains of fails the run, and everything ends within a bounded time.
import { build, type Plugin } from 'esbuild';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { CORE_WASM } from '../../host/cli/install.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const PROGRAM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  // Nothing outside of this machine.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];
const LAUNCH_MS = 30000, CLOSE_MS = 10000, RUN_MS = 60000;

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.map': 'application/json',
  '.wasm': 'application/wasm', '.bin': 'application/octet-stream',
};

/** URL path -> content: bytes, text, or the file to read. */
export type Files = Record<string, Uint8Array | string | URL>;

/** What a page finds without asking for it: the browser entry as it is published, and the core (NUSE_CORE's, as everywhere). */
const PUBLISHED: Files = {
  '/nuse/browser.js': new URL(`file://${join(ROOT, 'build/browser/nuse.js')}`),
  '/nuse/core.wasm': pathToFileURL(CORE_WASM),
};

export interface RunOptions {
  /** The module (a compiled .js beside the test). Its default export gets `args`; what it returns, or resolves to, is the result. */
  module: URL;
  /** Modules of workers, served beside it: the page starts them by `new Worker(new URL('./NAME.js', import.meta.url), { type: 'module' })`. */
  workers?: URL[];
  /** Given to the module; like the result, plain data. */
  args?: unknown;
  /** More files. */
  files?: Files;
  /** Serve with COOP and COEP: the page is cross-origin isolated and has SharedArrayBuffer. */
  isolated?: boolean;
  /** Default 60 s. */
  timeoutMs?: number;
}

/** Modules import `nuse/browser` from where a page gets it, so that tests run what is published. */
const published: Plugin = {
  name: 'published',
  setup({ onResolve }) {
    onResolve({ filter: /^nuse\/browser$/ }, () => ({ path: '/nuse/browser.js', external: true }));
  },
};

async function bundled(modules: URL[]): Promise<Files> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT, entryPoints: modules.map((m) => fileURLToPath(m)), outdir: '/', entryNames: '[name]', bundle: true, write: false, platform: 'browser', format: 'esm',
    target: 'es2022', plugins: [published], logLevel: 'silent',
  });
  return Object.fromEntries(outputFiles.map((f) => [`/${basename(f.path)}`, f.contents]));
}

/** Serves these files on 127.0.0.1; with `isolated`, with the headers of cross-origin isolation. */
function serve(files: Files, isolated: boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (isolated) response.setHeader('Cross-Origin-Opener-Policy', 'same-origin').setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Cache-Control', 'no-store');
    if (!Object.hasOwn(files, pathname)) {
      response.writeHead(404).end();
      return;
    }
    const content = files[pathname];
    response.setHeader('Content-Type', TYPES[pathname === '/' ? '.html' : extname(pathname)] ?? 'application/octet-stream');
    response.end(content instanceof URL ? readFileSync(content) : content);
  });
  return new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server)));
}

/** Rejects after `ms`, unless the promise settles first. */
async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`${what}: not done within ${ms} ms`)), ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a page complains of, as it comes. */
function complaints(page: Page): string[] {
  const out: string[] = [];
  page.on('pageerror', (error) => out.push(error.stack ?? error.message));
  page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'assert') out.push(`console: ${m.text()} (${m.location().url})`); });
  page.on('crash', () => out.push('the page crashed'));
  page.on('response', (r) => { if (r.status() >= 400) out.push(`${r.url()}: status ${r.status()}`); });
  page.on('requestfailed', (r) => out.push(`${r.url()}: ${r.failure()?.errorText}`));
  return out;
}

const PAGE = '<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">';

export class Chromium {
  private constructor(private readonly browser: Browser) {}

  /** A browser with a new, empty profile, which goes with it. `flags`: more of them. */
  static async launch(...flags: string[]): Promise<Chromium> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: install the Debian package chromium`);
    return new Chromium(await chromium.launch({ executablePath: PROGRAM, headless: true, args: [...FLAGS, ...flags], timeout: LAUNCH_MS }));
  }

  get version(): string { return this.browser.version(); }

  /** Run a module in a page of its own; throws what it throws, and when the page complains of anything. */
  async run<T>(options: RunOptions): Promise<T> {
    const files = { '/': PAGE, ...PUBLISHED, ...await bundled([options.module, ...options.workers ?? []]), ...options.files };
    const call = { module: `/${basename(fileURLToPath(options.module))}`, args: options.args };
    const server = await serve(files, options.isolated ?? false);
    try {
      return await this.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, options, (page) => page.evaluate(async ({ module, args }) => {
        const { default: run } = await import(module) as { default: (args: unknown) => unknown };
        return await run(args) as T;
      }, call));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Open a URL of this machine in a fresh page and do something with it; throws also when the page complains of anything. */
  async open<T>(url: string, { timeoutMs = RUN_MS }: Pick<RunOptions, 'timeoutMs'>, use: (page: Page) => Promise<T>): Promise<T> {
    const context = await this.browser.newContext();
    try {
      const page = await context.newPage(), wrong = complaints(page);
      const visit = page.goto(url).then(() => use(page));
      const result = await within(timeoutMs, 'the page', visit).catch((error: Error) => { throw new Error([error.message, ...wrong].join('\n'), { cause: error }); });
      if (wrong.length) throw new Error(wrong.join('\n'));
      return result;
    } finally {
      await within(CLOSE_MS, 'closing a page', context.close());
    }
  }

  async close(): Promise<void> { await within(CLOSE_MS, 'closing Chromium', this.browser.close()); }
}
