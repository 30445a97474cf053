// The core's clock is an input: nanoseconds, monotonic, written by the host to HDR_NOW before each call.
import { HDR, HDR_NOW, HDR_WALL_OFFSET } from "../abi";

export const US: u64 = 1_000;
export const MS: u64 = 1_000_000;
export const SEC: u64 = 1_000_000_000;

/** Now, ns. */
@inline export function now(): u64 { return load<u64>(HDR + HDR_NOW); }
/** Whether the host has told the time of day. */
@inline export function wallKnown(): bool { return load<u64>(HDR + HDR_WALL_OFFSET) != 0; }
/** Time since 1970, ns: for timestamps given to applications and others only. */
@inline export function wallClock(): u64 { return now() + load<u64>(HDR + HDR_WALL_OFFSET); }
