// The package as Node imports it: stacks for programs, what browsers have too, and the parts of stacks in worker threads.
export * from './browser.js';
export { Stack, type StackOptions } from './node/stack.js';
export type { StackRestart } from './node/engine.js';
export { Server, type ListenOptions, type ServerOptions } from './node/server.js';
export type { SimulatedNode } from './node/simulated/simulated_node.js';
export type { AppMain } from './node/simulated/module_app.js';
export { Socket, type ConnectionOptions, type SocketOptions } from './node/socket.js';
export { Datagrams, type DatagramOptions, type RemoteInfo } from './node/dgram.js';
export { openChannel, type StackChannel } from './node/sync.js';
export { loadConfig } from './config/load.js';
export { StackThread, type StackThreadOptions } from './threads/stack_thread.js';
export { serveStack, type Extension, type StackContext, type StackParts } from './threads/stack_worker.js';
