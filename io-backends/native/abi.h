/* The part of the core's ABI that native code touches: assembly/abi.ts in C (test/backends/abi.test.ts compares them). */
#ifndef NUSE_ABI_H
#define NUSE_ABI_H

#define HDR 0x1000u
#define RX_DESC 0x2000u
#define VIF 0x8000u
#define VIF_STRIDE 64u
#define VIF_MAX 64u
#define STATIC_BASE 0x40000u

#define HDR_NOW 16u
#define HDR_DEADLINE 24u
#define HDR_WALL_OFFSET 32u

#define RX_DESC_SIZE 32u
#define RX_RING 64u
#define RX_HEADROOM 64u
#define RXD_BUF 0u
#define RXD_CAP 4u
#define RXD_LEN 8u
#define RXD_VIF 12u
#define RXD_FLAGS 14u
#define RXD_GSO_TYPE 15u
#define RXD_GSO_SIZE 16u
#define RXD_HDR_LEN 18u
#define RXD_CSUM_START 20u
#define RXD_CSUM_OFFSET 22u

#define VIF_TX_RING 0u
#define VIF_TX_SIZE 4u
#define VIF_TX_HEAD 8u
#define VIF_TX_TAIL 12u

#define TX_DESC_SIZE 96u
#define TX_RING 256u
#define TXD_LEN 0u
#define TXD_NFRAGS 4u
#define TXD_FLAGS 6u
#define TXD_GSO_TYPE 7u
#define TXD_GSO_SIZE 8u
#define TXD_HDR_LEN 10u
#define TXD_CSUM_START 12u
#define TXD_CSUM_OFFSET 14u
#define TXD_FRAGS 24u
#define TXD_MAX_FRAGS 9u

/* VifFeature */
#define FEATURE_CSUM 1u
#define FEATURE_TSO4 2u
#define FEATURE_TSO6 4u
#define FEATURE_USO 8u
#define FEATURE_L3 16u

#endif
