// What nodes may make resident.
import { CORE_WASM } from '../../host/cli/install.js';

/** Most bytes a node of 16 MiB may make resident: `most`, or all of its memory, which the sanitizer's core fills with poison. */
export const residentLimit = (most: number): number => (/sanitizer/.test(CORE_WASM) ? 18 * 2 ** 20 : most);
