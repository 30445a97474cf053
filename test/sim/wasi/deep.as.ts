// Waits at a depth that is its first argument.
import { sleep } from '../../../sdk/wasi/nuse_socket';

function deep(n: i32, a: i32): i32 {
  if (n === 0) {
    sleep(1);
    return a;
  }
  return deep(n - 1, a + n) + (a & n);
}

console.log(deep(I32.parseInt(process.argv[1]), 1).toString());
