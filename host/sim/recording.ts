// The record of what enters one node's core: the same file that `nuse record` writes of a live stack (docs/record.md).
//
//   const records = new NodeRecords(() => new MemoryRecord(), { identity: () => identity });
//   const run = await ScenarioRun.create(scenario, { module, layer: records.layer });
//   run.finish();
//   records.close();
import type { Core, CoreOptions } from '../core.js';
import { Recorder, type CoreIdentity, type RecordSink } from '../debug/record.js';
import { WALL_START } from './node.js';

export interface NodeRecordsOptions {
  /** The module that a node runs. */
  identity: (node: string) => CoreIdentity;
  /** Free text that the file carries: how the run was started. */
  text?: string;
}

export class NodeRecords {
  private readonly recorders = new Map<string, Recorder>();

  /** `sinkOf`: where the record of a node goes, undefined when it is not wanted. */
  constructor(private readonly sinkOf: (node: string) => RecordSink | undefined, private readonly options: NodeRecordsOptions) {}

  /** The `layer` of RunOptions. */
  readonly layer = (core: Core, own: CoreOptions, node: string): Core => {
    const sink = this.sinkOf(node);
    if (!sink) return core;
    const { identity, text } = this.options;
    // The date is the run's, so that the same run gives the same file.
    const recorder = new Recorder(core, sink, { core: own, identity: identity(node), date: Number(WALL_START / 1_000_000n), id: this.recorders.size + 1, text: `${text ?? 'simulated'}: node ${node}` });
    this.recorders.set(node, recorder);
    return recorder.core;
  };

  /** Calls recorded of a node. */
  calls(node: string): number { return this.recorders.get(node)?.written.calls ?? 0; }
  /** The node's core has trapped: its record ends with the reason. */
  trapped(node: string, reason: string): void { this.recorders.get(node)?.close(reason); }
  /** End the records that are still open. */
  close(): void { for (const r of this.recorders.values()) r.close(); }
}
