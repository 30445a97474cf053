// From an application's entry in a scenario to the application.
import { separableApp, type App, type AppNode } from './apps.js';
import { appName, appPort } from './names.js';
import type { SimNode } from './node.js';
import type { Plan } from './plan.js';
import type { AppSpec } from './scenario.js';
import type { Entity, Simulation } from './simulation.js';
import { WasiApp } from './wasi/app.js';

/** Addresses of a node by its name, or of `localhost`, IPv4 first; none when there is no such node. */
export type NodeLookup = (name: string) => string[];

/** Where applications of files come from: what a scenario calls a file is for whoever runs it to know. */
export interface AppLoader {
  /** The program of a `wasi` application, prepared for virtual time (see wasi/prepare.ts). */
  wasi?(file: string): Promise<WebAssembly.Module>;
  /** A `module` application. */
  module?(name: string, spec: Extract<AppSpec, { type: 'module' }>, node: SimNode, lookup: NodeLookup): Promise<App>;
  /** Runs `run` with what lets applications that use promises do all they can at one instant. */
  settle?(sim: Simulation, run: (drain: (entity: Entity) => Promise<void>) => Promise<void>): Promise<void>;
}

/** The network that applications are put into. */
export interface AppSite {
  /** Any node; those that run in this part. */
  node(name: string): AppNode;
  own: ReadonlyMap<string, SimNode>;
  plan: Plan;
  loader: AppLoader;
}

export function nodeLookup(plan: Plan): NodeLookup {
  return (name) => {
    if (name === 'localhost') return ['127.0.0.1', '::1'];
    const port = plan.nodes.get(name)?.ports[0];
    return port ? [port.ipv4, port.ipv6] : [];
  };
}

export async function makeApp(spec: AppSpec, index: number, { node, own, plan, loader }: AppSite): Promise<App> {
  const name = appName(spec, index);
  if (spec.type === 'wasi') {
    if (!loader.wasi) throw new Error(`application ${name}: whoever runs this scenario loads no WASI programs: give \`loader.wasi\``);
    return new WasiApp(name, spec, own.get(spec.node)!, await loader.wasi(spec.module), nodeLookup(plan));
  }
  if (spec.type === 'module') {
    if (!loader.module) throw new Error(`application ${name}: whoever runs this scenario loads no modules: give \`loader.module\``);
    return loader.module(name, spec, own.get(spec.node)!, nodeLookup(plan));
  }
  const [port] = plan.nodes.get(spec.to)!.ports;
  const ends = { from: node(spec.from), to: node(spec.to), address: spec.family === 4 ? port.ipv4 : port.ipv6, port: appPort(spec, index) };
  return separableApp(name, spec, ends);
}
