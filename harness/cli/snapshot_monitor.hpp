// What a long run on a snapshot shows, and how it is stopped.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "harness/cli/termination.hpp"
#include "harness/report/progress_line.hpp"
#include "harness/snapshot/progress.hpp"

namespace gyre::cli {

// Shows progress and passes on that the process was asked to end, so that the work can clear its
// files away.
class SnapshotMonitor {
 public:
  snapshot::Watch watch() {
    return {[this](const snapshot::Progress& progress) { show(progress); }, termination_.token()};
  }

  // Ends the line that was drawn last.
  void end() { line_.reset(); }

 private:
  void show(const snapshot::Progress& progress) {
    if (!line_ || progress.phase != phase_) {
      end();
      phase_ = progress.phase;
      line_ = std::make_unique<report::ProgressLine>(std::string(phase_));
    }
    line_->update(progress.done, progress.total);
  }

  Termination termination_;
  std::string_view phase_;
  std::unique_ptr<report::ProgressLine> line_;
};

}  // namespace gyre::cli
