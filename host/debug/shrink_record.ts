// A record that makes a core fail, made smaller: frames, calls and passing time that do not matter are left out. It fails the same way
// when the core traps with the same words at the same place, or when the same call is the first that two cores do differently.
import { createCore, type Core } from '../core.js';
import { asCoreTrap } from '../stack.js';
import { Recorder, type CoreIdentity } from './record.js';
import { MemoryRecord } from './memory_record.js';
import { RecordError, type RecordHeader } from './record_format.js';
import type { RecordSource } from './record_reader.js';
import { Replayer, type ReplayCore } from './replay.js';
import { ScriptPlayer, ScriptWriter, countSteps, type Step } from './script.js';
import { shrink } from './shrink.js';
import { restore, snapshot } from './snapshot.js';
import { trapPlaces } from './trap.js';

export interface ShrinkCore extends ReplayCore {
  identity: CoreIdentity;
}

export interface ShrinkOptions {
  /** The core that recorded. */
  core: ShrinkCore;
  /** Another one that does something else: where they part is the failure. Without it, the failure is a trap. */
  against?: ShrinkCore;
  /** Told after each attempt: how many there were, and how many steps are left. */
  progress?: (attempts: number, left: number) => void;
  /** Text of a trap for the new record. */
  explain?: (trap: Error) => string;
}

export interface Shrunk {
  /** The smaller record, for the same core. */
  file: Uint8Array;
  /** How it fails. */
  failure: string;
  before: { calls: number; frames: number; ns: number };
  after: { calls: number; frames: number; ns: number };
  attempts: number;
}

/** How a list of steps fails; two are the same failure when their keys are. */
interface Failure {
  key: string;
  text: string;
  trap?: Error;
}

class Trial {
  attempts = 0;
  constructor(private readonly header: RecordHeader, private readonly image: Uint8Array | undefined, private readonly options: ShrinkOptions) {}

  private fresh({ module }: ReplayCore): Promise<Core> {
    const { header, image } = this;
    return image ? restore(module, image) : createCore(module, { memoryBytes: header.memoryBytes, maxSockets: header.maxSockets, seed: header.seed, now: header.now });
  }

  /** Undefined when nothing fails. */
  async failure(steps: readonly Step[]): Promise<Failure | undefined> {
    this.attempts++;
    const { core, against } = this.options;
    return against ? this.difference(steps, core, against) : trapOf(() => this.play(steps, core));
  }
  private async play(steps: readonly Step[], core: ReplayCore): Promise<void> { new ScriptPlayer(await this.fresh(core), this.image !== undefined).play(steps); }

  private async difference(steps: readonly Step[], a: ReplayCore, b: ReplayCore): Promise<Failure | undefined> {
    const [first, second] = [await this.told(steps, a), await this.told(steps, b)];
    const i = first.findIndex((t, k) => t.text !== second[k]?.text), n = i < 0 ? first.length : i;
    if (i < 0 && second.length <= n) return undefined;
    const [x, y] = [first[n], second[n]], name = (x ?? y).name, kind = [x, y].some((t) => t?.trapped) ? 'trap' : x?.result !== y?.result ? 'result' : 'frames';
    return { key: `${name} ${kind}`, text: `${name}: ${x?.text ?? 'nothing'} against ${y?.text ?? 'nothing'}` };
  }
  /** What each call gave, as text; a trap is the last. */
  private async told(steps: readonly Step[], core: ReplayCore): Promise<{ name: string; text: string; result?: number; trapped?: boolean }[]> {
    const out: { name: string; text: string; result?: number; trapped?: boolean }[] = [], own = await this.fresh(core);
    const player = new ScriptPlayer(own, this.image !== undefined, (name, result, frames) => out.push({ name, result, text: `returned ${result}${frames ? `, frames on vif ${frames.trim()}` : ''}` }));
    const trap = await trapOf(() => Promise.resolve(player.play(steps)));
    if (trap) out.push({ name: 'the next call', text: `trapped: ${trap.text}`, trapped: true });
    return out;
  }

  /** Play them once more, recorded. */
  async record(steps: readonly Step[]): Promise<Uint8Array> {
    const { header, options: { core, explain } } = this, sink = new MemoryRecord(), own = await this.fresh(core);
    const recorder = new Recorder(own, sink, {
      core: { memoryBytes: header.memoryBytes, maxSockets: header.maxSockets, seed: header.seed, now: header.now }, identity: core.identity, date: header.date, id: 1,
      text: `${header.text}; shrunk`, snapshot: this.image !== undefined,
    });
    const trap = await trapOf(() => Promise.resolve(new ScriptPlayer(recorder.core, this.image !== undefined).play(steps)));
    recorder.close(trap && (explain?.(trap.trap!) ?? trap.text));
    return sink.file();
  }
}

async function trapOf(fn: () => Promise<void>): Promise<Failure | undefined> {
  try {
    await fn();
    return undefined;
  } catch (e) {
    const trap = asCoreTrap(e);
    if (!(trap instanceof Error) || (trap as { code?: string }).code !== 'ERR_NUSE_CORE_TRAP') throw e;
    // Too deep a recursion ends wherever the stack does.
    const [place] = /call stack/.test(trap.message) ? [] : trapPlaces(trap);
    return { key: `${trap.message} ${place ? `${place.function}+${place.offset}` : ''}`, text: trap.message, trap };
  }
}

/** Throws RecordError when the file is none, does not belong to the core, or does not fail. */
export async function shrinkRecord(source: RecordSource, options: ShrinkOptions): Promise<Shrunk> {
  const replayer = await Replayer.open(source, options.core), { header } = replayer;
  const trial = new Trial(header, header.snapshot ? snapshot(replayer.core) : undefined, options);
  const script = replayer.script = new ScriptWriter();
  const result = replayer.run();
  if (result.divergence && !options.against)
    throw new RecordError(source.name, result.divergence.offset, `the replay differs from the record: ${result.divergence.what}`, 'say with which other core it differs: --against FILE');
  const { steps } = script, failure = await trial.failure(steps);
  if (!failure) {
    const remedy = options.against ? 'the two cores do the same with this record' : 'give a record whose replay traps, or a second core with --against FILE';
    throw new RecordError(source.name, source.size, 'nothing fails in this record', remedy);
  }
  const left = await shrink(steps, async (part) => (await trial.failure(part))?.key === failure.key, (n) => options.progress?.(trial.attempts, n));
  const last = await trial.failure(left);
  return {
    file: await trial.record(left), failure: last!.trap ? options.explain?.(last!.trap) ?? last!.text : last!.text,
    before: countSteps(steps), after: countSteps(left), attempts: trial.attempts,
  };
}
