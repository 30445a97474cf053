// Where the headers of node are, without a download.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The prefix whose include/node holds node_api.h: beside the running node, or Debian's libnode-dev; undefined when there is none. */
export function nodeDir() {
  const candidates = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), '/usr', '/usr/local'];
  return candidates.find((d) => d && existsSync(join(d, 'include/node/node_api.h')));
}
