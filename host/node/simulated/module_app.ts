// A function of a TypeScript or JavaScript module as an application of a scenario.
import type { App, AppOutput, Metrics } from '../../sim/apps.js';
import type { NodeLookup } from '../../sim/make_app.js';
import type { SimNode } from '../../sim/node.js';
import type { AppSpec } from '../../sim/scenario.js';
import { SimulatedNode } from './simulated_node.js';

/** What such a module exports by default. It ends when its promise settles. */
export type AppMain = (node: SimulatedNode) => unknown;

export class ModuleApp implements App {
  readonly settles = true;
  private readonly told = { log: [] as string[], figures: new Map<string, number>() };
  private endedAt?: number;
  private failure?: string;

  constructor(
    readonly name: string, private readonly spec: Pick<Extract<AppSpec, { type: 'module' }>, 'args' | 'start'>, private readonly node: SimNode,
    private readonly lookup: NodeLookup, private readonly main: AppMain,
  ) {}

  start(): void {
    const { node, spec, told } = this, app = new SimulatedNode(node, spec.args, this.lookup, told);
    node.after(spec.start, () => {
      node.sim.unsettled = node;
      void this.run(app);
    });
  }
  private async run(app: SimulatedNode): Promise<void> {
    try {
      await this.main(app);
    } catch (error) {
      this.failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
    this.endedAt = this.node.sim.now;
  }

  metrics(end: number): Metrics {
    return {
      running: this.endedAt === undefined ? 1 : 0, failed: this.failure === undefined ? 0 : 1, time: ((this.endedAt ?? end) - this.spec.start) / 1e9, ...Object.fromEntries(this.told.figures),
    };
  }
  get output(): AppOutput { return { stdout: this.told.log.map((l) => `${l}\n`).join(''), stderr: this.failure === undefined ? '' : `${this.failure}\n` }; }
}
