// TAP devices without a core: frames in and out of arrays, and a call from libuv's loop when one came or a time has come. The native
// back end reads and writes descriptors in linear memory; here that memory holds nothing else.
import * as A from '../abi/constants.js';
import { CoreMemory } from '../memory.js';
import { EPOLLIN, EPOLL_CTL_ADD, type Native } from '../native.js';
import { RX_MORE } from '../vif.js';
import { openNativeVif, type NativeVif } from '../../io-backends/native/vif.js';

/** Longest frame, bytes: an MTU of 9000 with its Ethernet header. */
const FRAME = 9216, SLOT = A.RX_HEADROOM + FRAME, PAGE = 65536;
const RING = A.STATIC_BASE + A.RX_RING * SLOT, OUT = RING + A.TX_RING * A.TX_DESC_SIZE, END = OUT + FRAME;

export class Taps {
  private readonly mem = new CoreMemory(new WebAssembly.Memory({ initial: Math.ceil(END / PAGE) }));
  private readonly memory: number;
  private readonly waiter: number;
  private readonly open: { vif: NativeVif; receive: (frame: Uint8Array) => void }[] = [];

  /** `ready`: frames may wait, or the time of sleep() has come: call receive(). */
  constructor(private readonly native: Native, ready: () => void) {
    const { mem } = this;
    this.memory = native.attachMemory(mem.u8);
    mem.u8.fill(0xff, A.HDR + A.HDR_DEADLINE, A.HDR + A.HDR_DEADLINE + 8);
    for (let i = 0; i < A.RX_RING; i++) {
      const d = A.RX_DESC + i * A.RX_DESC_SIZE;
      mem.u32[(d + A.RXD_BUF) >>> 2] = A.STATIC_BASE + i * SLOT + A.RX_HEADROOM;
      mem.u32[(d + A.RXD_CAP) >>> 2] = FRAME;
    }
    this.waiter = native.epollCreate(this.memory, new Uint32Array(2));
    native.timerSlack(1);
    check(native.waiterWatch(this.waiter, ready), 'waiterWatch');
  }

  /** Attach to a device, or make it. Returns what sends a frame; a full or absent device loses it. Throws what the back end says. */
  add(device: string, mtu: number, receive: (frame: Uint8Array) => void): (frame: Uint8Array) => void {
    const { native, mem } = this, slot = this.open.length, header = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
    const vif = openNativeVif(native, this.memory, { name: device, type: 'TAP', dev: device, mtu, offload: false }, '');
    vif.attach({ mem, slot, wake: () => undefined });
    this.open.push({ vif, receive });
    check(native.epollCtl(this.waiter, EPOLL_CTL_ADD, vif.fd, EPOLLIN, slot), 'epoll_ctl');
    mem.u32[header + (A.VIF_TX_RING >>> 2)] = RING;
    mem.u32[header + (A.VIF_TX_SIZE >>> 2)] = A.TX_RING;
    return (frame) => {
      const head = mem.u32[header + (A.VIF_TX_HEAD >>> 2)], d = RING + (head & (A.TX_RING - 1)) * A.TX_DESC_SIZE;
      mem.u8.set(frame, OUT);
      mem.u8.fill(0, d, d + A.TX_DESC_SIZE);
      mem.u32[(d + A.TXD_LEN) >>> 2] = mem.u32[(d + A.TXD_FRAGS + 4) >>> 2] = frame.length;
      mem.u16[(d + A.TXD_NFRAGS) >>> 1] = 1;
      mem.u32[(d + A.TXD_FRAGS) >>> 2] = OUT;
      mem.u32[header + (A.VIF_TX_HEAD >>> 2)] = head + 1;
      vif.tx(1);
      mem.u32[header + (A.VIF_TX_TAIL >>> 2)] = head + 1;
    };
  }

  /** Give every frame that has come to whoever added its device. Throws when a device failed. */
  receive(): void {
    const { mem } = this;
    for (const { vif, receive } of this.open) {
      let n = RX_MORE;
      while (n & RX_MORE) {
        n = check(vif.rx(0, A.RX_RING), vif.dev);
        for (let i = 0; i < (n & ~RX_MORE); i++) {
          const d = (A.RX_DESC + i * A.RX_DESC_SIZE) >>> 2, at = mem.u32[d + (A.RXD_BUF >>> 2)];
          receive(mem.bytes(at, mem.u32[d + (A.RXD_LEN >>> 2)]));
        }
      }
    }
  }

  /** Monotonic time, ns. */
  now(): number { return this.native.clock(this.memory); }
  /** Be called at this time, ns, at the latest. */
  sleep(until: number): void { check(this.native.waiterArm(this.waiter, until), 'waiterArm'); }

  close(): void {
    this.native.epollClose(this.waiter);
    for (const { vif } of this.open) vif.close();
    this.native.detachMemory(this.memory);
  }
}

function check(r: number, what: string): number {
  if (r < 0) throw new Error(`${what}: ${A.ErrnoName[-r] ?? -r}`);
  return r;
}
