/** Promises that the driver watches. */
export const enum Broken {
  NONE,
  /** A transmit descriptor's pieces are not as long as it says. */
  DESCRIPTOR,
  /** A bad checksum or length in a frame from our own address. */
  CHECKSUM,
  /** Counters of a connection that contradict each other. */
  TCP_COUNTERS,
  /** A pool is not empty at the end: Usage, slots. */
  LEAK,
  /** A call answered neither a value nor an errno. */
  RESULT,
}
