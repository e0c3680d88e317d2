// RapidCheck generators that several tests share.
#pragma once

#include <rapidcheck.h>

namespace gyre {

// Uniform in [min, max) from the first case on; RapidCheck's own inRange begins near min and
// widens.
template <typename T>
rc::Gen<T> anywhere_in(T min, T max) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(min, max));
}

}  // namespace gyre
