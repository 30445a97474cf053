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
