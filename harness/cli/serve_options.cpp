#include "harness/cli/serve_options.hpp"

#include <cstdint>
#include <utility>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cuda/cuda_device.hpp"
#include "backends/cuda/open_gpu.hpp"
#include "backends/device/device_backend.hpp"
#include "backends/device/simulated_device.hpp"
#include "backends/reference/reference_backend.hpp"
#include "harness/cli/option_reader.hpp"
#include "harness/cli/rotation_options.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

// A key lies in one of three rows, and a client asks for all of them in one request.
constexpr std::int64_t keys_of_a_lookup = 3;

double in_seconds(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

}  // namespace

void add_serve_options(Options& options) {
  const server::ServerConfiguration standard;
  const auto text = [](const char* shape) { return po::value<std::string>()->value_name(shape); };
  const auto number = [](std::uint64_t value) {
    return po::value<std::int64_t>()
        ->default_value(static_cast<std::int64_t>(value))
        ->value_name("N");
  };
  const auto seconds = [](std::chrono::milliseconds value) {
    return po::value<double>()->default_value(in_seconds(value))->value_name("SECONDS");
  };
  const server::HttpLimits& http = standard.http;
  const server::QueryLimits& queries = standard.queries;
  add_admin_serve_options(options);
  add_rotation_options(options);
  options.add()("snapshot", text("MANIFEST")->required(), "manifest of the snapshot to serve")(
      "party", po::value<std::int64_t>()->required()->value_name("0|1"),
      "which of the two servers this is; keys of the other are refused")(
      "backend", text("NAME")->default_value("cpu"),
      "cpu; cuda, a GPU with the CPU behind it; device:sim, a simulated device; or reference "
      "(slow, for comparison)")("kernel", text("NAME"),
                                "force the scan kernel: avx512gfni, avx512, avx2 or portable")(
      "expansion-kernel", text("NAME"), "force the kernel that expands keys")(
      "executor", text("NAME"),
      "force tbb or pool; by itself tbb, on machines of several memory nodes pool, which keeps "
      "threads to the memory near them")("threads", number(0),
                                         "threads of one pass; 0: as many as may run at once")(
      "pin-threads", po::bool_switch(),
      "keep the threads that work on passes each on one processor: for machines that serve nothing "
      "else")("memory-limit-bytes", number(0),
              "rows and scans of the cpu backend together; 0: the machine's memory, or the control "
              "group's")(
      "device-memory-bytes", number(device::SimulatedDeviceOptions{}.capacity_bytes),
      "capacity of device:sim; an epoch for which it has no room is served from the CPU meanwhile")(
      "check-host-images", po::bool_switch(),
      "read every image in host memory back and compare it with what was staged before it serves; "
      "images on a device always are")("device-bandwidth", number(0),
                                       "of copies to and from it, bytes a second; 0: unlimited")(
      "cuda-route", text("NAME"),
      "how --backend cuda scans for many queries at once: and-xor (the default), tensor-bits or "
      "tensor-bytes; answers are the same")("listen",
                                            text("HOST:PORT")->default_value("127.0.0.1:8080"),
                                            "where to listen; port 0: any free one")(
      "ready-file", text("FILE"), "write the URL there once queries are answered")(
      "tls-cert", text("FILE"), "PEM certificate chain; with --tls-key the listener speaks TLS")(
      "tls-key", text("FILE"), "PEM private key, unencrypted")(
      "allow-plain", po::bool_switch(),
      "listen off loopback without TLS; only for a proxy in front that ends TLS")(
      "max-keys", number(queries.max_keys), "keys in one request, 3 or more")(
      "max-answer-bytes", number(queries.max_answer_bytes), "answers to one request together")(
      "answer-memory-bytes", number(queries.answer_memory_bytes),
      "answers that are not yet sent, of all requests")(
      "max-pass-queries", number(queries.max_pass_queries),
      "queries that one scan answers, of all requests together; 1 to 1024")(
      "max-passes", number(queries.max_passes), "scans at once, of different images; 1 to 16")(
      "pass-parts", number(8),
      "parts of a scan on the CPU between which queries can join it, at most 1024, fewer where one "
      "would have less than 64 MiB a thread; 1: queries join only between scans")(
      "max-waiting", number(queries.max_waiting), "requests that wait for a scan; more get 503")(
      "queue-timeout", seconds(queries.patience), "how long one of them waits for its first scan")(
      "request-timeout", seconds(queries.request_time),
      "for all answers to one request; beyond, it gets 503")(
      "max-connections", number(http.max_connections),
      "connections served at once; beyond, an idle one is closed, or else the slowest")(
      "max-head-bytes", number(http.max_head_bytes), "request line and headers")(
      "head-timeout", seconds(http.head_time), "for a whole head, or a TLS handshake")(
      "body-timeout", seconds(http.body_time), "for a whole body")(
      "send-timeout", seconds(http.send_time), "for a whole response")(
      "idle-timeout", seconds(http.idle_time), "between requests on a connection")(
      "max-streams", number(standard.streams.max_streams),
      "clients that follow /epoch/stream at once, beside the connections, at most 4096; more get "
      "503")("stream-heartbeat", seconds(standard.streams.heartbeat),
             "between comments on a stream on which nothing happens")(
      "retain-epochs", number(standard.retention.retain_epochs),
      "earlier epochs held, at most 1024")(
      "retain-seconds", number(static_cast<std::uint64_t>(standard.retention.retain_for.count())),
      "how long, since each stopped being current; at most 10^9")(
      "retain-bases", number(standard.retention.retain_bases), "bases held beside the current one")(
      "drain-delay", seconds(std::chrono::milliseconds(0)),
      "on SIGTERM, say \"draining\" so long before accepting no more")(
      "drain-timeout", seconds(std::chrono::seconds(30)),
      "then so long for requests that have begun")(
      "log-level", text("LEVEL")->default_value("info"), "debug, info, warn or error");
}

