// Windowed maximum by three samples (Kathleen Nichols' algorithm, as in Linux's lib/win_minmax.c): the best of the whole window, the
// best of what came after it, and the best after that. Constant space; exact but for samples that three could not hold.

/** 24 bytes. Times are u32 of any unit, compared by difference. */
@unmanaged @final export class WindowedMax {
  t0: u32; v0: u32;
  t1: u32; v1: u32;
  t2: u32; v2: u32;

  @inline get best(): u32 { return this.v0; }

  reset(t: u32, v: u32): void {
    this.t0 = t; this.v0 = v;
    this.t1 = t; this.v1 = v;
    this.t2 = t; this.v2 = v;
  }

  /** Take in sample `v` of time `t`; what is older than `window` counts no more. */
  add(window: u32, t: u32, v: u32): void {
    if (v >= this.v0 || t - this.t2 > window) {
      this.reset(t, v);
      return;
    }
    if (v >= this.v1) {
      this.t1 = t; this.v1 = v;
      this.t2 = t; this.v2 = v;
    } else if (v >= this.v2) {
      this.t2 = t; this.v2 = v;
    }
    this.age(window, t, v);
  }

  // Let the second and third best take the place of one that has left the window, or find them anew in its later parts.
  private age(window: u32, t: u32, v: u32): void {
    const dt = t - this.t0;
    if (dt > window) {
      this.t0 = this.t1; this.v0 = this.v1;
      this.t1 = this.t2; this.v1 = this.v2;
      this.t2 = t; this.v2 = v;
      if (t - this.t0 <= window) return;
      this.t0 = this.t1; this.v0 = this.v1;
      this.t1 = this.t2; this.v1 = this.v2;
    } else if (this.t1 == this.t0 && dt > window >> 2) {
      this.t1 = t; this.v1 = v;
      this.t2 = t; this.v2 = v;
    } else if (this.t2 == this.t1 && dt > window >> 1) {
      this.t2 = t; this.v2 = v;
    }
  }
}
