// What is fuzzed: a core with two interfaces and the driver (test/assembly/fuzz) in the upper part of the same memory, set back
// to a prepared state before each test case. The first byte of a test case chooses the state, the rest is the driver's.
import { readFileSync } from 'node:fs';
import * as A from '../../host/abi/constants.js';
import type { CoreExports } from '../../host/abi/exports.js';
import { emptyConfig, type StackConfig } from '../../host/config/config.js';
import { applyConfig } from '../../host/control/apply.js';
import type { Core } from '../../host/core.js';
import { CoreMemory } from '../../host/memory.js';

const BUILD = new URL('../../../', import.meta.url);
/** Linear memory: the core is told the lower part (asconfig.fuzz.json's memoryBase), the driver has the rest. */
const CORE_BYTES = 24 << 20, PAGES = 416;
const SOCKETS = 64;
/** test/assembly/fuzz/broken.ts */
const BROKEN = ['nothing', 'a descriptor is not as long as its pieces', 'a bad checksum was sent', 'TCP_INFO contradicts itself', 'a pool is not empty at the end', 'a call answered nonsense'];

interface DriverExports {
  input(): number;
  input_max(): number;
  hash(): bigint;
  frames_in(): number;
  frames_out(): number;
  calls_made(): number;
  run(len: number, traced: number): void;
}

export interface Outcome {
  hash: bigint;
  framesIn: number;
  framesOut: number;
  calls: number;
}

/** A promise of the core that a test case broke, or a trap: then there is a cause. */
export class FuzzFailure extends Error {}

const HOME = { address: '10.0.0.1', prefix: 24 }, HOME6 = { address: 'fd00::1', prefix: 64 };
const FAR = { address: '10.1.0.1', prefix: 24 }, FAR6 = { address: 'fd01::1', prefix: 64 };
const PEERS = [['eth0', '10.0.0.2', '02:00:00:00:00:02'], ['eth0', 'fd00::2', '02:00:00:00:00:02'], ['eth1', '10.1.0.2', '02:00:00:00:00:12'], ['eth1', 'fd01::2', '02:00:00:00:00:12']]
  .map(([dev, address, mac]) => ({ dev, address, mac }));
const port = (name: string, slaac: boolean, addresses: { address: string; prefix: number }[]) => ({ name, type: 'TAP' as const, dev: 'x', slaac, offload: false, addresses });
const ROUTES = [{ network: '0.0.0.0', prefix: 0, via: '10.0.0.2' }, { network: '::', prefix: 0, via: 'fd00::2' }, { network: '10.9.0.0', prefix: 16, via: '10.1.0.2' }];
/** Error limits off, or most errors would never be built. */
const SYSCTL = { 'net.ipv4.icmp_ratelimit': '0', 'net.ipv6.icmp.ratelimit': '0' };

