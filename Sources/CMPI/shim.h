// MPICH for Swift. Needs libmpich-dev: `sudo apt-get install libmpich-dev`.
#pragma once
#if !__has_include(<mpich/mpi.h>)
#error "MPICH is missing. Install it with: sudo apt-get install libmpich-dev"
#endif
#include <mpich/mpi.h>
