// The cables of the conformance suite. TAP and RAW need a network namespace of their own: see backends.test.ts.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative } from '../../host/native.js';
import { localMac, type Vif, type VifSpec } from '../../host/vif.js';
import { openNativeVif } from '../../io-backends/native/vif.js';
import { MemoryVif } from '../../io-backends/memory/index.js';
import { openPortVif, portCable, type CableEnd } from '../../io-backends/port/index.js';
import type { Cable, CableType } from './conformance.js';
import { Rig } from './rig.js';

const native = loadNative();
const MAC_A = '02:00:00:00:00:01', MAC_B = '02:00:00:00:00:02';

const ip = (args: string): string => execFileSync('ip', args.split(' '), { encoding: 'utf8' });

/** A rig with a vif of this spec; closing the vif forgets the memory too. */
export function openEnd(spec: VifSpec): { vif: Vif; rig: Rig } {
  const rig = new Rig(), memory = native.attachMemory(rig.mem.u8);
  let vif: Vif;
  try {
    vif = openNativeVif(native, memory, spec, localMac(new Uint8Array(6)));
  } catch (error) {
    native.detachMemory(memory);
    throw error;
  }
  const close = vif.close.bind(vif);
  let open = true;
  vif.close = () => {
    if (!open) return;
    open = false;
    close();
    native.detachMemory(memory);
  };
  rig.attach(vif);
  return { vif, rig };
}

function cable(a: { vif: Vif; rig: Rig }, b: { vif: Vif; rig: Rig }, rest: Pick<Cable, 'gone' | 'cut' | 'mend'>): Cable {
  return { a: a.vif, b: b.vif, ra: a.rig, rb: b.rig, ...rest };
}

export const memory: CableType = {
  name: 'memory', holdsBack: true, whole: true,
  make() {
    const [a, b] = MemoryVif.pair({ name: 'a', mac: MAC_A }, { name: 'b', mac: MAC_B });
    return cable({ vif: a, rig: new Rig().attach(a) }, { vif: b, rig: new Rig().attach(b) }, { gone: () => undefined });
  },
};

/** A MessageChannel whose messages arrive at once: the suite never lets the event loop run. */
function instantPorts(): [MessagePort, MessagePort] {
  class Instant {
    peer?: Instant;
    onmessage: ((event: { data: unknown }) => void) | null = null;
    postMessage(data: unknown, transfer?: ArrayBuffer[]): void { this.peer?.onmessage?.({ data: structuredClone(data, { transfer }) }); }
    close(): void { this.peer = undefined; }
  }
  const a = new Instant(), b = new Instant();
  a.peer = b;
  b.peer = a;
  return [a, b] as unknown as [MessagePort, MessagePort];
}

/** Between threads; here both are this one. */
export const port = (shared: boolean): CableType => ({
  name: shared ? 'port with shared memory' : 'port', holdsBack: true, whole: true,
  make() {
    const ports = instantPorts(), ends: CableEnd[] = portCable(shared).map((end, i) => {
      end.port.close();
      return { ...end, port: ports[i] };
    });
    const a = openPortVif({ name: 'a', mac: MAC_A }, ends[0]), b = openPortVif({ name: 'b', mac: MAC_B }, ends[1]);
    return cable({ vif: a, rig: new Rig().attach(a) }, { vif: b, rig: new Rig().attach(b) }, { gone: () => undefined });
  },
});

function pipeCable(fifo: boolean): CableType {
  return {
    name: fifo ? 'PIPE over FIFOs' : 'PIPE', holdsBack: true, whole: true,
    make() {
      const dir = mkdtempSync(join(tmpdir(), 'nuse-pipe-')), pipepath = join(dir, 'p');
      if (fifo) execFileSync('mkfifo', [pipepath]);
      const spec = (name: string, mac: string): VifSpec => ({ name, type: 'PIPE', mac, pipepath });
      const b = openEnd(spec('b', MAC_B)), a = openEnd(spec('a', MAC_A));
      const c = cable(a, b, {
        gone() {
          const left = readdirSync(dir);
          if (left.join() !== (fifo ? 'p' : '')) throw new Error(`left behind: ${left.join()}`);
          rmSync(dir, { recursive: true });
        },
      });
      if (fifo) return c;
      c.cut = () => c.b.close();
      c.mend = () => {
        const again = openEnd(spec('b', MAC_B));
        c.b = again.vif;
        c.rb = again.rig;
      };
      return c;
    },
  };
}
export const pipe = pipeCable(false), fifo = pipeCable(true);

