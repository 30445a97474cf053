// RTM_GETRULE: the policy Linux starts with, which is the only one here: our own addresses, then the one table.
//
//   fib_rule_hdr: 0 family  1 dst_len  2 src_len  3 tos  4 table  7 action  8 flags(4)
import { AF_INET, AF_INET6 } from "../core/sock";
import { attrU32, attrU8, begin, end } from "./writer";

const RTM_NEWRULE: u32 = 32;
const FRA_PRIORITY: u32 = 6;
const FRA_SUPPRESS_PREFIXLEN: u32 = 14;
const FRA_TABLE: u32 = 15;
const FRA_PROTOCOL: u32 = 21;
const FR_ACT_TO_TBL: u8 = 1;
const RTPROT_KERNEL: u32 = 2;
const TABLE_DEFAULT: u32 = 253;
const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;

function putRule(family: u32, table: u32, priority: u32): void {
  const p = begin(RTM_NEWRULE, 12);
  store<u8>(p, family);
  store<u8>(p, table, 4);
  store<u8>(p, FR_ACT_TO_TBL, 7);
  attrU32(FRA_TABLE, table);
  attrU32(FRA_SUPPRESS_PREFIXLEN, u32.MAX_VALUE);
  attrU8(FRA_PROTOCOL, RTPROT_KERNEL);
  if (priority) attrU32(FRA_PRIORITY, priority);
  end();
}

/** Dump the rules of `family` (0 = both). */
export function dumpRules(family: u32): void {
  if (!family || family == AF_INET) {
    putRule(AF_INET, TABLE_LOCAL, 0);
    putRule(AF_INET, TABLE_MAIN, 32766);
    putRule(AF_INET, TABLE_DEFAULT, 32767);
  }
  if (!family || family == AF_INET6) {
    putRule(AF_INET6, TABLE_LOCAL, 0);
    putRule(AF_INET6, TABLE_MAIN, 32766);
  }
}
