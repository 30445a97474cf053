// Netlink messages (netlink(7), rtnetlink(7)); host byte order, as the system call interface has it.
//
//   nlmsghdr: 0 len(4)  4 type(2)  6 flags(2)  8 seq(4)  12 pid(4)      nlattr: 0 len(2)  2 type(2)  4 data

export const NLMSG_HDRLEN: u32 = 16;
export const NLA_HDRLEN: u32 = 4;
export const NLMSG_ERROR: u32 = 2;
export const NLMSG_DONE: u32 = 3;
export const NLM_F_REQUEST: u32 = 1;
export const NLM_F_MULTI: u32 = 2;
export const NLM_F_ACK: u32 = 4;
export const NLM_F_ROOT: u32 = 0x100;
export const NLM_F_MATCH: u32 = 0x200;
export const NLM_F_DUMP: u32 = 0x300;
export const NLM_F_REPLACE: u32 = 0x100;
export const NLM_F_EXCL: u32 = 0x200;
export const NLM_F_CREATE: u32 = 0x400;
export const NLM_F_APPEND: u32 = 0x800;

@unmanaged @final export class NlMsg {
  @inline static at(p: usize): NlMsg { return changetype<NlMsg>(p); }
  len: u32;
  type: u16;
  flags: u16;
  seq: u32;
  pid: u32;
}

@inline export function nlAlign(n: u32): u32 { return (n + 3) & ~3; }
