// What runs in a browser too: a core, the stack that drives it, its configuration, captures. No node:* behind any of it.
export { CoreTrap, DEFAULT_MEMORY, createCore, type Core, type CoreOptions } from './core.js';
export { monotonicNs, wallOffsetNs } from './clock.js';
export { randomBytes } from './entropy.js';
export { CoreMemory } from './memory.js';
export { Stack, registerDevice, type FrameTap, type StackHooks } from './stack.js';
export { localMac, type Vif, type VifPort, type VifSpec, type VifStats } from './vif.js';
export type { CoreExports } from './abi/exports.js';
export * as abi from './abi/constants.js';
export { parseConfig } from './config/parse.js';
export { ConfigError, type Problem } from './config/errors.js';
export type { StackConfig, InterfaceConfig, RouteConfig, AddressConfig, NeighbourConfig } from './config/config.js';
export { LocalStack, type LocalStackOptions } from './sockets/local_stack.js';
export type { SocketProvider, StreamSocket, ListenSocket, DatagramSocket, Datagram } from './sockets/endpoints.js';
export { SocketError } from './sockets/error.js';
export {
  directSockets, type DirectSockets, type NameLookup, type TCPServerSocketOptions, type TCPSocketOptions, type UDPSocketOptions,
} from './sockets/streams.js';
export type { TCPSocket, TCPSocketOpenInfo } from './sockets/streams_tcp.js';
export type { TCPServerSocket, TCPServerSocketOpenInfo } from './sockets/streams_server.js';
export type { ReceivedMessage, UDPMessage, UDPSocket, UDPSocketOpenInfo } from './sockets/streams_udp.js';
export { openLocalChannel, type LocalChannel } from './sockets/ring/local_channel.js';
export type { ChannelMemory, ChannelOptions } from './sockets/ring/layout.js';
export { SyncDatagrams, SyncListener, SyncNet, SyncStream, type SyncConnectOptions, type SyncDatagram } from './sockets/ring/sync.js';
export { MemoryVif, type MemorySpec } from '../io-backends/memory/index.js';
export { openPortVif, portCable, type CableEnd } from '../io-backends/port/index.js';
