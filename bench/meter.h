// The services of meter.c, which programs on other stacks offer, too.
#include <stdint.h>

// TCP: what comes is returned; swallowed; sent without end. UDP: counted, and a datagram of one byte answered with the count (u64 of the
// machine); sent as a request says.
enum { PORT_ECHO = 7007, PORT_SINK = 7009, PORT_SOURCE = 7019 };

// Asks the UDP source for datagrams of so many bytes, for so long.
struct udp_request {
  uint32_t milliseconds, size;
};
