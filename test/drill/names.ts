// What scripts call by name: Linux's numbers of options, flags, ioctls, and the fields of struct tcp_info.

export const LEVELS: Readonly<Record<string, number>> = { SOL_SOCKET: 1, SOL_TCP: 6, IPPROTO_TCP: 6, SOL_IP: 0, IPPROTO_IP: 0 };
export const OPTIONS: Readonly<Record<string, number>> = {
  SO_REUSEADDR: 2, SO_ERROR: 4, SO_SNDBUF: 7, SO_RCVBUF: 8, SO_KEEPALIVE: 9, SO_OOBINLINE: 10, SO_LINGER: 13, SO_RCVLOWAT: 18,
  TCP_NODELAY: 1, TCP_MAXSEG: 2, TCP_CORK: 3, TCP_KEEPIDLE: 4, TCP_KEEPINTVL: 5, TCP_KEEPCNT: 6, TCP_SYNCNT: 7, TCP_LINGER2: 8,
  TCP_DEFER_ACCEPT: 9, TCP_WINDOW_CLAMP: 10, TCP_QUICKACK: 12, TCP_USER_TIMEOUT: 18, TCP_FASTOPEN: 23, TCP_NOTSENT_LOWAT: 25,
  TCP_FASTOPEN_CONNECT: 30, TCP_FASTOPEN_NO_COOKIE: 34, TCP_INQ: 36,
  IP_TOS: 1, IP_TTL: 2, IP_MTU_DISCOVER: 10, IP_RECVERR: 11,
};
export const FLAGS: Readonly<Record<string, number>> = {
  MSG_OOB: 1, MSG_PEEK: 2, MSG_DONTWAIT: 0x40, MSG_EOR: 0x80, MSG_MORE: 0x8000, MSG_FASTOPEN: 0x20000000, SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2,
};
export const IOCTLS: Readonly<Record<string, number>> = { SIOCINQ: 0x541b, SIOCOUTQ: 0x5411, SIOCATMARK: 0x8905, SIOCOUTQNSD: 0x894b };

/** Offset and bytes of each field. */
export const TCP_INFO: Readonly<Record<string, [number, 1 | 4 | 8]>> = {
  tcpi_state: [0, 1], tcpi_ca_state: [1, 1], tcpi_retransmits: [2, 1], tcpi_probes: [3, 1], tcpi_backoff: [4, 1], tcpi_options: [5, 1],
  tcpi_rto: [8, 4], tcpi_ato: [12, 4], tcpi_snd_mss: [16, 4], tcpi_rcv_mss: [20, 4], tcpi_unacked: [24, 4], tcpi_sacked: [28, 4], tcpi_lost: [32, 4],
  tcpi_retrans: [36, 4], tcpi_last_data_sent: [44, 4], tcpi_last_data_recv: [52, 4], tcpi_last_ack_recv: [56, 4], tcpi_pmtu: [60, 4],
  tcpi_rcv_ssthresh: [64, 4], tcpi_rtt: [68, 4], tcpi_rttvar: [72, 4], tcpi_snd_ssthresh: [76, 4], tcpi_snd_cwnd: [80, 4], tcpi_advmss: [84, 4],
  tcpi_reordering: [88, 4], tcpi_rcv_rtt: [92, 4], tcpi_rcv_space: [96, 4], tcpi_total_retrans: [100, 4], tcpi_bytes_acked: [120, 8],
  tcpi_bytes_received: [128, 8], tcpi_segs_out: [136, 4], tcpi_segs_in: [140, 4], tcpi_notsent_bytes: [144, 4], tcpi_min_rtt: [148, 4],
  tcpi_data_segs_in: [152, 4], tcpi_data_segs_out: [156, 4], tcpi_busy_time: [168, 8], tcpi_rwnd_limited: [176, 8], tcpi_sndbuf_limited: [184, 8],
  tcpi_delivered: [192, 4], tcpi_delivered_ce: [196, 4], tcpi_bytes_sent: [200, 8], tcpi_bytes_retrans: [208, 8], tcpi_dsack_dups: [216, 4],
  tcpi_reord_seen: [220, 4], tcpi_rcv_ooopack: [224, 4], tcpi_snd_wnd: [228, 4], tcpi_rcv_wnd: [232, 4], tcpi_total_rto: [240, 4],
};
export const VALUES: Readonly<Record<string, number>> = {
  TCP_CA_Open: 0, TCP_CA_Disorder: 1, TCP_CA_CWR: 2, TCP_CA_Recovery: 3, TCP_CA_Loss: 4,
  TCP_ESTABLISHED: 1, TCP_SYN_SENT: 2, TCP_SYN_RECV: 3, TCP_FIN_WAIT1: 4, TCP_FIN_WAIT2: 5, TCP_TIME_WAIT: 6, TCP_CLOSE: 7, TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9, TCP_LISTEN: 10, TCP_CLOSING: 11,
};
