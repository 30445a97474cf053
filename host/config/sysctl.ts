// The dotted names of the stack's sysctls, with the range of each and its place in the core's table.
import { Sysctl } from '../abi/constants.js';

export interface SysctlEntry {
  /** Keys of the core's table, one for each word of the value. */
  keys: readonly number[];
  min: number;
  max: number;
  /** Words accepted in place of numbers. */
  words?: Readonly<Record<string, number>>;
  /** Keys of 128 bits as Linux writes them, one or two with a comma between. */
  secret?: true;
}

const U32 = 0xffffffff, I31 = 0x7fffffff;
const one = (key: number, min: number, max: number): SysctlEntry => ({ keys: [key], min, max });
const flag = (key: number): SysctlEntry => one(key, 0, 1);
const bytes = (key: number): SysctlEntry => one(key, 256, I31);

export const SYSCTLS: Readonly<Record<string, SysctlEntry>> = {
  'net.ipv4.ip_forward': flag(Sysctl.IP_FORWARD),
  'net.ipv6.conf.all.forwarding': flag(Sysctl.IP6_FORWARD),
  'net.ipv4.ip_default_ttl': one(Sysctl.IP_DEFAULT_TTL, 1, 255),
  'net.ipv6.conf.all.hop_limit': one(Sysctl.IP6_HOP_LIMIT, 1, 255),
  'net.ipv4.ip_no_pmtu_disc': one(Sysctl.IP_NO_PMTU_DISC, 0, 3),
  'net.ipv4.ip_local_port_range': { keys: [Sysctl.IP_LOCAL_PORT_MIN, Sysctl.IP_LOCAL_PORT_MAX], min: 1, max: 65535 },
  'net.ipv4.ip_unprivileged_port_start': one(Sysctl.IP_UNPRIVILEGED_PORT_START, 0, 65536),
  'net.ipv4.ping_group_range': { keys: [Sysctl.PING_GROUP_MIN, Sysctl.PING_GROUP_MAX], min: 0, max: I31 },
  'net.ipv4.icmp_echo_ignore_all': flag(Sysctl.ICMP_ECHO_IGNORE_ALL),
  'net.ipv4.icmp_echo_ignore_broadcasts': flag(Sysctl.ICMP_ECHO_IGNORE_BROADCASTS),
  'net.ipv4.icmp_ratelimit': one(Sysctl.ICMP_RATELIMIT, 0, I31),
  'net.ipv4.icmp_msgs_per_sec': one(Sysctl.ICMP_MSGS_PER_SEC, 0, I31),
  'net.ipv4.icmp_msgs_burst': one(Sysctl.ICMP_MSGS_BURST, 0, I31),
  'net.ipv6.icmp.ratelimit': one(Sysctl.ICMP6_RATELIMIT, 0, I31),
  'net.ipv4.ipfrag_high_thresh': one(Sysctl.IPFRAG_HIGH_THRESH, 0, I31),
  'net.ipv4.ipfrag_time': one(Sysctl.IPFRAG_TIME, 1, 3600),
  'net.ipv6.ip6frag_high_thresh': one(Sysctl.IP6FRAG_HIGH_THRESH, 0, I31),
  'net.ipv6.ip6frag_time': one(Sysctl.IP6FRAG_TIME, 1, 3600),
  'net.ipv4.conf.all.rp_filter': one(Sysctl.RP_FILTER, 0, 2),
  'net.ipv4.igmp_max_memberships': one(Sysctl.IGMP_MAX_MEMBERSHIPS, 0, 65535),
  'net.core.rmem_default': bytes(Sysctl.CORE_RMEM_DEFAULT),
  'net.core.rmem_max': bytes(Sysctl.CORE_RMEM_MAX),
  'net.core.wmem_default': bytes(Sysctl.CORE_WMEM_DEFAULT),
  'net.core.wmem_max': bytes(Sysctl.CORE_WMEM_MAX),
  'net.core.somaxconn': one(Sysctl.CORE_SOMAXCONN, 1, 65535),
  'net.ipv4.tcp_rmem': { keys: [Sysctl.TCP_RMEM_MIN, Sysctl.TCP_RMEM_DEFAULT, Sysctl.TCP_RMEM_MAX], min: 1, max: I31 },
  'net.ipv4.tcp_wmem': { keys: [Sysctl.TCP_WMEM_MIN, Sysctl.TCP_WMEM_DEFAULT, Sysctl.TCP_WMEM_MAX], min: 1, max: I31 },
  'net.ipv4.tcp_timestamps': one(Sysctl.TCP_TIMESTAMPS, 0, 2),
  'net.ipv4.tcp_sack': flag(Sysctl.TCP_SACK),
  'net.ipv4.tcp_dsack': flag(Sysctl.TCP_DSACK),
  'net.ipv4.tcp_window_scaling': flag(Sysctl.TCP_WINDOW_SCALING),
  'net.ipv4.tcp_ecn': one(Sysctl.TCP_ECN, 0, 5),
  'net.ipv4.tcp_ecn_option': one(Sysctl.TCP_ECN_OPTION, 0, 2),
  'net.ipv4.tcp_ecn_option_beacon': one(Sysctl.TCP_ECN_OPTION_BEACON, 0, 63),
  'net.ipv4.tcp_syncookies': one(Sysctl.TCP_SYNCOOKIES, 0, 2),
  'net.ipv4.tcp_max_syn_backlog': one(Sysctl.TCP_MAX_SYN_BACKLOG, 1, 65535),
  'net.ipv4.tcp_syn_retries': one(Sysctl.TCP_SYN_RETRIES, 1, 127),
  'net.ipv4.tcp_synack_retries': one(Sysctl.TCP_SYNACK_RETRIES, 0, 255),
  'net.ipv4.tcp_retries1': one(Sysctl.TCP_RETRIES1, 0, 255),
  'net.ipv4.tcp_retries2': one(Sysctl.TCP_RETRIES2, 0, 255),
  'net.ipv4.tcp_orphan_retries': one(Sysctl.TCP_ORPHAN_RETRIES, 0, 255),
  'net.ipv4.tcp_fin_timeout': one(Sysctl.TCP_FIN_TIMEOUT, 1, 3600),
  'net.ipv4.tcp_keepalive_time': one(Sysctl.TCP_KEEPALIVE_TIME, 1, 32767),
  'net.ipv4.tcp_keepalive_intvl': one(Sysctl.TCP_KEEPALIVE_INTVL, 1, 32767),
  'net.ipv4.tcp_keepalive_probes': one(Sysctl.TCP_KEEPALIVE_PROBES, 1, 127),
  'net.ipv4.tcp_tw_reuse': one(Sysctl.TCP_TW_REUSE, 0, 2),
  'net.ipv4.tcp_max_tw_buckets': one(Sysctl.TCP_MAX_TW_BUCKETS, 0, I31),
  'net.ipv4.tcp_moderate_rcvbuf': flag(Sysctl.TCP_MODERATE_RCVBUF),
  'net.ipv4.tcp_mtu_probing': one(Sysctl.TCP_MTU_PROBING, 0, 2),
  'net.ipv4.tcp_base_mss': one(Sysctl.TCP_BASE_MSS, 48, 65535),
  'net.ipv4.tcp_abort_on_overflow': flag(Sysctl.TCP_ABORT_ON_OVERFLOW),
  'net.ipv4.tcp_slow_start_after_idle': flag(Sysctl.TCP_SLOW_START_AFTER_IDLE),
  'net.ipv4.tcp_early_retrans': one(Sysctl.TCP_EARLY_RETRANS, 0, 4),
  'net.ipv4.tcp_recovery': one(Sysctl.TCP_RECOVERY, 0, 7),
  'net.ipv4.tcp_challenge_ack_limit': one(Sysctl.TCP_CHALLENGE_ACK_LIMIT, 0, I31),
  'net.ipv4.tcp_invalid_ratelimit': one(Sysctl.TCP_INVALID_RATELIMIT, 0, I31),
  'net.ipv4.tcp_rfc1337': flag(Sysctl.TCP_RFC1337),
  'net.ipv4.tcp_stdurg': flag(Sysctl.TCP_STDURG),
  'net.ipv4.tcp_notsent_lowat': one(Sysctl.TCP_NOTSENT_LOWAT, 0, U32),
  'net.ipv4.tcp_autocorking': flag(Sysctl.TCP_AUTOCORKING),
  'net.ipv4.tcp_fastopen': one(Sysctl.TCP_FASTOPEN, 0, I31),
  'net.ipv4.tcp_fastopen_blackhole_timeout_sec': one(Sysctl.TCP_FASTOPEN_BLACKHOLE_TIMEOUT, 0, I31),
  'net.ipv4.tcp_fastopen_key': {
    keys: [
      Sysctl.TCP_FASTOPEN_KEY0, Sysctl.TCP_FASTOPEN_KEY1, Sysctl.TCP_FASTOPEN_KEY2, Sysctl.TCP_FASTOPEN_KEY3,
      Sysctl.TCP_FASTOPEN_KEY4, Sysctl.TCP_FASTOPEN_KEY5, Sysctl.TCP_FASTOPEN_KEY6, Sysctl.TCP_FASTOPEN_KEY7,
    ],
    min: 0, max: U32, secret: true,
  },
  'net.ipv4.tcp_min_rtt_wlen': one(Sysctl.TCP_MIN_RTT_WLEN, 0, 86400),
  'net.ipv4.tcp_congestion_control': { keys: [Sysctl.TCP_CONGESTION], min: 0, max: 3, words: { cubic: 0, reno: 1, bbr: 2, dctcp: 3 } },
  'tcp_cubic.hystart': flag(Sysctl.TCP_CUBIC_HYSTART),
  'net.ipv4.udp_rmem_min': one(Sysctl.UDP_RMEM_MIN, 1, I31),
  'net.ipv4.udp_wmem_min': one(Sysctl.UDP_WMEM_MIN, 1, I31),
  'net.ipv4.neigh.default.gc_thresh3': one(Sysctl.NEIGH_GC_THRESH3, 1, 65535),
  'net.ipv6.mld_max_msf': one(Sysctl.MLD_MAX_MSF, 1, 65535),
  'net.ipv4.ip_nonlocal_bind': flag(Sysctl.IP_NONLOCAL_BIND),
  'net.ipv6.ip_nonlocal_bind': flag(Sysctl.IP6_NONLOCAL_BIND),
  'net.ipv6.bindv6only': flag(Sysctl.BINDV6ONLY),
};

