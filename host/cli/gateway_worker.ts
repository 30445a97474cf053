// Entry of the thread of a USER interface's gateway.
import { serveGateway } from '../gateway/gateway_thread.js';
import { localMac } from '../vif.js';
import { openNativeVif } from '../../io-backends/native/vif.js';

await serveGateway((native, memory, spec, random) => openNativeVif(native, memory, spec, localMac(random)));
