// Compiled in for the sanitizer target only: turns on poisoning, red zones and free-list checks in lib/pool, and looks at
// everything at once when a test asks for it.
import { HDR } from "./abi";
import { arenaCheck } from "./lib/arena";
import { panic } from "./lib/panic";
import { poolCheck, poolCheckLive } from "./lib/pool";
import { timerCheck } from "./core/timer";

// @ts-ignore: decorator
@global const SANITIZE: bool = true;

/** Traps when a red zone or a free slot of any pool was written, a timer of a freed object is armed, or address 0 was written. */
export function sanitize_check(): void {
  arenaCheck();
  poolCheck();
  timerCheck(poolCheckLive);
  for (let p: usize = 0; p < HDR; p += 8) if (load<u64>(p)) panic("written through a null pointer");
}
