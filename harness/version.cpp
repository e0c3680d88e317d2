#include "harness/version.hpp"

#include "harness/version_commit.hpp"

namespace gyre {

std::string_view version() noexcept {
  return GYRE_VERSION;
}

std::string_view source_commit() noexcept {
  return GYRE_SOURCE_COMMIT;
}

std::string build_description() {
  std::string text = "commit ";
  text += source_commit();
#if defined(__clang__)
  text += ", clang " __clang_version__;
#elif defined(__GNUC__)
  text += ", g++ " __VERSION__;
#endif
  text += ", " GYRE_BUILD_TYPE;
  if (std::string_view(GYRE_SANITIZERS) != "none") text += ", sanitizers " GYRE_SANITIZERS;
#if defined(GYRE_FAULT_POINTS)
  text += ", with fault points";
#endif
  return text;
}

}  // namespace gyre
