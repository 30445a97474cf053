// Text for people: counters and lists.
import type { Counters } from './counters.js';

/** What a running stack tells about itself. */
export interface StackStats extends Counters {
  usage: Record<string, number>;
  vifs: ({ name: string } & Record<string, number | string>)[];
}

function section(title: string, rows: [string, number | string][]): string {
  if (!rows.length) return '';
  const width = Math.max(...rows.map(([k]) => k.length));
  return `${title}\n${rows.map(([k, v]) => `  ${k.padEnd(width)}  ${v}\n`).join('')}`;
}

/** Counters that are not 0, by group. */
export function formatStats(s: StackStats): string {
  const vifs = s.vifs.map(({ name, ...counters }) => section(`interface ${name}`, Object.entries(counters).filter(([, n]) => n !== 0)));
  return section('dropped packets', Object.entries(s.drops)) + section('counters', Object.entries(s.mib)) + vifs.join('') + section('in use', Object.entries(s.usage));
}

/** Columns as wide as their widest cell. */
export function formatTable(head: string[], rows: string[][]): string {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  return [head, ...rows].map((r) => `${r.map((c, i) => (i === r.length - 1 ? c : c.padEnd(widths[i]))).join('  ')}\n`).join('');
}
