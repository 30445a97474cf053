// Compiled in for the sanitizer target only: turns on poisoning, red zones and free-list checks in lib/pool.
// @ts-ignore: decorator
@global const SANITIZE: bool = true;
