// The receive entry: descriptors posted to the host, and the frames that come back in them.
import {
  HDR, HDR_RX_POSTED, RX_DESC, RX_DESC_SIZE, RX_RING, RXD_BUF, RXD_CAP, RXD_CSUM_OFFSET, RXD_CSUM_START, RXD_FLAGS,
  RXD_GSO_SIZE, RXD_GSO_TYPE, RXD_LEN, RXD_VIF, RX_SHARED, Vnet,
} from "../abi";
import { Drop } from "../core/drop";
import { CsumState, Skb, skbAllocRx, skbDrop } from "../core/skb";
import { now } from "../core/time";
import { workerMany } from "../core/worker";
import { ethernetInput } from "./ethernet";
import { netDeviceByVif } from "./net_device";

/** The skb behind each posted descriptor. */
const POSTED: usize = memory.data(64 * 4, 4);
/** Large buffers kept back for the stack itself. */
const RX_RESERVE: u32 = 32;

/** Fill empty descriptors with fresh buffers, keeping the posted ones first. `taken`: how many have just been used, the first ones. */
export function rxPost(taken: u32): void {
  let n: u32 = 0;
  if (load<u32>(HDR, HDR_RX_POSTED) == RX_RING) {
    // All others are in place.
    while (n < min(taken, RX_RING)) {
      const s = skbAllocRx(RX_RESERVE);
      if (!s) break;
      post(n++, s);
    }
    if (n == min(taken, RX_RING)) return;
    n = 0;
  }
  for (let i: u32 = 0; i < RX_RING; i++) {
    const s = load<usize>(POSTED + (<usize>i << 2));
    if (!s) continue;
    if (n != i) {
      store<usize>(POSTED + (<usize>i << 2), 0);
      post(n, changetype<Skb>(s));
    }
    n++;
  }
  while (n < RX_RING) {
    const s = skbAllocRx(RX_RESERVE);
    if (!s) break;
    post(n++, s);
  }
  store<u32>(HDR, n, HDR_RX_POSTED);
}

function post(i: u32, s: Skb): void {
  store<usize>(POSTED + (<usize>i << 2), changetype<usize>(s));
  const d = RX_DESC + i * RX_DESC_SIZE;
  store<u32>(d, <u32>s.data, RXD_BUF);
  store<u32>(d, <u32>(s.end - s.data), RXD_CAP);
}

/** Take the frames of the first `n` descriptors. */
export function rxTake(n: u32): void {
  n = min(n, load<u32>(HDR, HDR_RX_POSTED));
  for (let i: u32 = 0; i < n; i++) {
    const at = POSTED + (<usize>i << 2);
    const skb = changetype<Skb>(load<usize>(at));
    store<usize>(at, 0);
    rxFrame(RX_DESC + i * RX_DESC_SIZE, skb);
  }
}

function rxFrame(d: usize, skb: Skb): void {
  const dev = netDeviceByVif(load<u16>(d, RXD_VIF));
  const len = load<u32>(d, RXD_LEN);
  if (!dev || len > <u32>(skb.end - skb.data)) {
    skbDrop(skb, Drop.HDR_TRUNC);
    return;
  }
  skb.len = len;
  skb.tstamp = now();
  if (workerMany() && load<u8>(d, RXD_FLAGS) & RX_SHARED) skb.shared = 1;
  if (!rxOffload(d, skb)) {
    dev.rxErrors++;
    skbDrop(skb, Drop.CHECKSUM_START);
    return;
  }
  ethernetInput(dev, skb);
}

// virtio-net header semantics (virtio 1.2, 5.1.6.4). Everything is checked: the header is as hostile as the frame.
function rxOffload(d: usize, skb: Skb): bool {
  const flags = load<u8>(d, RXD_FLAGS);
  if (flags & Vnet.F_NEEDS_CSUM) {
    const start = <u32>load<u16>(d, RXD_CSUM_START), offset = <u32>load<u16>(d, RXD_CSUM_OFFSET);
    if (start + offset + 2 > skb.len) return false;
    skb.csum = CsumState.PARTIAL;
    skb.csumStart = skb.data + start;
    skb.csumOffset = <u16>offset;
  } else if (flags & Vnet.F_DATA_VALID) skb.csum = CsumState.UNNECESSARY;
  const type = <u32>load<u8>(d, RXD_GSO_TYPE) & ~Vnet.GSO_ECN;
  if (type == Vnet.GSO_NONE) return true;
  const size = <u32>load<u16>(d, RXD_GSO_SIZE);
  if (!size || (type != Vnet.GSO_TCPV4 && type != Vnet.GSO_TCPV6 && type != Vnet.GSO_UDP_L4)) return false;
  if (skb.csum != CsumState.PARTIAL) return false; // segmentation needs the transport header's place
  skb.gsoType = <u8>type;
  skb.gsoSize = <u16>size;
  const hlen = <u32>(skb.csumStart - skb.data);
  skb.gsoSegs = <u16>max<u32>(1, (skb.len - hlen + size - 1) / size);
  return true;
}
