#include "harness/source/ip_network.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gyre::source {
namespace {

Reach reach(std::string_view text) {
  const auto ip = IpAddress::parse(text);
  EXPECT_TRUE(ip) << text;
  return reach_of(ip.value_or(IpAddress{}));
}

TEST(IpNetwork, KnowsWhichAddressesArePublic) {
  for (const std::string_view text : {"1.1.1.1",
                                      "9.255.255.255",
                                      "11.0.0.0",
                                      "100.63.255.255",
                                      "100.128.0.0",
                                      "126.255.255.255",
                                      "128.0.0.0",
                                      "169.253.255.255",
                                      "172.15.255.255",
                                      "172.32.0.0",
                                      "192.0.1.0",
                                      "192.167.255.255",
                                      "192.169.0.0",
                                      "198.17.255.255",
                                      "198.20.0.0",
                                      "223.255.255.255",
                                      "2606:4700::1111",
                                      "2a00:1450:4001:81b::200e",
                                      "2001:4860:4860::8888",
                                      "::ffff:1.1.1.1"}) {
    EXPECT_EQ(reach(text), Reach::everywhere) << text;
  }
}

TEST(IpNetwork, KnowsWhichAddressesAreNot) {
  for (const std::string_view text : {"10.0.0.0",
                                      "10.255.255.255",
                                      "100.64.0.0",
                                      "100.127.255.255",
                                      "127.0.0.1",
                                      "127.255.255.255",
                                      "169.254.169.254",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.8",
                                      "192.0.2.1",
                                      "192.88.99.1",
                                      "192.168.0.0",
                                      "192.168.255.255",
                                      "198.18.0.0",
                                      "198.19.255.255",
                                      "198.51.100.7",
                                      "203.0.113.7",
                                      "240.0.0.1",
                                      "255.255.255.254",
                                      "::ffff:127.0.0.1",
                                      "::ffff:10.0.0.1",
                                      "::ffff:169.254.169.254",
                                      "::1",
                                      "::7f00:1",
                                      "::2",
                                      "64:ff9b::7f00:1",
                                      "64:ff9b::8.8.8.8",
                                      "64:ff9b:1::1",
                                      "100::1",
                                      "1fff::1",
                                      "2001::1",
                                      "2001:1ff:ffff::1",
                                      "2001:db8::1",
                                      "2002:7f00:1::",
                                      "3fff::1",
                                      "4000::1",
                                      "5f00::1",
                                      "fc00::1",
                                      "fdff::1",
                                      "fe80::1",
                                      "febf::1",
                                      "fec0::1",
                                      "fe00::1"}) {
    EXPECT_EQ(reach(text), Reach::local) << text;
  }
}

TEST(IpNetwork, KnowsWhichAddressesAreNobodys) {
  for (const std::string_view text :
       {"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255",
        "::", "::ffff:0.0.0.0", "::ffff:224.0.0.1", "ff02::1", "ff0e::1"}) {
    EXPECT_EQ(reach(text), Reach::nowhere) << text;
  }
}

TEST(IpNetwork, ContainsWhatSharesItsPrefix) {
  const auto contains = [](std::string_view network, std::string_view ip) {
    return IpNetwork::parse(network).value().contains(IpAddress::parse(ip).value());
  };
  EXPECT_TRUE(contains("10.1.0.0/16", "10.1.255.255"));
  EXPECT_FALSE(contains("10.1.0.0/16", "10.2.0.0"));
  EXPECT_TRUE(contains("10.1.0.0/16", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("10.128.0.0/9", "10.255.0.0"));
  EXPECT_FALSE(contains("10.128.0.0/9", "10.127.0.0"));
  EXPECT_TRUE(contains("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(contains("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(contains("0.0.0.0/0", "10.0.0.1"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(contains("::/0", "fe80::1"));
  EXPECT_FALSE(contains("::/0", "127.0.0.1"));
  EXPECT_TRUE(contains("fd00:1:2::/47", "fd00:1:3::1"));
  EXPECT_FALSE(contains("fd00:1:2::/47", "fd00:1:4::1"));
}

TEST(IpNetwork, RefusesWhatIsNotOne) {
  for (const std::string_view text : {"",
                                      "/",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/08",
                                      "10.0.0.0/+8",
                                      "10.0.0.0/8 ",
                                      " 10.0.0.0/8",
                                      "10.0.0.0/8/8",
                                      "10.0.0/8",
                                      "10/8",
                                      "10.1.2.3/8",
                                      "10.0.0.0/-1",
                                      "fd00::1/64",
                                      "::/129",
                                      "::ffff:10.0.0.0/104",
                                      "::ffff:10.0.0.1",
                                      "fe80::1%eth0",
                                      "localhost",
                                      "010.0.0.0/8",
                                      "[::1]"}) {
    EXPECT_FALSE(IpNetwork::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0x", 11)));
}

}  // namespace
}  // namespace gyre::source
