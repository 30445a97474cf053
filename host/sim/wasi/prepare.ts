// Makes a WASI program one that can run in virtual time, with Binaryen: Asyncify, so that its calls can wait (coroutine.ts), and a count
// of the turns of its loops and the calls of its functions, so that one that spins is found at the same instruction in every run.
import { FUEL } from './coroutine.js';

/** Calls that may wait, as Asyncify names them. Everything else never does, and what does not call these stays as it was. */
const WAITING = [
  ...['fd_read', 'fd_write', 'poll_oneoff'].map((f) => `wasi_snapshot_preview1.${f}`),
  ...['accept', 'connect', 'sendto', 'recvfrom', 'poll'].map((f) => `nuse_socket.${f}`),
];
/** Binaryen's pass calls this function at each of those places. */
const METER = 'log_execution';
/** Inlines the meter and cleans up after Asyncify. */
const FINISH = ['inlining-optimizing', 'simplify-locals', 'vacuum', 'coalesce-locals', 'reorder-locals', 'vacuum', 'merge-blocks', 'remove-unused-brs', 'vacuum'];

/** The prepared module; one that is prepared already is given back. Throws what is wrong with the bytes. */
export async function prepareWasi(bytes: Uint8Array): Promise<Uint8Array> {
  const given = await WebAssembly.compile(bytes as BufferSource);
  if (WebAssembly.Module.exports(given).some((e) => e.name === FUEL)) return bytes;
  const { default: b } = await import('binaryen');
  const m = b.readBinary(bytes), f = b.Features;
  try {
    m.setFeatures(m.getFeatures() | f.BulkMemory | f.BulkMemoryOpt | f.SignExt | f.NontrappingFPToInt | f.MutableGlobals | f.SIMD128 | f.Multivalue | f.ReferenceTypes);
    b.setOptimizeLevel(2);
    b.setShrinkLevel(0);
    m.runPasses(['log-execution']);
    m.removeFunction(METER);
    m.addGlobal(FUEL, b.i32, true, m.i32.const(0));
    m.addGlobalExport(FUEL, FUEL);
    m.addFunction(METER, b.createType([b.i32]), b.none, [], m.block(null, [
      m.global.set(FUEL, m.i32.sub(m.global.get(FUEL, b.i32), m.i32.const(1))),
      m.if(m.i32.lt_s(m.global.get(FUEL, b.i32), m.i32.const(0)), m.unreachable()),
    ]));
    b.setPassArgument('asyncify-imports', WAITING.join(','));
    m.runPasses(['asyncify']);
    m.runPasses(FINISH);
    return m.emitBinary();
  } finally {
    m.dispose();
  }
}
