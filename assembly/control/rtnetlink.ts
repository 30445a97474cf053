// The NETLINK_ROUTE engine (rtnetlink(7)): requests dispatched, dumps, acknowledgements, and the announcements
// that `ip monitor` reads.
import { Errno } from "../abi";
import { Hook, NotifyEvent, hookSet } from "../core/proto";
import { Sock } from "../core/sock";
import { Ifaddr } from "../link/ifaddr";
import { Neighbour } from "../link/neighbour";
import { NetDevice } from "../link/net_device";
import { Route } from "../network/fib";
import { NETLINK_ROUTE, netlinkRegister, netlinkWanted } from "../socket/netlink";
import { NLMSG_HDRLEN, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NlMsg } from "../wire/netlink";
import { RTM_DELADDR, RTM_NEWADDR, delAddress, dumpAddresses, newAddress, putAddress } from "./addr";
import { attributesParse } from "./attributes";
import { RTM_DELLINK, RTM_NEWLINK, dumpLinks, getLink, putLink, setLink } from "./link";
import { RTM_DELNEIGH, RTM_NEWNEIGH, delNeighbour, dumpNeighbours, newNeighbour, putNeighbour } from "./neigh";
import { RTM_DELROUTE, RTM_NEWROUTE, delRoute, dumpRoutes, getRoute, newRoute, putRoute } from "./route";
import { dumpRules } from "./rule";
import { acknowledge, announceTo, answerTo, dumpDone, flush } from "./writer";

const RTM_GETLINK: u32 = 18;
const RTM_SETLINK: u32 = 19;
const RTM_GETADDR: u32 = 22;
const RTM_GETROUTE: u32 = 26;
const RTM_GETNEIGH: u32 = 30;
const RTM_GETRULE: u32 = 34;
// Multicast groups.
const GROUP_LINK: u32 = 1;
const GROUP_NEIGH: u32 = 3;
const GROUP_IPV4_IFADDR: u32 = 5;
const GROUP_IPV4_ROUTE: u32 = 7;
const GROUP_IPV6_IFADDR: u32 = 9;
const GROUP_IPV6_ROUTE: u32 = 11;

export function rtnetlinkInit(): void {
  netlinkRegister(NETLINK_ROUTE, request.index);
  hookSet(Hook.NOTIFY, announce.index);
}

function headerLen(type: u32): u32 {
  switch (type & ~3) {
    case 16: return 16;
    case 20: return 8;
    case 24: case 28: case 32: return 12;
    default: return 0;
  }
}

function request(sk: Sock, m: NlMsg): void {
  const flags = <u32>m.flags, type = <u32>m.type;
  if (!(flags & NLM_F_REQUEST) || type < 16) return; // NOOP, DONE: nothing to answer
  const kind = type & 3;
  const dump = kind == 2 && (flags & NLM_F_DUMP) == NLM_F_DUMP;
  answerTo(sk, m.seq, dump);
  const body = changetype<usize>(m) + NLMSG_HDRLEN;
  const size = m.len - NLMSG_HDRLEN;
  const header = headerLen(type);
  let r: i32;
  if (!header) r = -Errno.EOPNOTSUPP;
  else if (dump) r = dumpOf(type, size ? load<u8>(body) : 0);
  else if (size < header || !attributesParse(body + header, size - header)) r = -Errno.EINVAL;
  else r = one(type, body, flags);
  if (kind != 2) answerTo(sk, m.seq, false); // announcements of the change have used the writer
  if (dump && r == 0) dumpDone();
  else if (r < 0 || flags & NLM_F_ACK) acknowledge(m, r);
  flush();
}

function dumpOf(type: u32, family: u32): i32 {
  switch (type) {
    case RTM_GETLINK: dumpLinks(); return 0;
    case RTM_GETADDR: dumpAddresses(family); return 0;
    case RTM_GETROUTE: dumpRoutes(family); return 0;
    case RTM_GETNEIGH: dumpNeighbours(family); return 0;
    case RTM_GETRULE: dumpRules(family); return 0;
    default: return -Errno.EOPNOTSUPP;
  }
}

function one(type: u32, p: usize, flags: u32): i32 {
  switch (type) {
    case RTM_GETLINK: return getLink(p);
    case RTM_NEWLINK: case RTM_SETLINK: return setLink(p);
    case RTM_NEWADDR: return newAddress(p, flags);
    case RTM_DELADDR: return delAddress(p);
    case RTM_GETROUTE: return getRoute(p);
    case RTM_NEWROUTE: return newRoute(p, flags);
    case RTM_DELROUTE: return delRoute(p);
    case RTM_NEWNEIGH: return newNeighbour(p);
    case RTM_DELNEIGH: return delNeighbour(p);
    default: return -Errno.EOPNOTSUPP;
  }
}

// The hook: something changed.
function announce(event: NotifyEvent, object: usize): void {
  switch (event) {
    case NotifyEvent.LINK_NEW: case NotifyEvent.LINK_CHANGE: case NotifyEvent.LINK_DEL:
      if (open(GROUP_LINK)) {
        putLink(changetype<NetDevice>(object), event == NotifyEvent.LINK_DEL ? RTM_DELLINK : RTM_NEWLINK);
        flush();
      }
      break;
    case NotifyEvent.ADDR_NEW: case NotifyEvent.ADDR_DEL: {
      const a = changetype<Ifaddr>(object);
      if (open(a.isV4 ? GROUP_IPV4_IFADDR : GROUP_IPV6_IFADDR)) {
        putAddress(a, event == NotifyEvent.ADDR_DEL ? RTM_DELADDR : RTM_NEWADDR);
        flush();
      }
      break;
    }
    case NotifyEvent.ROUTE_NEW: case NotifyEvent.ROUTE_DEL: {
      const r = changetype<Route>(object);
      if (open(r.isV4 ? GROUP_IPV4_ROUTE : GROUP_IPV6_ROUTE)) {
        putRoute(r, event == NotifyEvent.ROUTE_DEL ? RTM_DELROUTE : RTM_NEWROUTE);
        flush();
      }
      break;
    }
    default:
      if (open(GROUP_NEIGH)) {
        putNeighbour(changetype<Neighbour>(object), event == NotifyEvent.NEIGH_DEL ? RTM_DELNEIGH : RTM_NEWNEIGH);
        flush();
      }
  }
}

function open(group: u32): bool {
  if (!netlinkWanted(NETLINK_ROUTE, group)) return false;
  announceTo(NETLINK_ROUTE, group);
  return true;
}
