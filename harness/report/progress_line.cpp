#include "harness/report/progress_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "harness/report/text.hpp"

namespace gyre::report {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t bar_columns = 30;

}  // namespace

ProgressLine::ProgressLine(std::string label)
    : label_(std::move(label)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_(std::chrono::steady_clock::now() + (terminal_ ? 0s : 5s)) {}

ProgressLine::~ProgressLine() {
  if (!drawn_) return;
  draw(last_done_, last_total_);
  if (terminal_) std::fputc('\n', stderr);
}

void ProgressLine::update(std::uint64_t done, std::uint64_t total, std::string note) {
  note_ = std::move(note);
  last_done_ = done;
  last_total_ = total;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000));
  draw(done, total);
}

void ProgressLine::draw(std::uint64_t done, std::uint64_t total) {
  drawn_ = true;
  std::string text = label_ + " ";
  if (total > 0) {
    const std::uint64_t filled = done >= total ? bar_columns : done * bar_columns / total;
    text += fmt::format("[{:#<{}}{:.<{}}] {} of {}", "", filled, "", bar_columns - filled,
                        count_text(done), count_text(total));
  } else {
    text += count_text(done);
  }
  if (!note_.empty()) text += " " + note_;
  // Carriage return and "erase to the end of the line" redraw in place.
  std::fputs((terminal_ ? "\r" + text + "\033[K" : text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace gyre::report
