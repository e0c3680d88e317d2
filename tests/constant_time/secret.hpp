// Checks for constant time with valgrind's memcheck: memory that holds a secret is marked
// undefined, and memcheck then reports every branch and every address that depends on it.
//
// A check marks its inputs, runs what is to be checked, marks the output as no longer secret and
// compares it with what it should be. It returns passed or skipped; a leak turns valgrind's exit
// status, and with it the test, into a failure.
#pragma once

#include <valgrind/memcheck.h>

#include <cstdio>
#include <span>
#include <string_view>

namespace gyre::constant_time {

// Exit statuses; Meson takes 77 for "skipped".
inline constexpr int passed = 0;
inline constexpr int failed = 1;
inline constexpr int skipped = 77;

// From now on, branching on these bytes or using them in an address is reported.
template <typename T>
void mark_secret(std::span<T> memory) {
  static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(memory.data(), memory.size_bytes()));
}
template <typename T>
void mark_secret(T& object) {
  mark_secret(std::span<T>(&object, 1));
}

// Ends that.
template <typename T>
void mark_public(std::span<T> memory) {
  static_cast<void>(VALGRIND_MAKE_MEM_DEFINED(memory.data(), memory.size_bytes()));
}
template <typename T>
void mark_public(T& object) {
  mark_public(std::span<T>(&object, 1));
}

// Without valgrind the marks do nothing and a check would pass whatever it ran.
[[nodiscard]] inline bool under_valgrind() {
  return RUNNING_ON_VALGRIND != 0;
}

// How many branches and addresses that depend on secrets memcheck has reported so far.
[[nodiscard]] inline unsigned long reported() {
  return VALGRIND_COUNT_ERRORS;
}

// Prints why and returns `skipped`.
[[nodiscard]] inline int skip(std::string_view reason) {
  std::printf("skipped: %.*s\n", static_cast<int>(reason.size()), reason.data());
  return skipped;
}

// Prints why and returns `failed`.
[[nodiscard]] inline int fail_check(std::string_view reason) {
  std::printf("failed: %.*s\n", static_cast<int>(reason.size()), reason.data());
  return failed;
}

}  // namespace gyre::constant_time
