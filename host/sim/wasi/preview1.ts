// wasi_snapshot_preview1 on a simulated node: the clock is the run's, random numbers are a stream of the application, files there are none.
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
import { Errno, Poll } from '../../abi/constants.js';
import { START, WALL_START } from '../node.js';
import type { Attempt } from './coroutine.js';
import { FILETYPE_CHARACTER, type Descriptor } from './descriptor.js';
import { ESPIPE, wasiErrno } from './errno.js';
import { CallError } from './guest_memory.js';
import type { Calls, WasiProcess } from './process.js';

const CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_THREAD_CPUTIME = 3;
const FDFLAG_NONBLOCK = 4;
const ALL_RIGHTS = 0x1fffffffn;
/** A subscription and an event of poll_oneoff, bytes, and their types. */
const SUBSCRIPTION = 48, EVENT = 32, ON_CLOCK = 0, ON_READ = 1, ON_WRITE = 2, ABSOLUTE = 1;
const HANGUP = 1;
/** Subscriptions of one call. */
const SUBSCRIPTIONS_MAX = 4096;
/** What a random byte costs, in turns of loops. */
const RANDOM_FUEL = 4;

const utf8 = new TextEncoder();

/** ns of a clock; processor time does not pass. */
function clock(p: WasiProcess, id: number): bigint {
  if (id === CLOCK_REALTIME) return WALL_START + BigInt(p.now);
  if (id === CLOCK_MONOTONIC) return BigInt(START + p.now);
  if (id > CLOCK_THREAD_CPUTIME) throw new CallError(Errno.EINVAL);
  return 0n;
}

export function preview1(p: WasiProcess): Calls {
  const { memory: m } = p;
  return {
    direct: {
      ...strings('args', p, p.options.args),
      ...strings('environ', p, Object.entries(p.options.env).map(([k, v]) => `${k}=${v}`)),
      clock_res_get: (id: number, out: number) => {
        clock(p, id);
        m.putU64(out, 1n);
        return 0;
      },
      clock_time_get: (id: number, _precision: bigint, out: number) => {
        m.putU64(out, clock(p, id));
        return 0;
      },
      random_get: (at: number, length: number) => {
        const bytes = m.bytes(at, length);
        p.spend(bytes.length * RANDOM_FUEL);
        for (let i = 0; i < bytes.length; i++) bytes[i] = p.random.u32() >>> 24;
        return 0;
      },
      proc_exit: (status: number) => p.exit(status),
      sched_yield: () => 0,
      ...descriptors(p),
    },
    waiting: {
      fd_read: (fd: number, iovecs: number, count: number, out: number) => counted(p, out, p.descriptor(fd).read(m.vectors(iovecs, count))),
      fd_write: (fd: number, iovecs: number, count: number, out: number) => counted(p, out, p.descriptor(fd).write(m.vectors(iovecs, count))),
      poll_oneoff: (subscriptions: number, events: number, count: number, out: number) => pollOneoff(p, subscriptions, events, count, out),
    },
  };
}

/** A count of bytes goes to `out`. */
function counted(p: WasiProcess, out: number, attempt: Attempt): Attempt {
  return () => {
    const r = attempt();
    if (r === undefined || r < 0) return r;
    p.memory.putU32(out, r);
    return 0;
  };
}

/** args_get and args_sizes_get, or those of the environment. */
function strings(name: string, { memory: m }: WasiProcess, values: readonly string[]): Calls['direct'] {
  const bytes = values.map((v) => utf8.encode(`${v}\0`));
  return {
    [`${name}_sizes_get`]: (count: number, size: number) => {
      m.putU32(count, bytes.length);
      m.putU32(size, bytes.reduce((n, b) => n + b.length, 0));
      return 0;
    },
    [`${name}_get`]: (pointers: number, buffer: number) => {
      for (const [i, b] of bytes.entries()) {
        m.putU32(pointers + 4 * i, buffer);
        m.put(buffer, b);
        buffer += b.length;
      }
      return 0;
    },
  };
}

