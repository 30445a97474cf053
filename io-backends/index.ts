// Every back end that a configuration can name.
import { localMac, type NativeVifs, type Vif, type VifSpec } from '../host/vif.js';
import { openNativeVif } from './native/vif.js';

/** Open a vif. `random`: 6 bytes, for the address of one that is given none. Throws an Error with `code`. */
export function openVif(native: NativeVifs, memory: number, spec: VifSpec, random: Uint8Array): Vif {
  switch (spec.type) {
    case 'TAP': case 'RAW': case 'PIPE': return openNativeVif(native, memory, spec, localMac(random));
    default: throw Object.assign(new Error(`interface ${String((spec as VifSpec).name)}: unknown viftype ${String((spec as VifSpec).type)}`), { code: 'EINVAL' });
  }
}
