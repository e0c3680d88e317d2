// Code that runs on a GPU and, so that it can be tested without one, on the host.
//
// Headers that use this hold the whole algorithm of a kernel: nvcc makes device code of it, every
// other compiler ordinary functions. They include nothing that nvcc could not compile.
#pragma once

#include "core/unroll.hpp"

#if defined(__CUDACC__)
#define GYRE_ON_DEVICE __device__
#else
#define GYRE_ON_DEVICE
#endif
