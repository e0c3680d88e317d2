// `gyre serve` as a process of its own: ready, asked to stop, gone with 0.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/bytes.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "harness/server/listening_socket.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {
namespace {

using scenario::ChildProcess;

constexpr Geometry geometry{600, 12, 4};
constexpr std::chrono::seconds limit{30};

class ServeProcess : public ::testing::Test {
 protected:
  ServeProcess() : directory_(std::move(scenario::TemporaryDirectory::create().value())) {}

  [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() / name; }

  [[nodiscard]] std::string text_of(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(file(name)).rdbuf();
    return text.str();
  }

  [[nodiscard]] ChildProcess run(const std::vector<std::string>& arguments,
                                 const std::string& log) {
    return std::move(ChildProcess::start(GYRE_EXECUTABLE, arguments, file(log)).value());
  }

  void build_snapshot() {
    const auto rows = test_rows(0, geometry, 0, geometry.rows);
    std::ofstream(file("rows.raw"), std::ios::binary)
        .write(reinterpret_cast<const char*>(rows.data()),
               static_cast<std::streamsize>(rows.size()));
    auto build =
        run({"snapshot", "build", "--input", file("rows.raw"), "--output", file("table"),
             "--format", "raw", "--layout", "index", "--row-bytes", "12", "--rows-per-page", "4"},
            "build.log");
    ASSERT_EQ(build.wait(limit), 0) << text_of("build.log");
  }

  // Starts one and returns once it is ready.
  [[nodiscard]] ChildProcess serve(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"serve",
                                          "--snapshot",
                                          file("table.manifest.json"),
                                          "--party",
                                          "1",
                                          "--listen",
                                          "127.0.0.1:0",
                                          "--ready-file",
                                          file("ready")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ChildProcess process = run(arguments, "serve.log");
    std::string url;
    while (url.empty() && !process.poll()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::ifstream(file("ready")) >> url;
    }
    if (url.rfind("http://", 0) != 0) throw std::runtime_error(text_of("serve.log"));
    port_ = ListenAddress::parse(url.substr(7)).value().port;
    return process;
  }

