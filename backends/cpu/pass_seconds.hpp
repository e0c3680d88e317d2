// How measurements learn what a pass did.
#pragma once

namespace gyre::cpu {

// Where the time of a pass went, wall clock.
struct PassSeconds {
  double expansion = 0;  // keys to selection bits
  double scan = 0;       // selection bits and rows to answers
  double overlay = 0;
};

}  // namespace gyre::cpu
