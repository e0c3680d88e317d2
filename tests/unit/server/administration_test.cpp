#include "harness/server/administration.hpp"

#include <gtest/gtest.h>

#include "tests/support/corrupting_backend.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {
namespace {

// The code of a rotation to a table that becomes another one on its way into host memory.
std::optional<std::string> code_of_corrupted_rotation(HostImages host_images) {
  const auto cpu =
      CpuBackend::create({.kernel = "portable", .executor = "pool", .threads = 1}).value();
  CorruptingBackend corrupting(*cpu, 12345);
  Retirer retirer;
  EpochTable epochs("0123456789abcdef", RetentionPolicy{}, retirer);
  Metrics metrics;
  const TestSnapshot snapshot(0);
  auto origin = std::make_unique<FakeOrigin>();
  snapshot.publish_at(*origin);
  Administration administration(epochs, retirer, metrics, {&corrupting}, host_images,
                                std::move(origin), {});
  const auto rotation = administration.rotations().start(snapshot.raw()).value();
  rotation->wait();
  const auto error = rotation->document().error;
  return error ? std::optional(error->code) : std::nullopt;
}

TEST(Administration, HostImagesOfRotationsAreCheckedWhereThatIsAskedFor) {
  EXPECT_EQ(code_of_corrupted_rotation(HostImages::checked), "image_corrupt");
  EXPECT_EQ(code_of_corrupted_rotation(HostImages::unchecked), std::nullopt);
}

}  // namespace
}  // namespace gyre::server