  [[nodiscard]] bool accepts_connections() const {
    try {
      RawConnection connection(port_);
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }

  scenario::TemporaryDirectory directory_;
  std::uint16_t port_ = 0;
};

TEST_F(ServeProcess, FinishesTheQueryInFlightWhenItIsAskedToStop) {
  build_snapshot();
  for (const std::string backend : {"cpu", "device:sim", "reference"}) {
    ChildProcess process = serve({"--backend", backend});
    SeededRandom random(11);
    const auto key = make_keys(geometry.rows, 123, random)[1];
    const std::string request = post_request(
        "/query", "application/json",
        encode(protocol::QueryRequest{CurrentEpoch{}, {key}}, protocol::Encoding::json),
        "Expect: 100-continue\r\n");
    {
      RawConnection connection(port_);
      const std::size_t head_end = request.find("\r\n\r\n") + 4;
      connection.send(request.substr(0, head_end));
      ASSERT_EQ(connection.receive()->status, 100);  // it has begun
      process.signal(SIGTERM);
      while (accepts_connections()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      connection.send(request.substr(head_end));
      const auto response = connection.receive();
      ASSERT_TRUE(response) << text_of("serve.log");
      EXPECT_EQ(response->status, 200) << response->body;
      EXPECT_EQ(response->header("connection"), "close");
    }
    EXPECT_EQ(process.wait(limit), 0) << text_of("serve.log");
    EXPECT_NE(text_of("serve.log").find("event=stopped finished=true"), std::string::npos);
    std::filesystem::remove(file("ready"));
  }
}

TEST_F(ServeProcess, DoesNotWaitForWhoFollowsTheEpochs) {
  build_snapshot();
  // A heartbeat would come, and the deadline of a drain pass, long after the test's limit.
  ChildProcess process = serve({"--max-streams", "1", "--stream-heartbeat", "3600",
                                "--drain-timeout", "3600", "--send-timeout", "3600"});
  RawConnection stream(port_);
  stream.send(get_request("/epoch/stream"));
  ASSERT_TRUE(stream.receive_until("\n\n"));
  EXPECT_EQ(ask(port_, get_request("/epoch/stream"))->status, 503);
  process.signal(SIGTERM);
  stream.wait_for_end();
  EXPECT_EQ(process.wait(limit), 0) << text_of("serve.log");
  EXPECT_NE(text_of("serve.log").find("event=stopped finished=true"), std::string::npos);
}

TEST_F(ServeProcess, StandardOutputAndReadyFileSayWhereItIs) {
  build_snapshot();
  ChildProcess process = serve();
  EXPECT_NE(text_of("serve.log").find("ready http://127.0.0.1:" + std::to_string(port_)),
            std::string::npos);
  EXPECT_EQ(text_of("ready"), "http://127.0.0.1:" + std::to_string(port_) + "\n");
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(limit), 0);
}

TEST_F(ServeProcess, ADeviceThatIsTooSmallIsNoReasonNotToServe) {
  build_snapshot();
  const auto resident = [&](std::vector<std::string> more) {
    std::filesystem::remove(file("ready"));
    more.insert(more.end(), {"--backend", "device:sim"});
    ChildProcess process = serve(std::move(more));
    const auto response = ask(port_, get_request("/epoch"));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(limit), 0) << text_of("serve.log");
    const std::string& body = response->body;
    const std::size_t begin = body.find("\"resident\"");
    return body.substr(begin, body.find(']', begin) + 1 - begin);
  };
  EXPECT_EQ(resident({}), R"("resident":["device:sim","cpu"])");
  EXPECT_EQ(resident({"--device-memory-bytes", "7199", "--check-host-images"}),
            R"("resident":["cpu"])");
  EXPECT_EQ(resident({"--device-memory-bytes", "7200", "--device-bandwidth", "1000000"}),
            R"("resident":["device:sim","cpu"])");
}

TEST_F(ServeProcess, OptionsOfADeviceWithoutOneAreRefused) {
  build_snapshot();
  const std::vector<std::vector<std::string>> unusable = {
      {"--device-bandwidth", "1"},
      {"--device-memory-bytes", "100000"},
      {"--backend", "device:none"},
      {"--backend", "device:sim", "--device-memory-bytes", "0"},
      {"--backend", "device:sim", "--device-bandwidth", "-1"},
      {"--cuda-route", "and-xor"},
      {"--backend", "cuda", "--cuda-route", "fastest"},
  };
  for (const auto& options : unusable) {
    std::vector<std::string> arguments = {"serve",      "--snapshot", file("table.manifest.json"),
                                          "--party",    "0",          "--listen",
                                          "127.0.0.1:0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    auto process = run(arguments, "serve.log");
    EXPECT_EQ(process.wait(limit), 1) << text_of("serve.log");
  }
}

// Whether this build has CUDA or not, and this machine a GPU or not: none is shown to the process.
TEST_F(ServeProcess, WithoutAGpuTheCudaBackendFailsWithASentence) {
  build_snapshot();
  ASSERT_EQ(::setenv("CUDA_VISIBLE_DEVICES", "", 1), 0);
  auto process = run({"serve", "--snapshot", file("table.manifest.json"), "--party", "0",
                      "--listen", "127.0.0.1:0", "--backend", "cuda"},
                     "serve.log");
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(process.wait(limit), 1);
  EXPECT_NE(text_of("serve.log").find("CUDA"), std::string::npos) << text_of("serve.log");
}

TEST_F(ServeProcess, WithoutAUsableSnapshotItFailsWithASentence) {
  auto process =
      run({"serve", "--snapshot", file("none"), "--party", "0", "--listen", "127.0.0.1:0"},
          "serve.log");
  EXPECT_EQ(process.wait(limit), 1);
  EXPECT_NE(text_of("serve.log").find("gyre serve: the manifest"), std::string::npos)
      << text_of("serve.log");
}

TEST_F(ServeProcess, ATableBeyondTheMemoryLimitIsRefusedWithASentence) {
  build_snapshot();
  auto process = run({"serve", "--snapshot", file("table.manifest.json"), "--party", "0",
                      "--listen", "127.0.0.1:0", "--memory-limit-bytes", "4096"},
                     "serve.log");
  EXPECT_EQ(process.wait(limit), 1);
  EXPECT_NE(text_of("serve.log").find("memory limit"), std::string::npos) << text_of("serve.log");
}

TEST_F(ServeProcess, OptionsThatCannotBeAreRefused) {
  const std::vector<std::vector<std::string>> unusable = {
      {},
      {"--party", "0"},
      {"--snapshot", "x"},
      {"--snapshot", "x", "--party", "2"},
      {"--snapshot", "x", "--party", "-1"},
      {"--snapshot", "x", "--party", "0", "--max-keys", "2"},
      {"--snapshot", "x", "--party", "0", "--max-keys", "-1"},
      {"--snapshot", "x", "--party", "0", "--head-timeout", "0"},
      {"--snapshot", "x", "--party", "0", "--head-timeout", "nan"},
      {"--snapshot", "x", "--party", "0", "--retain-epochs", "1025"},
      {"--snapshot", "x", "--party", "0", "--max-streams", "4097"},
      {"--snapshot", "x", "--party", "0", "--stream-heartbeat", "0"},
      {"--snapshot", "x", "--party", "0", "--retain-seconds", "9223372036854775807"},
      {"--snapshot", "x", "--party", "0", "--request-timeout", "0"},
      {"--snapshot", "x", "--party", "0", "--listen", "nowhere"},
      {"--snapshot", "x", "--party", "0", "--log-level", "loud"},
      {"--snapshot", "x", "--party", "0", "--tls-cert", "x"},
      {"--snapshot", "x", "--party", "0", "--unknown"},
  };
  for (const auto& options : unusable) {
    std::vector<std::string> arguments = {"serve"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    auto process = run(arguments, "serve.log");
    EXPECT_EQ(process.wait(limit), 2) << text_of("serve.log");
  }
}

}  // namespace
}  // namespace gyre::server
