// What the parts of a gateway share.
import type { UserNetwork } from '../config/user_network.js';
import type { PosixNative } from '../posix/native.js';
import type { CoreSockets } from '../sockets/core_sockets.js';
import type { Loop } from '../threads/loop.js';
import type { Resolvers } from './resolvers.js';
import type { Router } from './target.js';

export interface GatewayContext {
  readonly loop: Loop;
  readonly native: PosixNative;
  readonly sockets: CoreSockets;
  readonly router: Router;
  readonly resolvers: Resolvers;
  readonly network: UserNetwork;
  /** The interface towards the stack. */
  readonly device: string;
  readonly ifindex: number;
}
