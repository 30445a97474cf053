// Entry of the stack workers of runtime_thread.test.ts: the real parts, and extensions that a test can drive.
import * as A from '../../host/abi/constants.js';
import type { CoreExports } from '../../host/abi/exports.js';
import { applyConfig } from '../../host/control/apply.js';
import { serveStack, type Extension, type StackContext } from '../../host/threads/stack_worker.js';
import { localMac } from '../../host/vif.js';
import { openNativeVif } from '../../io-backends/native/vif.js';
import { attach as attachUdp } from './runtime_udp.js';

/** Handlers that show what an extension can do, and ways to die. */
function attach(stack: StackContext, options: unknown): Extension {
  stack.handle('options', (_, reply) => reply(options));
  stack.handle('fail', () => { throw Object.assign(new Error('refused'), { code: 'EACCES' }); });
  stack.handle('later', (body, reply) => { stack.loop.setTimer(stack.loop.now() + 2e6, () => reply(body)); });
  stack.handle('trap', () => { stack.core.exports.poll(0); trap(stack.core.exports); });
  stack.handle('trap-in-poll', (_, reply) => {
    reply(null);
    const { u32 } = stack.core.mem;
    // The receive buffers' records are gone: the next frame makes the core trap or the loop refuse.
    u32.fill(0xffffffff, A.STATIC_BASE >>> 2);
    stack.loop.requestPoll();
  });
  stack.handle('throw', (_, reply) => { reply(null); stack.loop.setTimer(0, () => { throw new Error('in a timer'); }); });
  stack.handle('hang', () => { while (Date.now() > 0) continue; });
  stack.log(2, 'attached');
  stack.notify('hello', stack.interfaces.length);
  return { close: (dead) => stack.notify('closing', dead) };
}

function trap(x: CoreExports): void {
  if (x) throw new WebAssembly.RuntimeError('unreachable');
}

await serveStack({
  openVif: (native, memory, spec, random) => openNativeVif(native, memory, spec, localMac(random)),
  configure: applyConfig,
  extensions: { probe: () => Promise.resolve({ attach }), udp: () => Promise.resolve({ attach: attachUdp }) },
});