Result<ServeSettings> read_serve_settings(const po::variables_map& values) {
  ServeSettings settings;
  settings.manifest = text_of(values, "snapshot");
  if (values["check-host-images"].as<bool>()) settings.host_images = HostImages::checked;
  settings.ready_file = text_of(values, "ready-file");
  settings.log_level = text_of(values, "log-level");
  if (const std::string& level = settings.log_level;
      level != "debug" && level != "info" && level != "warn" && level != "error") {
    return unusable("log-level", "debug, info, warn or error");
  }

  server::ServerConfiguration& server = settings.server;
  auto address = server::ListenAddress::parse(text_of(values, "listen"));
  if (!address) return forward_error(address);
  server.listen = std::move(*address);
  server.tls_certificate_file = text_of(values, "tls-cert");
  server.tls_key_file = text_of(values, "tls-key");
  server.allow_plain = values["allow-plain"].as<bool>();

  OptionReader reader(values);
  std::int64_t retain_seconds = 0;
  reader.number("party", server.party, 0);
  reader.number("max-keys", server.queries.max_keys, keys_of_a_lookup);
  reader.number("max-answer-bytes", server.queries.max_answer_bytes);
  reader.number("answer-memory-bytes", server.queries.answer_memory_bytes);
  reader.number("max-pass-queries", server.queries.max_pass_queries);
  reader.number("max-passes", server.queries.max_passes);
  reader.number("max-waiting", server.queries.max_waiting, 0);
  reader.seconds("queue-timeout", server.queries.patience);
  reader.seconds("request-timeout", server.queries.request_time);
  reader.number("max-connections", server.http.max_connections);
  reader.number("max-head-bytes", server.http.max_head_bytes);
  reader.seconds("head-timeout", server.http.head_time);
  reader.seconds("body-timeout", server.http.body_time);
  reader.seconds("send-timeout", server.http.send_time);
  reader.seconds("idle-timeout", server.http.idle_time);
  reader.number("max-streams", server.streams.max_streams, 0);
  reader.seconds("stream-heartbeat", server.streams.heartbeat);
  server.streams.send_time = server.http.send_time;
  reader.number("retain-epochs", server.retention.retain_epochs, 0);
  reader.number("retain-seconds", retain_seconds, 0);
  reader.number("retain-bases", server.retention.retain_bases, 0);
  reader.seconds("drain-delay", settings.drain_delay, /*may_be_zero=*/true);
  reader.seconds("drain-timeout", settings.drain_timeout, /*may_be_zero=*/true);
  if (reader.error()) return tl::unexpected<Error>(*reader.error());
  server.retention.retain_for = std::chrono::seconds(retain_seconds);
  auto rotations = read_rotation_settings(values);
  if (!rotations) return forward_error(rotations);
  settings.rotations = std::move(*rotations);
  auto admin = read_admin_settings(values);
  if (!admin) return forward_error(admin);
  settings.admin = std::move(*admin);
  if (auto checked = server.check(); !checked) return forward_error(checked);
  return settings;
}

