// Where time enters a stack that is driven by JavaScript: pages, workers, Node. Browser-safe.

/** Monotonic time since the thread's own start, in whole ns. Pages see it in steps: 5 µs when cross-origin isolated, 100 µs otherwise. */
export function monotonicNs(): number { return Math.floor(performance.now() * 1e6); }

/** What to add to monotonicNs() for the time since 1970, ns; exact to 256 ns. */
export function wallOffsetNs(): number { return performance.timeOrigin * 1e6; }