/** The value in numbers, one for each key of the entry, or what is wrong with it. */
export function sysctlValues(name: string, value: string): number[] | string {
  const entry = Object.hasOwn(SYSCTLS, name) ? SYSCTLS[name] : undefined;
  if (!entry) return `no such setting${nearest(name)}`;
  if (entry.secret) return secretWords(value.trim(), entry.keys.length);
  const words = value.trim().split(/\s+/);
  if (words.length !== entry.keys.length) return `takes ${entry.keys.length} value${entry.keys.length > 1 ? 's' : ''}, not ${words.length}`;
  const out: number[] = [];
  for (const w of words) {
    const n = entry.words ? (Object.hasOwn(entry.words, w) ? entry.words[w] : NaN) : /^\d{1,10}$/.test(w) ? Number(w) : NaN;
    if (!(n >= entry.min && n <= entry.max))
      return entry.words ? `write one of ${Object.keys(entry.words).join(', ')}` : `write a number from ${entry.min} to ${entry.max}`;
    if (out.length && n < out[out.length - 1]) return 'the values must not decrease';
    out.push(n);
  }
  return out;
}

function secretWords(value: string, count: number): number[] | string {
  const key = '[\\da-f]{1,8}(?:-[\\da-f]{1,8}){3}';
  if (!new RegExp(`^${key}(?:,${key})?$`, 'i').test(value)) return 'write four hexadecimal numbers with - between, or two of those with a comma';
  const words = value.split(/[-,]/).map((w) => parseInt(w, 16));
  return [...words, ...new Array<number>(count - words.length).fill(0)];
}

function nearest(name: string): string {
  const last = name.split('.').pop();
  const like = Object.keys(SYSCTLS).filter((k) => k.split('.').pop() === last);
  return like.length ? `, did you mean ${like.join(' or ')}?` : '; `docs/configuration.md` lists them';
}
