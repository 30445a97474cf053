// The socket layer's start: every transport's tables for `sockets` sockets.
import { filterInit } from "../transport/filter";
import { membershipInit } from "../transport/membership";
import { pingInit } from "../transport/raw/ping";
import { rawInit } from "../transport/raw/raw";
import { tcpInit } from "../transport/tcp/api";
import { udpInit } from "../transport/udp/udp";

export function socketInit(sockets: u32): void {
  filterInit();
  membershipInit();
  udpInit(sockets);
  tcpInit(sockets);
  rawInit();
  pingInit();
}
