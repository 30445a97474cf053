// One of several cores behind one set of addresses (`workers N` of nuse.conf): which of them a flow is for. The host steers frames by
// the same rule (io-backends/steer/steer.c), so nothing is shared but it:
//   TCP: a multilinear hash of addresses and ports, strongly universal under a secret key (D. Lemire, O. Kaser, "Strongly universal
//        string hashing is fast", 2014, section 2): (k0 + k1 w1 + k2 w2 ... mod 2^64) >> 32, over words in host order;
//   UDP, UDP-Lite: the local port, modulo the number of workers, for its socket takes datagrams of all peers;
//   everything else comes to all of them ("shared" frames): all learn from it, worker 0 answers.
import { WORKERS_MAX, WORKER_KEY_SIZE } from "../abi";
import { Skb } from "./skb";

/** Keys of the hash: k0, one for each word of the addresses, one for the ports; u64 each. */
const KEY: usize = memory.data(80, 8);

@unmanaged @final class Worker {
  index: u32;
  /** 0: the only one. */
  count: u32;
}
const W = changetype<Worker>(memory.data(offsetof<Worker>(), 4));

/** Be worker `index` of `count`; `key`: WORKER_KEY_SIZE bytes, u64 little-endian. False when out of range. */
export function workerSet(index: u32, count: u32, key: usize): bool {
  if (!count || count > WORKERS_MAX || index >= count) return false;
  W.index = index;
  W.count = count > 1 ? count : 0;
  memory.copy(KEY, key, WORKER_KEY_SIZE);
  return true;
}

/** Whether there are others. */
@inline export function workerMany(): bool { return W.count != 0; }

/** An answer to this packet, if there is any, is worker 0's. */
@inline export function workerSilent(skb: Skb): bool { return skb.shared != 0 && W.index != 0; }

@inline function term(i: u32, word: u32): u64 { return load<u64>(KEY + (<usize>i << 3)) * <u64>word; }

/**
 * Whether a TCP flow is this worker's. `src`, `dst`: address words in network order, of the remote and the local end, 1 (IPv4) or 4
 * (IPv6) each; `ports`: remote << 16 | local.
 */
export function workerOwnsFlow(src: usize, dst: usize, words: u32, ports: u32): bool {
  if (!W.count) return true;
  let h = load<u64>(KEY);
  for (let i: u32 = 0; i < words; i++) {
    h += term(1 + i, bswap<u32>(load<u32>(src + (<usize>i << 2))));
    h += term(1 + words + i, bswap<u32>(load<u32>(dst + (<usize>i << 2))));
  }
  h += term(1 + 2 * words, ports);
  return <u32>(((h >> 32) * <u64>W.count) >> 32) == W.index;
}

/** Whether a local port of UDP is this worker's. */
export function workerOwnsPort(port: u32): bool { return !W.count || port % W.count == W.index; }
