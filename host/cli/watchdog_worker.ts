// The thread of watchdog.ts.
import { writeSync } from 'node:fs';
import { Session, type Debugger } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import type { WatchStart } from './watchdog.js';

const PERIOD = 500, TOLD = 6, EXIT = 125;
const { progress: shared, names, limit } = workerData as WatchStart, progress = new Float64Array(shared);
let seen = -1, waited = 0;

/** A frame that says something to people: not those of node itself. */
function describe(f: Debugger.CallFrame, url: string): string | undefined {
  if (url.startsWith('node:')) return undefined;
  const place = url.startsWith('wasm:') ? `the core, byte ${f.location.columnNumber}` : `${url.replace(/^file:\/\//, '')}:${f.location.lineNumber + 1}`;
  return `    ${f.functionName || 'a function'} (${place})\n`;
}

function tell(): void {
  const session = new Session();
  const urls = new Map<string, string>();
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params }) => { urls.set(params.scriptId, params.url); });
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const who = names[progress[1]] === undefined ? 'an event' : `node ${names[progress[1]]}`;
    const frames = callFrames.map((f) => describe(f, urls.get(f.location.scriptId) ?? '')).filter((t) => t !== undefined).slice(0, TOLD);
    writeSync(2, `nuse: ${who} does not return: ${limit} s within one event at ${(progress[2] / 1e9).toFixed(9)} s of virtual time, in\n${frames.join('')}`);
    // The exit must not wait for a debugger, which is this thread.
    session.post('Debugger.evaluateOnCallFrame', { callFrameId: callFrames[callFrames.length - 1].callFrameId, expression: `setImmediate(() => process.exit(${EXIT}))` });
    session.post('Runtime.terminateExecution');
    session.post('Debugger.resume');
    session.disconnect();
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

let told = false;
setInterval(() => {
  if (told) return;
  if (progress[0] !== seen || seen === 0) {
    seen = progress[0];
    waited = 0;
    return;
  }
  waited += PERIOD;
  if (waited < limit * 1000) return;
  told = true;
  tell();
}, PERIOD);
