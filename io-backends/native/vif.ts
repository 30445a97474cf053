// A vif whose frames native code moves: TAP, RAW, XDP, PIPE and USER.
import { VifFeature } from '../../host/abi/constants.js';
import type { NativeVifInfo, NativeVifs, Vif, VifPort, VifSpec, VifStats } from '../../host/vif.js';

const ALL_OFFLOADS = VifFeature.CSUM | VifFeature.TSO4 | VifFeature.TSO6 | VifFeature.USO;

export class NativeVif implements Vif {
  readonly mac: string;
  private slot = -1;
  constructor(private readonly native: NativeVifs, readonly name: string, private readonly info: NativeVifInfo, mac: string) {
    this.mac = info.mac || mac;
  }
  get mtu(): number { return this.info.mtu; }
  get features(): number { return this.info.features; }
  get dev(): string { return this.info.dev; }
  get fd(): number { return this.info.fd; }
  get pollOut(): boolean { return this.info.pollOut; }
  get group(): number { return this.info.group; }
  attach(port: VifPort): void { this.slot = port.slot; }
  rx(first: number, max: number): number { return this.native.rxBurst(this.info.handle, this.slot, first, max); }
  tx(max: number): number { return this.native.txBurst(this.info.handle, this.slot, max); }
  stats(): VifStats { return this.native.vifStats(this.info.handle); }
  close(): void { this.native.vifClose(this.info.handle); }
}

/**
 * Open the back end of a spec over an attached memory. `mac`: the address of a vif that has none of its own.
 * Throws an Error with `code` and a message that names the device and the remedy.
 */
export function openNativeVif(native: NativeVifs, memory: number, spec: VifSpec, mac: string): NativeVif {
  const info = native.vifOpen(memory, {
    type: spec.type, name: spec.name, dev: spec.dev, path: spec.pipepath, fd: spec.fd, queue: spec.queue, mac: spec.mac, mtu: spec.mtu,
    offload: spec.offload === false ? 0 : ALL_OFFLOADS,
    ...spec.steer,
  });
  return new NativeVif(native, spec.name, info, mac);
}
