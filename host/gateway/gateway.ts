// The gateway of a USER interface: a core that is local for every address, on a link with the stack's, driven by libuv's loop, and the
// parts that pass its traffic on to sockets of the host.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DeviceConf } from '../abi/constants.js';
import { createCore } from '../core.js';
import { emptyConfig, type InterfaceConfig, type StackConfig } from '../config/config.js';
import { userNetwork } from '../config/user_network.js';
import { applyConfig } from '../control/apply.js';
import { loadNative } from '../native.js';
import type { PosixNative } from '../posix/native.js';
import { CoreSockets } from '../sockets/core_sockets.js';
import { registerDevice } from '../stack.js';
import { Loop } from '../threads/loop.js';
import type { StackParts } from '../threads/stack_worker.js';
import { RouterAdvertiser } from './advertise.js';
import type { GatewayContext } from './context.js';
import { DhcpServer } from './dhcp_server.js';
import { EchoForwarder } from './icmp.js';
import { publish } from './publish.js';
import { Resolvers } from './resolvers.js';
import { Router } from './target.js';
import { TcpForwarder } from './tcp.js';
import { UdpForwarder } from './udp.js';

/** Memory of the gateway's core, bytes: buffers of connections on their way. */
const MEMORY = 64 << 20;
const SOCKETS = 4096;
const DEVICE = 'eth0';
/** How often the wall clock's offset is refreshed, ns. */
const WALL_PERIOD = 1e9;
/** Turns at the end, at most. */
const LAST_TURNS = 64;

export interface GatewayOptions {
  /** File of the core's module. */
  wasm: string;
  /** The USER interface of the stack's configuration. */
  itf: InterfaceConfig;
  /** This end of the link. */
  fd: number;
}

/** The gateway's own configuration: its addresses, everything else local. */
function gatewayConfig(itf: InterfaceConfig): StackConfig {
  const { v4, v6 } = userNetwork(itf);
  return {
    ...emptyConfig(), memory: MEMORY, sockets: SOCKETS,
    interfaces: [{
      name: DEVICE, type: 'USER', dev: '', slaac: false, offload: true, mtu: itf.mtu,
      addresses: [v4.gateway, v4.dns].map((address) => ({ address, prefix: v4.prefix })).concat([v6.gateway, v6.dns].map((address) => ({ address, prefix: v6.prefix }))),
    }],
    routes: [{ network: '0.0.0.0', prefix: 0, dev: DEVICE, local: true }, { network: '::', prefix: 0, dev: DEVICE, local: true }],
    sysctl: {
      // Echo is answered by icmp.ts, which knows whom it is for; every refusal is told.
      'net.ipv4.icmp_echo_ignore_all': '1', 'net.ipv4.icmp_ratelimit': '0', 'net.ipv6.icmp.ratelimit': '0', 'net.ipv4.icmp_msgs_per_sec': '0',
      'net.core.somaxconn': '4096', 'net.ipv4.tcp_max_syn_backlog': '4096',
    },
  };
}

export class Gateway {
  private closed = false;
  private constructor(private readonly loop: Loop, private readonly parts: { close(): void }[]) {}

  /** Build and start it. Rejects with the reason when a published port cannot be had. */
  static async start(options: GatewayOptions, openVif: StackParts['openVif']): Promise<Gateway> {
    const native = loadNative(), { itf } = options, config = gatewayConfig(itf);
    native.timerSlack(1);
    const core = await createCore(new WebAssembly.Module(readFileSync(options.wasm)), {
      memoryBytes: config.memory, maxSockets: config.sockets, now: Number(process.hrtime.bigint()), seed: randomBytes(32),
    });
    const loop = new Loop(core, native);
    const parts: { close(): void }[] = [];
    try {
      native.wallOffset(loop.memory);
      loop.stamp();
      const vif = openVif(native, loop.memory, { ...config.interfaces[0], fd: options.fd }, randomBytes(6));
      loop.attachVif(0, vif);
      const ifindex = registerDevice(core, 0, vif);
      // On a link with one other end no address is taken; it must be there for the first packet.
      core.exports.ctl_device_conf_set(ifindex, DeviceConf.DAD_TRANSMITS, 0);
      applyConfig(core, config);
      const sockets = new CoreSockets(core, loop);
      loop.onSocketEvents((handle, mask) => { sockets.event(handle, mask); });
      const resolvers = new Resolvers(), network = userNetwork(itf);
      const gateway: GatewayContext = {
        loop, native: native as unknown as PosixNative, sockets, resolvers, network, device: DEVICE, ifindex,
        router: new Router(network, itf.egress ?? [], itf.hostLoopback ?? false, resolvers),
      };
      const tcp = new TcpForwarder(gateway);
      parts.push(tcp, new UdpForwarder(gateway), new EchoForwarder(gateway, (address) => native.pingOpen(address)), new DhcpServer(gateway), new RouterAdvertiser(gateway, vif.mac, vif.mtu));
      parts.push(...await publish(gateway, tcp, itf.publish ?? []));
      every(loop, WALL_PERIOD, () => native.wallOffset(loop.memory));
      loop.attach();
    } catch (error) {
      loop.close();
      throw error;
    }
    return new Gateway(loop, parts);
  }

  /** Reset what is open on both sides, and let go of everything: libuv's loop has no reason to go on. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    // What the stack has sent before it ended is still passed on.
    for (let i = 0; i < LAST_TURNS && this.loop.stack.ports.some((p) => p.readable); i++) this.loop.turn(0);
    this.loop.stamp();
    for (const p of this.parts) p.close();
    this.loop.stack.flush();
    this.loop.close();
  }
}

function every(loop: Loop, ns: number, fn: () => void): void {
  loop.setTimer(loop.now() + ns, () => {
    fn();
    every(loop, ns, fn);
  });
}
