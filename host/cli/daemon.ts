// The process behind `nuse up`: one stack, a control socket, and a socket on which programs arrive.
import { closeSync, existsSync, unlinkSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { serve, type Request, type StackInfo } from './control.js';
import { CliError } from './fail.js';
import { recordOf } from './replay.js';
import { endAll, netnsOf, processesIn } from './processes.js';
import { configOf, logger, type RunOptions } from './run.js';
import { controlPath, launchPath, logPath } from './runtime_dir.js';
import { Session } from './session.js';

/** ms that programs have between SIGTERM and SIGKILL when their stack goes down. */
const GRACE_MS = 2000;
/** How often it is looked whether the control socket is still there, ms. */
const LOOK_MS = 2000;
/** Descriptor on which the starter waits for the word that the stack is up. */
const READY_FD = 3;

/** Remove a socket left by a process that is gone (`up` has made sure that nobody answers). */
function unlinkStale(path: string): void {
  try {
    unlinkSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
}

/** The descriptor of a connection that nothing reads. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

/** Programs hand over their notification descriptors here. */
function programServer(path: string, session: Session): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    session.take(descriptorOf(socket)).then(() => socket.destroy(), () => socket.destroy());
  });
  return new Promise((done, fail) => {
    server.on('error', fail);
    server.listen(path, () => done(server));
  });
}

/** Run the stack `name` until it is told to go down. */
export async function daemon(name: string, options: RunOptions): Promise<number> {
  const session = await Session.start(configOf(options), { log: logger(options.verbose), record: recordOf(options, `stack ${name}`) });
  const { config } = session;
  // `cat` keeps the programs' namespaces while none runs; it ends with this process, whose end of its input closes.
  const holder = await session.launch(['cat'], ['pipe', 'ignore', 'ignore']);
  const info: StackInfo = {
    name, pid: process.pid, holder: holder.pid, netns: netnsOf(holder.pid), config: options.config ? resolve(options.config) : null,
    interfaces: session.interfaces.map((i) => ({
      name: i.name, type: i.type, dev: i.dev,
      addresses: config.interfaces.find((c) => c.name === i.name)!.addresses.map((a) => `${a.address}/${a.prefix}`),
    })),
    dns: config.dns, started: Date.now(),
  };
  if (!info.netns) throw new CliError('the programs\' namespace cannot be seen');

  let finish: (code: number) => void;
  const finished = new Promise<number>((done) => { finish = done; });
  const paths = [controlPath(name), launchPath(name)];
  paths.forEach(unlinkStale);
  const ops: Record<Request['op'], () => Promise<unknown>> = {
    info: () => Promise.resolve(info),
    stats: () => session.stats(),
    down: async () => {
      programs.close();
      await endAll(info.netns, GRACE_MS, [info.holder]);
      await shut();
      setImmediate(() => finish(0));
    },
  };
  let shutting: Promise<void> | undefined;
  const shut = () => shutting ??= (async () => {
    holder.stdin?.end();
    await holder.exit;
    await session.close();
    [...paths, logPath(name)].forEach(unlinkStale);
  })();
  const programs = await programServer(paths[1], session);
  const control = await serve(paths[0], (r) => (Object.hasOwn(ops, r.op) ? ops[r.op]() : Promise.reject(new Error(`unknown request ${String(r.op)}`))));

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => { void ops.down(); });
  // A stack that nobody can reach any more goes down, too: its folder was removed.
  setInterval(() => { if (!existsSync(paths[0])) void ops.down(); }, LOOK_MS).unref();
  void session.crashed.then((e) => {
    process.stderr.write(`nuse: the stack ${name} failed: ${e.message}\n`);
    paths.forEach(unlinkStale);
    finish(1);
  });
  writeSync(READY_FD, 'up\n');
  closeSync(READY_FD);
  const code = await finished;
  control.close();
  if (code) for (const p of processesIn(info.netns)) process.stderr.write(`nuse: ${p.pid} ${p.command} lost its stack\n`);
  process.exit(code);
}
