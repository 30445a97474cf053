// A WASI program as an application of a scenario.
import type { App, AppOutput, Metrics } from '../apps.js';
import type { SimNode } from '../node.js';
import type { AppSpec } from '../scenario.js';
import { WasiProcess } from './process.js';

export class WasiApp implements App {
  private readonly process: WasiProcess;
  private endedAt?: number;

  constructor(readonly name: string, private readonly spec: Extract<AppSpec, { type: 'wasi' }>, private readonly node: SimNode, program: WebAssembly.Module, lookup: (name: string) => string[]) {
    this.process = new WasiProcess({
      name, program, node, lookup, args: [spec.module.split('/').pop()!, ...spec.args], env: spec.env, input: spec.stdin, fuel: spec.fuel,
      onend: () => { this.endedAt = node.sim.now; },
    });
  }

  start(): void { this.node.after(this.spec.start, () => this.process.start()); }

  metrics(end: number): Metrics {
    const { status, output } = this.process, { failure } = this;
    return {
      running: this.endedAt === undefined ? 1 : 0, failed: failure !== undefined || status ? 1 : 0, ...(status === undefined ? {} : { exit: status }),
      time: ((this.endedAt ?? end) - this.spec.start) / 1e9, stdout: output.length,
    };
  }
  /** Why it will never end by itself. */
  private get failure(): string | undefined {
    const { failure } = this.process;
    if (failure !== undefined) return `trapped: ${failure}`;
    return this.endedAt === undefined && this.node.trap ? 'ended: its node has trapped' : undefined;
  }
  get output(): AppOutput {
    const { output, errors } = this.process, { failure } = this;
    return { stdout: output.text, stderr: errors.text + (failure === undefined ? '' : `${failure}\n`) };
  }
}
