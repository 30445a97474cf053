// What figures are measured in, which their names tell: the last part of `APP.goodput`, `LINK.reverse.queue.p95`; columns of tables have `_` for the dots.
const RATE = /[._]goodput$/, DURATION = /[._](delay|queue)[._](mean|p\d+|max)$/, SECONDS = /[._]time$/, BYTES = /[._]bytes$/;

/** The unit in which a figure is plotted, and what to multiply it with. */
export function unitOf(name: string): { unit: string; scale: number } {
  if (RATE.test(name)) return { unit: 'Mbit/s', scale: 1e-6 };
  if (DURATION.test(name)) return { unit: 'ms', scale: 1e3 };
  if (SECONDS.test(name)) return { unit: 's', scale: 1 };
  return { unit: BYTES.test(name) ? 'bytes' : '', scale: 1 };
}

/** A figure with its unit, for people. */
export function figure(name: string, value: number): string {
  const { unit, scale } = unitOf(name);
  if (unit === 'Mbit/s' && value < 1e6) return `${(value / 1e3).toFixed(3)} kbit/s`;
  if (unit && unit !== 'bytes') return `${(value * scale).toFixed(3)} ${unit}`;
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}
