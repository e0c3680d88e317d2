// Loops over register arrays, which must be unrolled whole, for compilers that need to be told; and
// loops for which the compiler's own choice costs too many registers.
#pragma once

#if defined(__CUDACC__)
#define GYRE_PRAGMA(text) _Pragma(#text)
#define GYRE_UNROLL _Pragma("unroll")
#define GYRE_UNROLL_TIMES(times) GYRE_PRAGMA(unroll(times))
#else
#define GYRE_UNROLL
#define GYRE_UNROLL_TIMES(times)
#endif
