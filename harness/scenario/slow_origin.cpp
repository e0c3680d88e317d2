#include "harness/scenario/slow_origin.hpp"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "harness/snapshot/manifest.hpp"

namespace gyre::scenario {
namespace {

using Clock = std::chrono::steady_clock;

// A file on its way to one reader.
struct Sending {
  std::ifstream file;
  std::uint64_t bytes_per_second = 0;
  Clock::time_point begun = Clock::now();
  std::uint64_t sent = 0;
  std::vector<char> piece = std::vector<char>(256 * 1024);

  bool send(std::size_t offset, std::size_t length, httplib::DataSink& sink) {
    std::size_t bytes = std::min(length, piece.size());
    if (bytes_per_second > 0) {
      // A twentieth of a second at a time, so that it comes evenly.
      bytes = std::min(bytes,
                       static_cast<std::size_t>(std::max<std::uint64_t>(bytes_per_second / 20, 1)));
      const std::chrono::duration<double> due(static_cast<double>(sent) /
                                              static_cast<double>(bytes_per_second));
      std::this_thread::sleep_until(begun + std::chrono::duration_cast<Clock::duration>(due));
    }
    file.seekg(static_cast<std::streamoff>(offset));
    if (!file.read(piece.data(), static_cast<std::streamsize>(bytes))) return false;
    sent += bytes;
    return sink.write(piece.data(), bytes);
  }
};

}  // namespace

class SlowOrigin::Listener {
 public:
  explicit Listener(const std::filesystem::path& directory) {
    server_.set_keep_alive_max_count(1);
    server_.Get(R"(/([A-Za-z0-9_.-]+))",
                [this, directory](const httplib::Request& request, httplib::Response& response) {
                  const std::string name = request.matches[1];
                  auto sending = std::make_shared<Sending>();
                  sending->bytes_per_second = bytes_per_second_;
                  std::error_code failed;
                  const auto size = std::filesystem::file_size(directory / name, failed);
                  sending->file.open(directory / name, std::ios::binary);
                  if (!snapshot::is_plain_file_name(name) || failed || !sending->file) {
                    response.status = 404;
                    return;
                  }
                  response.set_content_provider(
                      size, "application/octet-stream",
                      [sending](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                        return sending->send(offset, length, sink);
                      });
                });
    port_ = server_.bind_to_any_port("127.0.0.1");
    if (port_ <= 0) return;
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // Its stop() would be overlooked before it runs.
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Listener() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] int port() const noexcept { return port_; }
  void set_rate(std::uint64_t bytes_per_second) noexcept { bytes_per_second_ = bytes_per_second; }

 private:
  std::atomic<std::uint64_t> bytes_per_second_ = 0;
  httplib::Server server_;
  int port_ = -1;
  std::thread thread_;
};

SlowOrigin::SlowOrigin(std::unique_ptr<Listener> listener) noexcept
    : listener_(std::move(listener)) {}
SlowOrigin::~SlowOrigin() = default;

Result<std::unique_ptr<SlowOrigin>> SlowOrigin::start(const std::filesystem::path& directory) {
  auto listener = std::make_unique<Listener>(directory);
  if (listener->port() <= 0) {
    return fail(ErrorCode::io_failed, "no port for an origin of snapshots");
  }
  return std::unique_ptr<SlowOrigin>(new SlowOrigin(std::move(listener)));
}

std::string SlowOrigin::host() const {
  return "127.0.0.1:" + std::to_string(listener_->port());
}

void SlowOrigin::set_rate(std::uint64_t bytes_per_second) noexcept {
  listener_->set_rate(bytes_per_second);
}

}  // namespace gyre::scenario