function noDevice(dev: string): void {
  if (existsSync(`/sys/class/net/${dev}`)) throw new Error(`${dev} is left`);
}

/** A veth pair, up; `queues` of each end, else the kernel's choice. */
export function veth(a: string, b: string, queues?: number): void {
  const n = queues ? ` numtxqueues ${queues} numrxqueues ${queues}` : '';
  ip(`link add ${a}${n} type veth peer ${b}${n}`);
  ip(`link set ${a} up`);
  ip(`link set ${b} up`);
}

/** How an XDP program is attached to a device: `xdp` for native mode, `xdpgeneric`, or none. */
export const attachedMode = (dev: string): string | undefined => / (xdp\w*)[ /]/.exec(ip(`link show ${dev}`))?.[1];

/** Ends on va and vb, which they leave as they were. */
function vethCable(a: { vif: Vif; rig: Rig }, b: { vif: Vif; rig: Rig }): Cable {
  return cable(a, b, {
    cut: () => ip('link set va down'),
    mend: () => ip('link set va up'),
    gone: () => {
      for (const dev of ['va', 'vb']) {
        if (!/promiscuity 0 .*allmulti 0/.test(ip(`-d link show ${dev}`))) throw new Error(`${dev}: still promiscuous`);
        if (attachedMode(dev)) throw new Error(`${dev}: ${attachedMode(dev)} is left`);
      }
      ip('link del va');
    },
  });
}

/** a: a TAP; b: RAW on the host's side of it. */
export const tap = (offload: boolean): CableType => ({
  name: offload ? 'TAP' : 'TAP without offload', holdsBack: false, whole: offload,
  make() {
    const a = openEnd({ name: 'eth0', type: 'TAP', mac: MAC_A, offload, mtu: 1500 });
    const b = openEnd({ name: 'nuse-eth0', type: 'RAW', offload: true });
    return cable(a, b, {
      cut: () => ip('link set nuse-eth0 down'),
      mend: () => ip('link set nuse-eth0 up'),
      gone: () => noDevice('nuse-eth0'),
    });
  },
});

/** XDP at one end of a veth, in native mode, with an address that is not the device's. */
export const xdp: CableType = {
  name: 'XDP', holdsBack: false, whole: false, plain: true,
  make() {
    veth('va', 'vb');
    const a = openEnd({ name: 'eth0', dev: 'va', type: 'XDP', mac: MAC_A }), b = openEnd({ name: 'eth0', dev: 'vb', type: 'RAW' });
    if (attachedMode('va') !== 'xdp') throw new Error('no native mode');
    return vethCable(a, b);
  },
};

/** XDP at both ends, at one in generic mode, which the other's MTU is reason for. */
export const xdpGeneric: CableType = {
  name: 'XDP in generic mode', holdsBack: false, whole: false, plain: true,
  make() {
    veth('va', 'vb');
    ip('link set vb mtu 9000');
    const a = openEnd({ name: 'va', type: 'XDP' }), b = openEnd({ name: 'vb', type: 'XDP', mtu: 1500, mac: MAC_B });
    if (attachedMode('va') !== 'xdpgeneric' || attachedMode('vb') !== 'xdp') throw new Error(`modes ${attachedMode('va')} and ${attachedMode('vb')}`);
    return vethCable(a, b);
  },
};

/** RAW at both ends of a veth, with an address that is not the device's at one. */
export const raw: CableType = {
  name: 'RAW', holdsBack: false, whole: true,
  make() {
    veth('va', 'vb');
    const a = openEnd({ name: 'va', type: 'RAW', mac: MAC_A }), b = openEnd({ name: 'eth0', dev: 'vb', type: 'RAW' });
    return vethCable(a, b);
  },
};
