// Options of the command line that concern a stack's USER interface.
import { readFileSync } from 'node:fs';
import type { StackConfig } from '../config/config.js';
import { parseEgress } from '../config/egress.js';
import { parsePublish } from '../config/publish.js';
import { parseResolvConf } from '../gateway/resolvers.js';
import { CliError } from './fail.js';

export interface UserOptions {
  publish?: string[];
  egress?: string[];
  hostLoopback?: boolean;
}

function parsed<T extends object>(option: string, texts: readonly string[] | undefined, parse: (text: string) => T | string, sample: string): T[] {
  return (texts ?? []).map((text) => {
    const item = parse(text);
    if (typeof item === 'string') throw new CliError(`${option}: ${item}`, `write: ${option} ${sample}`);
    return item;
  });
}

/** Put the options into the configuration. What the command line says of egress comes before what the file says. */
export function userOptions(config: StackConfig, options: UserOptions): void {
  const itf = config.interfaces.find((i) => i.type === 'USER');
  const publish = parsed('--publish', options.publish, parsePublish, '8080:80/tcp');
  const egress = parsed('--egress', options.egress, parseEgress, "'deny 10.0.0.0/8'");
  if (itf) {
    itf.publish = [...(itf.publish ?? []), ...publish];
    itf.egress = [...egress, ...(itf.egress ?? [])];
    itf.hostLoopback ||= options.hostLoopback;
    if (!config.dns.search.length) config.dns.search = hostSearch();
  } else if (publish.length || egress.length || options.hostLoopback)
    throw new CliError('--publish, --egress and --host-loopback are for a USER interface, and the configuration has none', 'add `viftype USER` to an interface, or give no configuration');
}

/** The domains that the host tries for short names. */
function hostSearch(): string[] {
  try {
    return parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8')).search;
  } catch (e) {
    if (['ENOENT', 'EACCES'].includes((e as NodeJS.ErrnoException).code ?? '')) return [];
    throw e;
  }
}

/** The options again, for another process of this command. */
export function userArguments(options: UserOptions): string[] {
  return [...(options.publish ?? []).flatMap((p) => ['--publish', p]), ...(options.egress ?? []).flatMap((e) => ['--egress', e]), ...(options.hostLoopback ? ['--host-loopback'] : [])];
}
