// Runs a program on a fresh stack with nothing but a loopback interface, in one thread: program.js PROGRAM [ARGUMENT]...
// For the differential tests; exits with the program's status.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '../../host/core.js';
import { loadNative } from '../../host/native.js';
import { forwardSignals, launch } from '../../host/posix/launch.js';
import type { PosixNative } from '../../host/posix/native.js';
import { Supervisor } from '../../host/posix/supervisor.js';
import { Loop } from '../../host/threads/loop.js';
import { ROOT } from '../interop/lab.js';

const native = loadNative();
const glue = native as unknown as PosixNative;
const core = await createCore(new WebAssembly.Module(readFileSync(join(ROOT, 'build/core.wasm'))), {
  seed: new Uint8Array(32).fill(7), now: Number(process.hrtime.bigint()),
});
const loop = new Loop(core, native);
native.wallOffset(loop.memory);
const supervisor = new Supervisor(core, glue, loop);
loop.onSocketEvents((handle, mask) => { supervisor.onSocketEvents(handle, mask); });
const launched = await launch(glue, { command: process.argv.slice(2), resolvConf: 'nameserver 127.0.0.1\n' });
const undo = forwardSignals(launched.child);
supervisor.attach(launched.notify, () => loop.stop());
launched.go();
loop.run();
undo();
process.exitCode = await launched.exit;
if (supervisor.socketCount) console.error(`${supervisor.socketCount} sockets left`);
supervisor.close();
loop.close();
