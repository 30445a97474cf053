// The way to a field of a scenario as people write it: `links.0.loss`. Names may have dots themselves: a key that is there is found as
// a whole, and what follows `sysctl` is one name.
import { isMap, isScalar, isSeq, type Document } from 'yaml';

/** The keys to a field, which may be a new one of something that exists; a text says why there is none. */
export function fieldPath(doc: Document, way: string): (string | number)[] | string {
  const parts = way.split('.'), keys: (string | number)[] = [];
  for (let at = 0; at < parts.length;) {
    const inside = keys.length ? doc.getIn(keys, true) : doc.contents;
    let taken = 1;
    if (isSeq(inside)) {
      const i = /^\d+$/.test(parts[at]) ? Number(parts[at]) : NaN;
      if (!(i < inside.items.length)) return `there is no ${keys.join('.')}.${parts[at]}: ${inside.items.length ? `use 0 to ${inside.items.length - 1}` : 'the list is empty'}`;
      keys.push(i);
    } else if (inside === undefined || isMap(inside) || (isScalar(inside) && inside.value === null)) {
      taken = keys.at(-1) === 'sysctl' ? parts.length - at : knownKey(inside, parts.slice(at));
      keys.push(parts.slice(at, at + taken).join('.'));
    } else return `${keys.join('.')} has no fields`;
    at += taken;
  }
  return keys;
}

/** How many parts the longest key takes that is there. */
function knownKey(inside: unknown, parts: readonly string[]): number {
  for (let n = parts.length; n > 1; n--) if (isMap(inside) && inside.has(parts.slice(0, n).join('.'))) return n;
  return 1;
}
