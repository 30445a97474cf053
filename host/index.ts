// The package as Node imports it: what browsers have, and stacks in worker threads.
export * from './browser.js';
export { loadConfig } from './config/load.js';
export { StackThread, type StackThreadOptions } from './threads/stack_thread.js';
export { serveStack, type Extension, type StackContext, type StackParts } from './threads/stack_worker.js';
