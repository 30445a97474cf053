// A node of ns-3 behind a TAP, in real time: for realtime.test.ts. ns3_peer TAP ADDRESS GATEWAY TARGET PORT BYTES
// It pings TARGET, then sends BYTES to its PORT by ns-3's own TCP; both lead out through the TAP. The device is attached here and given to
// an FdNetDevice: Debian's package has neither of the programs that TapBridge and TapFdNetDeviceHelper start for it.
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <linux/if_tun.h>
#include <net/if.h>
#include <ns3/applications-module.h>
#include <ns3/core-module.h>
#include <ns3/fd-net-device-module.h>
#include <ns3/internet-apps-module.h>
#include <ns3/internet-module.h>
#include <sys/ioctl.h>

using namespace ns3;

static int attach(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR);
  ifreq r = {};
  r.ifr_flags = IFF_TAP | IFF_NO_PI;
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
    perror(name);
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    std::cerr << "ns3_peer TAP ADDRESS GATEWAY TARGET PORT BYTES\n";
    return 2;
  }
  GlobalValue::Bind("SimulatorImplementationType", StringValue("ns3::RealtimeSimulatorImpl"));
  GlobalValue::Bind("ChecksumEnabled", BooleanValue(true));
  Ptr<Node> node = CreateObject<Node>();
  Ptr<FdNetDevice> device = CreateObject<FdNetDevice>();
  device->SetAddress(Mac48Address("02:6e:73:33:00:01"));
  device->SetFileDescriptor(attach(argv[1]));
  node->AddDevice(device);
  InternetStackHelper().Install(node);
  Ptr<Ipv4> ip = node->GetObject<Ipv4>();
  uint32_t interface = ip->AddInterface(device);
  ip->AddAddress(interface, Ipv4InterfaceAddress(argv[2], "255.255.255.0"));
  ip->SetUp(interface);
  Ipv4StaticRoutingHelper().GetStaticRouting(ip)->SetDefaultRoute(argv[3], interface);

  V4PingHelper ping(argv[4]);
  ping.SetAttribute("Interval", TimeValue(MilliSeconds(200)));
  ApplicationContainer pings = ping.Install(node);
  uint32_t answers = 0;
  double fastest = 1e9;
  pings.Get(0)->TraceConnectWithoutContext("Rtt", Callback<void, Time>([&](Time t) {
    answers++;
    fastest = std::min(fastest, t.GetSeconds() * 1e3);
  }));
  pings.Start(MilliSeconds(100));
  pings.Stop(Seconds(2));

  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
  BulkSendHelper bulk("ns3::TcpSocketFactory", InetSocketAddress(argv[4], std::stoi(argv[5])));
  bulk.SetAttribute("MaxBytes", UintegerValue(std::stoul(argv[6])));
  bulk.Install(node).Start(Seconds(2));
  Simulator::Stop(Seconds(6));
  Simulator::Run();
  std::cout << "answers " << answers << " fastest " << fastest << " ms" << std::endl;
  Simulator::Destroy();
  return 0;
}
