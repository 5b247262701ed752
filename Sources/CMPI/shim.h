// MPICH for Swift. Needs libmpich-dev: `sudo apt-get install libmpich-dev`.
#pragma once
#if !__has_include(<mpich/mpi.h>)
#error "MPICH is missing. Install it with: sudo apt-get install libmpich-dev"
#endif

// Debian's mpi.h includes <mpi_proto.h> as if its folder were on the search path. It is not, and need not be: the
// prototypes are left out there and included here.
#define MPICH_SUPPRESS_PROTOTYPES
#include <mpich/mpi.h>
#include <mpich/mpi_proto.h>

// Swift imports constants that are casts of plain literals; these are not.
static const int switchyard_any_source = MPI_ANY_SOURCE;
static const int switchyard_any_tag = MPI_ANY_TAG;
