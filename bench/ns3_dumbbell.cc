// The dumbbell of bench/sim.ts in ns-3: PAIRS hosts on either side, FLOWS bulk TCP connections across one bottleneck of 10 Mbit/s for
// each flow. Prints the delivered data packets per second of wall time of Simulator::Run. argv: pairs flows seconds.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"
using namespace ns3;

static const uint32_t MSS = 1448;

static NetDeviceContainer join(Ptr<Node> a, Ptr<Node> b, uint64_t rate, const char *delay, uint32_t packets) {
  PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", DataRateValue(DataRate(rate)));
  link.SetChannelAttribute("Delay", StringValue(delay));
  link.SetQueue("ns3::DropTailQueue", "MaxSize", QueueSizeValue(QueueSize(QueueSizeUnit::PACKETS, packets)));
  return link.Install(a, b);
}

int main(int argc, char **argv) {
  const uint32_t pairs = argc > 1 ? atoi(argv[1]) : 1, flows = argc > 2 ? atoi(argv[2]) : 1;
  const double seconds = argc > 3 ? atof(argv[3]) : 10;
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(MSS));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(4 << 20));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(4 << 20));
  Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
  Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(2));

  NodeContainer routers, left, right;
  routers.Create(2);
  left.Create(pairs);
  right.Create(pairs);
  InternetStackHelper stack;
  stack.Install(NodeContainer(routers, left, right));
  TrafficControlHelper control;
  Ipv4AddressHelper addresses;
  addresses.SetBase("10.0.0.0", "255.255.255.252");
  const auto assign = [&](NetDeviceContainer devices) {
    const auto given = addresses.Assign(devices);
    addresses.NewNetwork();
    // The queues in front of the devices alone, as on the other side of this comparison.
    control.Uninstall(devices);
    return given;
  };
  assign(join(routers.Get(0), routers.Get(1), 10000000ull * flows, "20ms", 100 * flows));
  std::vector<Ipv4Address> servers;
  for (uint32_t i = 0; i < pairs; i++) {
    assign(join(left.Get(i), routers.Get(0), 1000000000, "1ms", 1000));
    servers.push_back(assign(join(routers.Get(1), right.Get(i), 1000000000, "1ms", 1000)).GetAddress(1));
  }
  Ipv4GlobalRoutingHelper::PopulateRoutingTables();

  ApplicationContainer sinks;
  for (uint32_t i = 0; i < flows; i++) {
    const uint16_t port = 5001 + i;
    sinks.Add(PacketSinkHelper("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), port)).Install(right.Get(i % pairs)));
    BulkSendHelper bulk("ns3::TcpSocketFactory", InetSocketAddress(servers[i % pairs], port));
    bulk.SetAttribute("SendSize", UintegerValue(10 * MSS));
    bulk.Install(left.Get(i % pairs)).Start(MilliSeconds(7 * i % 1000));
  }
  Simulator::Stop(Seconds(seconds));
  const auto start = std::chrono::steady_clock::now();
  Simulator::Run();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  double received = 0;
  for (uint32_t i = 0; i < flows; i++) received += DynamicCast<PacketSink>(sinks.Get(i))->GetTotalRx();
  printf("{\"packets\":%.0f,\"wall\":%.6f,\"events\":%llu}\n", received / MSS, wall, (unsigned long long)Simulator::GetEventCount());
  Simulator::Destroy();
}
