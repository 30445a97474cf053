// A stack's worker with channels, whose core traps when asked to.
import { applyConfig } from '../../host/control/apply.js';
import { attachChannels } from '../../host/threads/channels.js';
import { serveStack } from '../../host/threads/stack_worker.js';

await serveStack({
  openVif: () => { throw new Error('no interfaces'); },
  configure: applyConfig,
  extensions: {
    channels: () => Promise.resolve({ attach: attachChannels }),
    trap: () => Promise.resolve({
      attach: (stack) => {
        stack.handle('trap', () => { throw new WebAssembly.RuntimeError('unreachable'); });
        return {};
      },
    }),
  },
});
