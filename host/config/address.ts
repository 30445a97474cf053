// Internet and MAC addresses in text (RFC 4291 2.2, RFC 5952; IPv4 as four decimal numbers). Browser-safe.

/** Four bytes, or null: exactly four decimal numbers 0-255 without leading zeros. */
export function parseIpv4(text: string): Uint8Array | null {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!m) return null;
  const out = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const n = Number(m[i + 1]);
    if (n > 255 || (m[i + 1].length > 1 && m[i + 1][0] === '0')) return null;
    out[i] = n;
  }
  return out;
}

/** The 16-bit groups of one side of `::`, or null. */
function groups(text: string): number[] | null {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    if (i === parts.length - 1 && parts[i].includes('.')) {
      const v4 = parseIpv4(parts[i]);
      if (!v4) return null;
      out.push((v4[0] << 8) | v4[1], (v4[2] << 8) | v4[3]);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(parts[i])) return null;
      out.push(parseInt(parts[i], 16));
    }
  }
  return out;
}

/** Sixteen bytes, or null. No zone. */
export function parseIpv6(text: string): Uint8Array | null {
  if (text.length > 45) return null;
  const sides = text.split('::');
  if (sides.length > 2) return null;
  const head = groups(sides[0]), tail = sides.length === 2 ? groups(sides[1]) : [];
  if (!head || !tail) return null;
  const n = head.length + tail.length;
  if (sides.length === 2 ? n > 7 : n !== 8) return null;
  if (sides.length === 2 && sides[0].includes('.')) return null;
  const out = new Uint8Array(16);
  const put = (at: number, g: number) => { out[at * 2] = g >>> 8; out[at * 2 + 1] = g & 255; };
  head.forEach((g, i) => put(i, g));
  tail.forEach((g, i) => put(8 - tail.length + i, g));
  return out;
}

/** 4 or 16 bytes, or null. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The canonical text of 4 or 16 bytes (RFC 5952). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const g = Array.from({ length: 8 }, (_, i) => (bytes[i * 2] << 8) | bytes[i * 2 + 1]);
  if (g.slice(0, 5).every((x) => x === 0) && g[5] === 0xffff) return `::ffff:${bytes.subarray(12).join('.')}`;
  let best = -1, length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && g[i + n] === 0) n++;
    if (n > length) { best = i; length = n; }
  }
  const hex = (from: number, to: number) => g.slice(from, to).map((x) => x.toString(16)).join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + length, 8)}`;
}

/** Do the first `bits` bits agree? Different families never do. */
export function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < bits; i++) if (((a[i >> 3] ^ b[i >> 3]) >> (7 - (i & 7))) & 1) return false;
  return true;
}

/** The address with all bits after the first `bits` zero. */
export function networkOf(a: Uint8Array, bits: number): Uint8Array {
  return a.map((x, i) => x & (0xff00 >> Math.max(0, Math.min(8, bits - i * 8))) & 255);
}

/** Prefix length of a netmask of four bytes, or null when a one follows a zero. */
export function maskBits(mask: Uint8Array): number | null {
  const n = ((mask[0] << 24) | (mask[1] << 16) | (mask[2] << 8) | mask[3]) >>> 0;
  const inverted = ~n >>> 0;
  return (inverted & (inverted + 1)) === 0 ? 32 - Math.ceil(Math.log2(inverted + 1)) : null;
}

/** Six bytes of `xx:xx:xx:xx:xx:xx` (or with dashes; one or two digits each), or null. */
export function parseMac(text: string): Uint8Array | null {
  const parts = text.split(/[:-]/);
  if (parts.length !== 6 || !parts.every((p) => /^[0-9a-fA-F]{1,2}$/.test(p))) return null;
  return Uint8Array.from(parts, (p) => parseInt(p, 16));
}

/** `xx:xx:xx:xx:xx:xx` */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (x) => x.toString(16).padStart(2, '0')).join(':');
}

export const isLinkLocal6 = (a: Uint8Array): boolean => a.length === 16 && a[0] === 0xfe && (a[1] & 0xc0) === 0x80;
export const isMulticast = (a: Uint8Array): boolean => (a.length === 4 ? (a[0] & 0xf0) === 0xe0 : a[0] === 0xff);
export const isUnspecified = (a: Uint8Array): boolean => a.every((x) => x === 0);
export const isLoopback = (a: Uint8Array): boolean => (a.length === 4 ? a[0] === 127 : a[15] === 1 && a.subarray(0, 15).every((x) => x === 0));
