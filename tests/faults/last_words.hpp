// What is to be said where a program ends without a test's saying anything: by a signal (a crash, a
// time-out of who runs it) or by a sanitizer.
#pragma once

#include <string_view>

namespace gyre::faults {

// Replaces what was to be said before; as long as it is empty, nothing is. Only the first kilobyte
// is kept. For one thread at a time.
void set_last_words(std::string_view words);

}  // namespace gyre::faults
