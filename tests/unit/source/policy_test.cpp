#include "harness/source/policy.hpp"

#include <gtest/gtest.h>

#include "harness/source/admission.hpp"
#include "harness/source/source.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/self_signed.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

std::optional<ErrorCode> admission(const SourcePolicy& policy, std::string_view url) {
  const auto parsed = Url::parse(url);
  if (!parsed) return parsed.error().code;
  return code_of(admit_url(policy, *parsed));
}

TEST(SourcePolicy, AllowsNothingByDefault) {
  const SourcePolicy policy;
  EXPECT_TRUE(policy.check());
  for (const char* url : {"https://example.org/a", "http://example.org/a", "https://127.0.0.1/a",
                          "file:///etc/passwd"}) {
    EXPECT_EQ(code_of(open(url, policy, no_bound, {})), ErrorCode::source_not_allowed) << url;
  }
}

TEST(SourcePolicy, HostsMatchExactlyAfterNormalisation) {
  SourcePolicy policy;
  policy.allowed_hosts = {"Data.Example.org", "other.example.org:8443", "[2606:4700:0::1]:443",
                          "1.1.1.1"};
  ASSERT_TRUE(policy.check());
  for (const char* url : {"https://data.example.org/a", "https://DATA.example.org:443/a",
                          "https://other.example.org:8443/a", "https://[2606:4700::1]/a",
                          "https://1.1.1.1/a", "https://[::ffff:1.1.1.1]/a"}) {
    EXPECT_EQ(admission(policy, url), std::nullopt) << url;
  }
  for (const char* url :
       {"https://example.org/a", "https://x.data.example.org/a", "https://data.example.org.evil/a",
        "https://data.example.org:8443/a", "https://other.example.org/a",
        "https://ata.example.org/a", "https://data.example.orgx/a", "https://1.1.1.2/a",
        "https://evil.org/data.example.org"}) {
    EXPECT_EQ(admission(policy, url), ErrorCode::source_not_allowed) << url;
  }
}

TEST(SourcePolicy, PlainHttpMustBeAllowedByItself) {
  SourcePolicy policy;
  policy.allowed_hosts = {"example.org"};
  EXPECT_EQ(admission(policy, "http://example.org/a"), ErrorCode::source_not_allowed);
  policy.allow_plain_http = true;
  EXPECT_EQ(admission(policy, "http://example.org/a"), std::nullopt);
  EXPECT_EQ(admission(policy, "https://example.org/a"), std::nullopt);
  // No port means the default port of either scheme, not any.
  EXPECT_EQ(admission(policy, "http://example.org:443/a"), ErrorCode::source_not_allowed);
}

TEST(SourcePolicy, AddressesOffTheInternetMustBeInAnAllowedNetwork) {
  SourcePolicy policy;
  EXPECT_EQ(code_of(admit_ip(policy, "1.1.1.1")), std::nullopt);
  for (const char* ip : {"127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "fd00::1",
                         "::ffff:127.0.0.1", "64:ff9b::a00:1", "0.0.0.0", "ff02::1", "", "x"}) {
    EXPECT_EQ(code_of(admit_ip(policy, ip)), ErrorCode::source_not_allowed) << ip;
  }
  policy.allowed_networks = {"10.1.0.0/16", "::1", "0.0.0.0/0", "::/0"};
  policy.allowed_networks.resize(2);
  EXPECT_EQ(code_of(admit_ip(policy, "10.1.2.3")), std::nullopt);
  EXPECT_EQ(code_of(admit_ip(policy, "::1")), std::nullopt);
  EXPECT_EQ(code_of(admit_ip(policy, "10.2.0.1")), ErrorCode::source_not_allowed);
  EXPECT_EQ(code_of(admit_ip(policy, "127.0.0.1")), ErrorCode::source_not_allowed);
  // Nobody's addresses cannot be allowed at all: a connection to 0.0.0.0 ends at this machine.
  policy.allowed_networks = {"0.0.0.0/0", "::/0"};
  EXPECT_EQ(code_of(admit_ip(policy, "127.0.0.1")), std::nullopt);
  EXPECT_EQ(code_of(admit_ip(policy, "0.0.0.0")), ErrorCode::source_not_allowed);
  EXPECT_EQ(code_of(admit_ip(policy, "::")), ErrorCode::source_not_allowed);
  EXPECT_EQ(code_of(admit_ip(policy, "224.0.0.1")), ErrorCode::source_not_allowed);
}

// No connection is made to an address that is not admitted, whatever name leads to it.
TEST(SourcePolicy, IsHeldAgainstTheResolvedAddresses) {
  HostileOrigin origin([](OriginPeer& peer) { peer.wait_until_closed(); });
  SourcePolicy policy = policy_for(origin);
  policy.allowed_networks.clear();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto source =
        open("http://" + std::string(host) + ":" + origin.port_text() + "/a", policy, 10, {});
    EXPECT_EQ(code_of(source), ErrorCode::source_not_allowed) << host;
  }
  EXPECT_EQ(origin.connections(), 0);
}

TEST(SourcePolicy, ErrorsDoNotQuoteTheUrl) {
  const auto source = open("https://secret.example.org/a", SourcePolicy(), no_bound, {});
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().message.find("secret"), std::string::npos);
}

class SourcePolicyCheck : public TemporaryDirectoryTest {
 protected:
  static std::optional<ErrorCode> check(const std::function<void(SourcePolicy&)>& change) {
    SourcePolicy policy;
    change(policy);
    return code_of(policy.check());
  }
};

TEST_F(SourcePolicyCheck, RefusesWhatIsNotOfTheDocumentedForm) {
  for (const char* host : {"", "*", "*.example.org", "https://example.org", "example.org/",
                           "example.org/a", "user@example.org", "example.org?", "example.org:0",
                           "example.org:", "::1", "a b", "example.org."}) {
    EXPECT_EQ(check([&](SourcePolicy& p) { p.allowed_hosts = {host}; }),
              ErrorCode::bad_configuration)
        << host;
  }
  EXPECT_EQ(check([](SourcePolicy& p) { p.allowed_networks = {"10.1.2.3/8"}; }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(check([](SourcePolicy& p) { p.local_root = "relative"; }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(check([](SourcePolicy& p) { p.local_root = "/no/such/directory"; }),
            ErrorCode::bad_configuration);
  using std::chrono::milliseconds;
  EXPECT_EQ(check([](SourcePolicy& p) { p.stall_time = milliseconds(0); }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(check([](SourcePolicy& p) { p.total_time = std::chrono::hours(25); }),
            ErrorCode::bad_configuration);
}

TEST_F(SourcePolicyCheck, TheCaFileMustHoldCertificates) {
  const auto nothing = directory_.write("nothing.pem", "no certificate");
  const auto certificate = directory_.path() / "certificate.pem";
  write_self_signed("DNS:localhost", certificate, directory_.path() / "key.pem");
  EXPECT_EQ(check([&](SourcePolicy& p) { p.ca_file = nothing; }), ErrorCode::bad_configuration);
  EXPECT_EQ(check([&](SourcePolicy& p) { p.ca_file = directory_.path() / "missing"; }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(check([&](SourcePolicy& p) { p.ca_file = certificate; }), std::nullopt);
}

TEST_F(SourcePolicyCheck, OpeningChecksItToo) {
  SourcePolicy policy;
  policy.allowed_hosts = {"*"};
  EXPECT_EQ(code_of(open("https://example.org/a", policy, no_bound, {})),
            ErrorCode::bad_configuration);
}

}  // namespace
}  // namespace gyre::source
