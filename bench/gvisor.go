// The services of meter.c on gVisor's network stack (Debian's golang-gvisor-gvisor-dev) over a TAP without offload: gvisor TAP ADDRESS (/24).
// Prints "listening", runs until it is killed.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/link/tun"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// As in meter.h; bytes of one write, and of a datagram at most.
const (
	portEcho, portSink, portSource = 7007, 7009, 7019
	piece, datagram                = 128 << 10, 2048
	buffer                         = 4 << 20
)

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}
func checkStack(what string, err tcpip.Error) {
	if err != nil {
		check(what, fmt.Errorf("%s", err))
	}
}

func newStack(tap string, address net.IP) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	sack := tcpip.TCPSACKEnabled(true)
	checkStack("SACK", s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: buffer / 4, Max: buffer}
	checkStack("receive buffer", s.SetTransportProtocolOption(tcp.ProtocolNumber, &receive))
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: buffer / 4, Max: buffer}
	checkStack("send buffer", s.SetTransportProtocolOption(tcp.ProtocolNumber, &send))
	fd, err := tun.OpenTAP(tap)
	check(tap, err)
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{fd}, MTU: 1500, EthernetHeader: true, Address: tcpip.LinkAddress("\x02\x00\x00\x00\x0b\x01"), PacketDispatchMode: fdbased.Readv,
	})
	check(tap, err)
	checkStack(tap, s.CreateNIC(1, link))
	own := tcpip.AddressWithPrefix{Address: tcpip.Address(address), PrefixLen: 24}
	checkStack("address", s.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: own}, stack.AddressProperties{}))
	s.SetRouteTable([]tcpip.Route{{Destination: own.Subnet(), NIC: 1}})
	return s
}

func sink(c net.Conn) {
	b := make([]byte, piece)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}
func source(c net.Conn) {
	b := make([]byte, piece)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
func echo(c net.Conn) {
	b := make([]byte, 64)
	for {
		n, err := c.Read(b)
		if err == nil {
			_, err = c.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

func listen(s *stack.Stack, port uint16, serve func(net.Conn)) {
	l, err := gonet.ListenTCP(s, tcpip.FullAddress{Port: port}, header.IPv4ProtocolNumber)
	check("listen", err)
	go func() {
		for {
			c, err := l.Accept()
			check("accept", err)
			go func() {
				serve(c)
				c.Close()
			}()
		}
	}()
}

func bind(s *stack.Stack, port uint16) *gonet.UDPConn {
	u, err := gonet.DialUDP(s, &tcpip.FullAddress{Port: port}, nil, header.IPv4ProtocolNumber)
	check("bind", err)
	return u
}
func udpSink(u *gonet.UDPConn) {
	b, answer, count := make([]byte, datagram), make([]byte, 8), uint64(0)
	for {
		n, from, err := u.ReadFrom(b)
		check("udp sink", err)
		if n > 1 {
			count++
			continue
		}
		binary.LittleEndian.PutUint64(answer, count)
		u.WriteTo(answer, from)
	}
}
func udpSource(u *gonet.UDPConn) {
	b, out := make([]byte, datagram), make([]byte, datagram)
	for {
		n, to, err := u.ReadFrom(b)
		check("udp source", err)
		size := binary.LittleEndian.Uint32(b[4:])
		if n != 8 || size > datagram {
			continue
		}
		for end := time.Now().Add(time.Duration(binary.LittleEndian.Uint32(b)) * time.Millisecond); time.Now().Before(end); {
			for i := 0; i < 16; i++ {
				u.WriteTo(out[:size], to)
			}
		}
	}
}

func main() {
	if len(os.Args) != 3 || net.ParseIP(os.Args[2]).To4() == nil {
		fmt.Fprintln(os.Stderr, "gvisor TAP ADDRESS")
		os.Exit(2)
	}
	s := newStack(os.Args[1], net.ParseIP(os.Args[2]).To4())
	listen(s, portEcho, echo)
	listen(s, portSink, sink)
	listen(s, portSource, source)
	go udpSink(bind(s, portSink))
	u := bind(s, portSource)
	fmt.Println("listening")
	udpSource(u)
}