function descriptors(p: WasiProcess): Calls['direct'] {
  const { memory: m } = p;
  return {
    fd_close: (fd: number) => p.close(fd),
    fd_seek: (fd: number) => {
      p.descriptor(fd);
      return -ESPIPE;
    },
    fd_fdstat_get: (fd: number, out: number) => {
      const d = p.descriptor(fd);
      m.bytes(out, 24).fill(0);
      m.putU8(out, d.filetype);
      m.putU16(out + 2, d.nonblocking ? FDFLAG_NONBLOCK : 0);
      // Without the rights to seek and tell, libc takes a character device for a terminal, and writes line by line.
      m.putU64(out + 8, d.filetype === FILETYPE_CHARACTER ? ALL_RIGHTS & ~0x24n : ALL_RIGHTS);
      return 0;
    },
    fd_fdstat_set_flags: (fd: number, flags: number) => {
      p.descriptor(fd).nonblocking = (flags & FDFLAG_NONBLOCK) !== 0;
      return 0;
    },
    fd_filestat_get: (fd: number, out: number) => {
      const d = p.descriptor(fd);
      m.bytes(out, 64).fill(0);
      m.putU8(out + 16, d.filetype);
      return 0;
    },
    // Nothing is open in advance.
    fd_prestat_get: () => -Errno.EBADF,
    fd_prestat_dir_name: () => -Errno.EBADF,
  };
}

interface Subscription {
  /** When it is due, ns of the run; of a clock. */
  at?: number;
  descriptor?: Descriptor;
  /** Poll bits that are waited for. */
  wanted: number;
  errno: number;
  type: number;
}

function subscription(p: WasiProcess, at: number): Subscription {
  const { memory: m } = p, type = m.bytes(at + 8, 1)[0];
  if (type === ON_CLOCK) {
    const id = m.u32(at + 16), timeout = m.u64(at + 24);
    const left = m.u16(at + 40) & ABSOLUTE ? timeout - clock(p, id) : timeout;
    return { at: p.now + Math.max(0, Number(left)), wanted: 0, errno: 0, type };
  }
  if (type !== ON_READ && type !== ON_WRITE) throw new CallError(Errno.EINVAL);
  try {
    return { descriptor: p.descriptor(m.u32(at + 16)), wanted: type === ON_READ ? Poll.IN | Poll.RDHUP : Poll.OUT, errno: 0, type };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return { wanted: 0, errno: wasiErrno(error.errno), type };
  }
}

function pollOneoff(p: WasiProcess, subscriptions: number, events: number, count: number, out: number): Attempt {
  const { memory: m } = p;
  count >>>= 0;
  if (count === 0 || count > SUBSCRIPTIONS_MAX) throw new CallError(Errno.EINVAL);
  const all = Array.from({ length: count }, (_, i) => subscription(p, subscriptions + SUBSCRIPTION * i));
  const deadline = Math.min(...all.map((s) => s.at ?? Infinity));
  return () => {
    let n = 0;
    for (const [i, s] of all.entries()) {
      const ready = s.descriptor?.poll() ?? 0;
      if (!(s.errno || (s.at !== undefined && s.at <= p.now) || ready & (s.wanted | Poll.ERR | Poll.HUP))) continue;
      const at = events + EVENT * n++;
      m.bytes(at, EVENT).fill(0);
      m.put(at, m.bytes(subscriptions + SUBSCRIPTION * i, 8));
      m.putU16(at + 8, s.errno);
      m.putU8(at + 10, s.type);
      m.putU64(at + 16, ready ? 1n : 0n);
      m.putU16(at + 24, ready & Poll.HUP ? HANGUP : 0);
    }
    m.putU32(out, n);
    if (n) return 0;
    if (deadline < Infinity) p.wakeAt(deadline);
    return undefined;
  };
}
