// The bulk transfer in a worker of a page.
import { streamsBulk } from './streams_bulk.js';

onmessage = async ({ data: seconds }: MessageEvent<number>) => {
  postMessage(await streamsBulk(await WebAssembly.compileStreaming(fetch('/nuse/core.wasm')), seconds));
};
