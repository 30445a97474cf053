// Quantities as people write them: `10Mbit`, `20ms`, `64kB`. The unit is always written; a figure to compare with may be a plain number.

const NUMBER = '(\\d+(?:\\.\\d+)?)';
const RATE = new RegExp(`^${NUMBER} ?(bit|kbit|Mbit|Gbit)(?:/s)?$`), TIME = new RegExp(`^${NUMBER} ?(ns|us|µs|ms|s|min)$`), SIZE = new RegExp(`^${NUMBER} ?(B|kB|MB|GB|KiB|MiB|GiB)$`);
const RATES: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
const TIMES: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, min: 60e9 };
const SIZES: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

function quantity(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const m = pattern.exec(text);
  return m ? Math.round(Number(m[1]) * units[m[2]]) : undefined;
}
/** bit/s. */
export const parseRate = (text: string): number | undefined => quantity(text, RATE, RATES);
/** ns. */
export const parseDuration = (text: string): number | undefined => quantity(text, TIME, TIMES);
/** Bytes. */
export const parseSize = (text: string): number | undefined => quantity(text, SIZE, SIZES);

/** What a metric is compared with: bit/s, seconds, bytes or a plain number. */
export function parseFigure(text: string): number | undefined {
  const time = parseDuration(text);
  if (time !== undefined) return time / 1e9;
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent) return Number(percent[1]) / 100;
  return parseRate(text) ?? parseSize(text) ?? (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined);
}
