// Which branches of the core test cases have reached, from the counters of the coverage build (scripts/coverage).
import { readFileSync } from 'node:fs';

export interface Arm {
  file: string;
  line: number;
  column: number;
  kind: string;
  arm: number;
}

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

export class Coverage {
  readonly arms: Arm[];
  private readonly hit: Uint8Array;

  constructor() {
    this.arms = JSON.parse(readFileSync(new URL('../../../fuzz/arms.json', import.meta.url), 'utf8')) as Arm[];
    this.hit = new Uint8Array(this.arms.length);
  }
  /** Add the counters of one run; how many arms it reached first. */
  add(counters: Uint8Array): number {
    let news = 0;
    for (let i = 0; i < this.hit.length; i++) {
      if (!counters[i] || this.hit[i]) continue;
      this.hit[i] = 1;
      news++;
    }
    return news;
  }
  missed(): Arm[] { return this.arms.filter((_, i) => !this.hit[i]); }
  /** Per file: arms, and how many were reached. */
  files(): Map<string, [reached: number, arms: number]> {
    const out = new Map<string, [number, number]>();
    this.arms.forEach((a, i) => {
      const f = out.get(a.file) ?? [0, 0];
      out.set(a.file, [f[0] + this.hit[i], f[1] + 1]);
    });
    return out;
  }
  /** lcov's format, for genhtml. */
  lcov(): string {
    const lines: string[] = [];
    for (const file of this.files().keys()) {
      lines.push(`SF:${file}`);
      this.arms.forEach((a, i) => { if (a.file === file) lines.push(`BRDA:${a.line},${a.column},${a.arm},${this.hit[i] ? 1 : '-'}`); });
      lines.push('end_of_record');
    }
    return `${lines.join('\n')}\n`;
  }
}

export function percent([reached, arms]: [number, number]): string { return `${(100 * reached / arms).toFixed(1)} %`; }
