// How the core stops: a bug, never an input, ends here. asc's --use turns assertions into panicAt.
import { hostPanic } from "../host";

/** Report and trap. */
export function panic(message: string): void {
  hostPanic(changetype<usize>(message), 0, 0);
  unreachable();
}

/** AssemblyScript's abort. */
export function panicAt(message: string | null, file: string | null, line: u32, _col: u32): void {
  hostPanic(changetype<usize>(message), changetype<usize>(file), line);
  unreachable();
}
