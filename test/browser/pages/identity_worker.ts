// A module worker that tells who its core is.
import { identity } from './identity.js';

postMessage(await identity());
