// Which branches of the core test cases have reached, from the counters of the coverage build (scripts/coverage).
import { readFileSync } from 'node:fs';
import { Coverage } from '../../host/debug/coverage.js';

/** What reads bytes of the network, of programs and of the control plane. */
const INPUT = [
  /^assembly\/link\/(arp|ethernet|neighbour|receive)\.ts$/,
  /^assembly\/network\/(reassemble|redirect)\.ts$/,
  /^assembly\/network\/ipv4\/(forward|icmp|igmp|input)\.ts$/,
  /^assembly\/network\/ipv6\/(dad|forward|icmpv6|input|mld|nd|slaac)\.ts$/,
  /^assembly\/transport\/(filter|tproxy|udp\/input|raw\/\w+)\.ts$/,
  /^assembly\/transport\/tcp\/(ack|challenge|data|defer|error|input|listen|ofo|options|receive|recovery|request|sack|segin|timewait|undo|validate|window)\.ts$/,
  /^assembly\/wire\//,
  /^assembly\/control\//,
  /^assembly\/socket\//,
];
export const isInput = (file: string): boolean => INPUT.some((p) => p.test(file));

const load = <T>(file: string): T => JSON.parse(readFileSync(new URL(`../../../fuzz/${file}`, import.meta.url), 'utf8')) as T;
/** Of test cases: arms only. */
export const caseCoverage = (): Coverage => new Coverage({ arms: load('arms.json'), statements: load('statements.json') });

export function percent([reached, arms]: [number, number]): string { return `${(100 * reached / arms).toFixed(1)} %`; }