std::vector<Backend*> Backends::all() const {
  std::vector<Backend*> list;
  for (const auto& backend : preferred_first) list.push_back(backend.get());
  return list;
}

std::vector<Backend*> Backends::devices() const {
  std::vector<Backend*> list = all();
  std::erase_if(list, [](const Backend* backend) { return backend->place() == Place::host; });
  return list;
}

std::vector<std::string> Backends::names() const {
  std::vector<std::string> list;
  for (const auto& backend : preferred_first) list.emplace_back(backend->name());
  return list;
}

Result<Backends> make_backends(const po::variables_map& values) {
  const std::string name = text_of(values, "backend");
  CpuBackendOptions options;
  options.kernel = text_of(values, "kernel");
  options.expansion_kernel = text_of(values, "expansion-kernel");
  options.executor = text_of(values, "executor");
  options.pin_threads = values["pin-threads"].as<bool>();
  device::SimulatedDeviceOptions device;
  OptionReader reader(values);
  reader.number("threads", options.threads, 0);
  reader.number("memory-limit-bytes", options.memory_limit_bytes, 0);
  reader.number("pass-parts", options.parts);
  reader.number("device-memory-bytes", device.capacity_bytes);
  reader.number("device-bandwidth", device.bandwidth, 0);
  if (reader.error()) return tl::unexpected<Error>(*reader.error());
  const bool simulated = name == "device:sim";
  if (!simulated && (!values["device-memory-bytes"].defaulted() || device.bandwidth != 0)) {
    return fail(ErrorCode::bad_configuration,
                "--device-memory-bytes and --device-bandwidth are for --backend device:sim");
  }
  Backends backends;
  if (name == "reference") {
    if (!options.kernel.empty() || !options.expansion_kernel.empty() || !options.executor.empty() ||
        options.threads != 0 || options.pin_threads || options.memory_limit_bytes != 0) {
      return fail(ErrorCode::bad_configuration,
                  "the reference backend has no kernels, threads or memory limit to choose");
    }
    backends.preferred_first.push_back(std::make_unique<ReferenceBackend>());
    return backends;
  }
  if (name != "cpu" && name != "cuda" && !simulated) {
    return unusable("backend", "cpu, cuda, device:sim or reference");
  }
  const std::string route = text_of(values, "cuda-route");
  if (!route.empty() && name != "cuda") {
    return fail(ErrorCode::bad_configuration, "--cuda-route is for --backend cuda");
  }
  if (name == "cuda") {
    cuda::PassLimits limits;
    if (!route.empty()) {
      const auto found = cuda::route_of_name(route);
      if (!found) return unusable("cuda-route", "and-xor, tensor-bits or tensor-bytes");
      limits.route = *found;
    }
    auto gpu = cuda::open_gpu();
    if (!gpu) return forward_error(gpu);
    backends.preferred_first.push_back(std::make_unique<DeviceBackend>(
        std::make_shared<cuda::CudaDevice>(std::move(*gpu), limits)));
  }
  if (simulated) {
    backends.preferred_first.push_back(
        std::make_unique<DeviceBackend>(std::make_shared<device::SimulatedDevice>(device)));
  }
  auto cpu = CpuBackend::create(options);
  if (!cpu) return forward_error(cpu);
  backends.preferred_first.push_back(std::move(*cpu));
  return backends;
}

}  // namespace gyre::cli
