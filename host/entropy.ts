// Where randomness enters a stack that is driven by JavaScript: from the operating system, by Web Crypto. Browser-safe.

/** n random bytes, at most 65536. */
export function randomBytes(n: number): Uint8Array { return crypto.getRandomValues(new Uint8Array(n)); }
