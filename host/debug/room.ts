// Room in a stream's send buffer as sys_tx_reserve has shown it, filled from the front: where recorded bytes go when the pieces of
// this core lie elsewhere than those of the one that recorded.
export class Room {
  private piece = 0;
  private used = 0;

  /** `pairs`: (address, length) of each piece; without them nothing has room. */
  constructor(private readonly u8: Uint8Array, private readonly pairs: Uint32Array = new Uint32Array(0)) {}

  /** As much of it as has room; bytes. */
  put(data: Uint8Array): number {
    let done = 0;
    while (done < data.length && this.piece < this.pairs.length) {
      const at = this.pairs[this.piece] + this.used, n = Math.min(this.pairs[this.piece + 1] - this.used, data.length - done);
      // A room beyond memory is one of a core that is broken: what has none is left out.
      if (at + n > this.u8.length) break;
      this.u8.set(data.subarray(done, done + n), at);
      done += n;
      this.used += n;
      if (this.used < this.pairs[this.piece + 1]) break;
      this.piece += 2;
      this.used = 0;
    }
    return done;
  }
}
