// Entry of a stack's worker thread: the parts that make a stack of the command line, put together.
import { applyConfig } from '../control/apply.js';
import { attachChannels } from '../threads/channels.js';
import { serveStack } from '../threads/stack_worker.js';
import { localMac } from '../vif.js';
import { openNativeVif } from '../../io-backends/native/vif.js';
import { relayed } from '../../io-backends/workers/relay.js';
import { attachCounters } from './counters.js';
import { attachDhcp } from './dhcp.js';
import { attachPrograms } from './programs.js';

await serveStack({
  openVif: (native, memory, spec, random) => {
    const vif = openNativeVif(native, memory, spec, localMac(random));
    return spec.relay ? relayed(vif, spec.relay, (bell) => native.eventfdSignal(bell)) : vif;
  },
  configure: applyConfig,
  extensions: {
    programs: () => Promise.resolve({ attach: attachPrograms }),
    channels: () => Promise.resolve({ attach: attachChannels }),
    counters: () => Promise.resolve({ attach: attachCounters }),
    dhcp: () => Promise.resolve({ attach: attachDhcp }),
  },
});
