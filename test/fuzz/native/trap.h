/* Declares what wasm2c's runtime calls instead of unwinding. */
#include "wasm-rt.h"
void wasm_trapped(wasm_rt_trap_t code);
