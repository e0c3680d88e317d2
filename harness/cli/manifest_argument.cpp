#include "harness/cli/options.hpp"
#include "harness/cli/snapshot_commands.hpp"

namespace gyre::cli {

namespace po = boost::program_options;

std::variant<std::filesystem::path, int> manifest_argument(
    const std::string& command, std::string summary, const std::vector<std::string>& arguments) {
  Options options(command, "MANIFEST", std::move(summary));
  options.add()("manifest", po::value<std::string>()->required()->value_name("FILE"),
                "NAME.manifest.json, also without this word");
  options.add_positional("manifest", 1);
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  return std::filesystem::path(std::get<po::variables_map>(parsed)["manifest"].as<std::string>());
}

}  // namespace gyre::cli
