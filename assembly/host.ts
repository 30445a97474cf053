// Every import of the core, and nothing else (besides its memory).

/** Report a failed assertion before the trap. `message`, `file`: UTF-16 strings in memory, or 0. */
@external("host", "panic")
export declare function hostPanic(message: usize, file: usize, line: u32): void;

/** A diagnostic line for the log; `text` is `len` bytes of ASCII. Never called on the packet path. */
@external("host", "log")
export declare function hostLog(level: u32, text: usize, len: u32): void;