/** The prepared states: features of the vifs and a configuration. */
const WORLDS: { features: number; config: Partial<StackConfig> }[] = [
  { features: 0, config: { interfaces: [port('eth0', false, [HOME, HOME6]), port('eth1', false, [FAR, FAR6])], neighbours: PEERS, routes: ROUTES, sysctl: SYSCTL } },
  {
    features: 7,
    config: {
      interfaces: [port('eth0', false, [HOME, HOME6]), port('eth1', false, [FAR, FAR6])], neighbours: PEERS, routes: ROUTES,
      sysctl: { ...SYSCTL, 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' },
    },
  },
  { features: 0, config: { interfaces: [port('eth0', true, [HOME, HOME6]), port('eth1', true, [FAR])], neighbours: [], routes: [], sysctl: {} } },
];

export class Target {
  readonly mem: CoreMemory;
  readonly core: CoreExports;
  private readonly driver: DriverExports;
  private readonly check?: () => void;
  /** Address of the coverage build's counters. */
  private readonly counters?: number;
  /** Given the counters after each run. */
  onCounters?: (counters: Uint8Array) => void;
  private readonly worlds: Uint8Array[];
  /** Told about every frame while tracing. */
  onFrame?: (vif: number, out: boolean, frame: Uint8Array, now: number) => void;
  /** What the driver calls from now on, asked before each run; only of a target that is `layered`. */
  onStart?: (core: Core) => Core;
  private live: CoreExports;
  private said = '';

  /** `build`: file name of a core, relative to build/. `layered`: the driver reaches the core by way of the host, so that something can stand between. */
  constructor(readonly build: string, layered = false) {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    this.mem = new CoreMemory(memory);
    const host = {
      panic: (message: number, file: number, line: number): void => {
        this.said = `${this.mem.asString(message) || 'panic'}${file ? ` at ${this.mem.asString(file)}:${line}` : ''}`;
      },
      log: (): void => {},
      fail: (what: number, a: number, b: number): void => {
        throw new FuzzFailure(`${BROKEN[what]}: ${what === 4 ? A.UsageName[a] : a}, ${b}`);
      },
      trace: (vif: number, out: number, p: number, len: number): void => this.onFrame?.(vif, out !== 0, this.mem.u8.slice(p, p + len), this.mem.getNs(A.HDR + A.HDR_NOW)),
    };
    const load = (file: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(new URL(file, BUILD)));
    const core = new WebAssembly.Instance(load(build), { env: { memory }, host });
    this.core = this.live = core.exports as unknown as CoreExports;
    this.counters = (core.exports as { coverage?: () => number }).coverage?.();
    this.check = (core.exports as { sanitize_check?: () => void }).sanitize_check;
    const driver = new WebAssembly.Instance(load('fuzz/driver.wasm'), { env: { memory }, host, core: layered ? this.ways() : core.exports });
    this.driver = driver.exports as unknown as DriverExports;
    const blank = this.mem.u8.slice();
    this.worlds = WORLDS.map((w, i) => this.prepare(blank, w, i));
  }

  /** The core's exports as imports that go to whatever `live` is. */
  private ways(): WebAssembly.ModuleImports {
    return Object.fromEntries(Object.keys(this.core).map((name) => {
      const key = name as keyof CoreExports;
      return [name, (...args: number[]) => (this.live[key] as (...a: number[]) => number)(...args)];
    }));
  }

  private prepare(blank: Uint8Array, world: typeof WORLDS[number], index: number): Uint8Array {
    const m = this.mem, x = this.core;
    m.u8.set(blank);
    m.u32[(A.HDR + A.HDR_MEMORY) >>> 2] = CORE_BYTES;
    m.u32[(A.HDR + A.HDR_MAX_SOCKETS) >>> 2] = SOCKETS;
    m.u8.fill(index + 1, A.HDR + A.HDR_SEED, A.HDR + A.HDR_SEED + 32);
    let now = 1e9;
    m.putNs(A.HDR + A.HDR_NOW, now);
    x.init();
    for (let vif = 0; vif < 2; vif++) {
      m.putCstring(A.ARG, `eth${vif}`, 16);
      m.u8.set([2, 0, 0, 0, 0, 1 + vif * 16], A.ARG + 16);
      if (x.dev_register(vif, A.ARG, A.ARG + 16, 1500, world.features) < 0) throw new Error('dev_register');
    }
    applyConfig({ exports: x, mem: m }, { ...emptyConfig(), ...world.config });
    for (let i = 0; i < 60; i++) {
      x.poll(0);
      for (let vif = 0; vif < 2; vif++) {
        const h = A.VIF + vif * A.VIF_STRIDE;
        m.u32[(h + A.VIF_TX_TAIL) >>> 2] = m.u32[(h + A.VIF_TX_HEAD) >>> 2];
      }
      m.putNs(A.HDR + A.HDR_NOW, now += 1e8);
    }
    x.poll(0);
    return m.u8.slice();
  }

  get inputMax(): number { return this.driver.input_max(); }
  /** The prepared memory images, for the native build. */
  get images(): readonly Uint8Array[] { return this.worlds; }

  /** Run one test case; throws a FuzzFailure. On the sanitizer build the whole memory is looked at in the end. */
  run(testCase: Uint8Array): Outcome {
    this.mem.u8.set(this.worlds[(testCase[0] ?? 0) % this.worlds.length]);
    const body = testCase.subarray(1, 1 + this.inputMax);
    this.mem.u8.set(body, this.driver.input());
    this.said = '';
    this.live = this.onStart?.({ exports: this.core, mem: this.mem }).exports ?? this.core;
    try {
      this.driver.run(body.length, this.onFrame ? 1 : 0);
      this.check?.();
    } catch (e) {
      if (e instanceof FuzzFailure) throw e;
      throw new FuzzFailure(`trap: ${this.said || (e as Error).message}`, { cause: e });
    } finally {
      if (this.counters !== undefined) this.onCounters?.(this.mem.u8.subarray(this.counters));
    }
    return { hash: this.driver.hash(), framesIn: this.driver.frames_in(), framesOut: this.driver.frames_out(), calls: this.driver.calls_made() };
  }
}
