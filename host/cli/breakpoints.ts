// `--break`: breakpoints in the core of one node, or of a replay. The node to debug has a module of its own, so that they hold there only.
// With a debugger attached (DevTools, VS Code, or whatever speaks its protocol) the program stops; without, each stop is told and the run
// goes on.
import { Session, open, url, waitForDebugger, type Debugger, type InspectorNotification } from 'node:inspector';
import { pathToFileURL } from 'node:url';
import { BreakPlaces, NoBreakPlace, absoluteMap, type BreakPlace } from '../debug/break_place.js';
import { namedCopy } from '../debug/wasm_file.js';
import { CoreFile } from './cores.js';
import { DEFAULT_PORT, DEFAULT_STOPS, type BreakOptions } from './debug_options.js';
import { CliError } from './fail.js';
import { PACKAGE_ROOT } from './install.js';

const HOW = 'to step, add --inspect and open chrome://inspect, or start it from VS Code: docs/debugging.md';
const HOW_TO_ATTACH = 'open chrome://inspect in Chrome, or attach VS Code to this port: docs/debugging.md';

export class Breakpoints {
  private readonly session = new Session();
  private readonly places: BreakPlace[];
  private readonly sources: BreakPlaces;
  /** Who runs a script, by its number. */
  private readonly nodes = new Map<string, string>();
  private readonly attached: boolean;
  private readonly waits: boolean;
  private readonly mapUrl: string;
  private left: number;
  private begun = false;
  /** The time that stops are told with, ns. */
  now: () => number = () => 0;

  /** Undefined when no option asks for it. The core named by --core, else the debug build. */
  static of(options: BreakOptions): Breakpoints | undefined {
    if (!options.break && options.inspect === undefined) return undefined;
    return new Breakpoints(options.core === undefined ? CoreFile.build('debug') : CoreFile.named(options.core), options);
  }

  /** `core`: a build with names. Throws CliError when there is no such place. */
  private constructor(readonly core: CoreFile, options: BreakOptions) {
    const map = core.sourceMap;
    if (map === undefined) throw new CliError(`${core.path} has no source map beside it`, 'use the debug build, build/core.debug.wasm');
    this.sources = new BreakPlaces(core.bytes, map);
    this.mapUrl = `data:application/json;base64,${Buffer.from(absoluteMap(map, pathToFileURL(`${PACKAGE_ROOT}/`).href)).toString('base64')}`;
    this.left = whole(options.stops ?? String(DEFAULT_STOPS), '--stops');
    try {
      this.places = (options.break ?? []).map((text) => this.sources.find(text));
    } catch (e) {
      throw e instanceof NoBreakPlace ? new CliError(e.message, e.remedy) : e;
    }
    // Whoever has started node itself under a debugger needs no second one, and is there already.
    this.waits = options.inspect !== undefined && url() === undefined;
    if (this.waits) listen(options.inspect === true ? DEFAULT_PORT : whole(String(options.inspect), '--inspect'));
    this.attached = url() !== undefined;
  }

  /** A module of its own for what messages call `who`, with the breakpoints in it. `name`: in the engine's URL of it. */
  module(name: string, who: string): WebAssembly.Module {
    const { session, core } = this;
    this.begin();
    let script: string | undefined;
    const parsed = ({ params }: InspectorNotification<Debugger.ScriptParsedEventDataType>): void => {
      // The engine's URL for a module: its name and a hash.
      if (params.url.startsWith(`wasm://wasm/${name}-`)) script = params.scriptId;
    };
    session.on('Debugger.scriptParsed', parsed);
    const module = new WebAssembly.Module(namedCopy(core.bytes, name, this.mapUrl));
    session.off('Debugger.scriptParsed', parsed);
    if (script === undefined) throw new CliError('the engine does not tell its debugger of the module', 'use Node 20 or newer');
    this.nodes.set(script, who);
    for (const { offset } of this.places) this.set(script, offset);
    return module;
  }
  /** Wait for the debugger, when one is wanted. */
  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    if (this.waits) {
      process.stderr.write(`nuse: waiting for a debugger: ${HOW_TO_ATTACH}\n`);
      waitForDebugger();
    }
    // For the console of a debugger.
    Object.assign(globalThis, { nuse: { at: () => this.time } });
    this.session.connect();
    this.session.post('Debugger.enable');
    this.session.on('Debugger.paused', (m) => this.paused(m));
  }
  private get time(): string { return `${(this.now() / 1e9).toFixed(9)} s`; }
  private set(scriptId: string, columnNumber: number): void {
    this.session.post('Debugger.setBreakpoint', { location: { scriptId, lineNumber: 0, columnNumber } }, (error) => {
      if (error) throw new CliError(`the debugger refuses a breakpoint: ${error.message}`);
    });
  }

  /** Say where it is. When nobody is attached, it goes on by itself. */
  private paused({ params }: InspectorNotification<Debugger.PausedEventDataType>): void {
    const who = this.nodes.get(params.callFrames[0].location.scriptId);
    if (who === undefined || this.left <= 0) return;
    const frames = params.callFrames.filter((f) => this.nodes.has(f.location.scriptId)).map((f) => {
      const at = this.sources.source(f.location.columnNumber ?? 0);
      return `    ${f.functionName.replace(/^.*\//, '')}${at ? ` (${at.file}:${at.line})` : ''}\n`;
    });
    process.stderr.write(`nuse: ${who} stops at ${this.time}:\n${frames.join('')}`);
    if (--this.left > 0 || this.attached) return;
    // Taking breakpoints out of code that is running crashes Node 20.
    this.session.post('Debugger.setSkipAllPauses', { skip: true });
    process.stderr.write(`nuse: no debugger is attached, so it goes on, and tells no more stops (--stops); ${HOW}\n`);
  }
  /** The run is over. */
  end(): void { if (this.begun) this.session.disconnect(); }
}

/** Throws CliError when the port is another's: node itself only says so. */
function listen(port: number): void {
  open(port, '127.0.0.1', false);
  if (url() === undefined) throw new CliError(`a debugger cannot be waited for at port ${port}`, 'give another one: --inspect PORT');
}

function whole(text: string, option: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n > 65535) throw new CliError(`\`${option} ${text}\`: a whole number is wanted`, `write for example ${option} ${option === '--stops' ? DEFAULT_STOPS : DEFAULT_PORT}`);
  return n;
}
