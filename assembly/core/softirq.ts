// Bottom halves: work put off until the current input has been dealt with, run in rounds at the end of every
// poll and system call. A round is bounded, so a loop of packets between local sockets cannot starve the host.

export const enum Softirq { LOOPBACK, TCP_TASKLET, NETLINK, PMTU, COUNT }

@unmanaged @final class State {
  pending: u32;
  running: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 4));
const FN: usize = memory.data(16 * 4, 4);
const MAX_ROUNDS: u32 = 10;

export function softirqRegister(s: Softirq, fn: u32): void { store<u32>(FN + (<usize>s << 2), fn); }
@inline export function softirqRaise(s: Softirq): void { S.pending |= 1 << s; }

/** Run what was raised; true when some is left for the next poll (which must then not sleep). */
export function softirqRun(): bool {
  if (S.running) return S.pending != 0;
  S.running = 1;
  for (let round: u32 = 0; S.pending && round < MAX_ROUNDS; round++) {
    const todo = S.pending;
    S.pending = 0;
    for (let i = 0; i < Softirq.COUNT; i++) if (todo & (1 << i)) call_indirect<void>(load<u32>(FN + (<usize>i << 2)));
  }
  S.running = 0;
  return S.pending != 0;
}
