// The frames of a test case as a capture file.
import { DIRECTION_IN, DIRECTION_OUT, enhancedPacket, interfaceDescription, sectionHeader } from '../../host/debug/pcapng.js';
import { FuzzFailure, type Target } from './target.js';

/** pcapng of a run of `testCase`, up to its end or failure. Time starts in 1970. */
export function capture(target: Target, testCase: Uint8Array, comment: string): Uint8Array {
  const blocks = [sectionHeader([comment], 'nuse fuzz'), interfaceDescription('eth0'), interfaceDescription('eth1')];
  target.onFrame = (vif, out, frame, now) => { blocks.push(enhancedPacket(vif, BigInt(Math.floor(now)), frame, out ? DIRECTION_OUT : DIRECTION_IN)); };
  try {
    target.run(testCase);
  } catch (e) {
    if (!(e instanceof FuzzFailure)) throw e;
  } finally {
    target.onFrame = undefined;
  }
  return Buffer.concat(blocks);
}
