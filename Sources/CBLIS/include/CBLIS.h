// BLIS for Swift. Its own header is kept away from Swift's importer: it defines macros of POSIX that clash with Glibc's module.
#pragma once

// C = A·B + beta·C, one thread. Strides are in elements; C's columns are contiguous.
void switchyard_sgemm(
  long rows, long columns, long inner, const float *a, long a_row_stride, long a_column_stride, const float *b,
  long b_row_stride, long b_column_stride, float beta, float *c, long c_row_stride);

// Whether this processor has the AVX-512 instructions that oneDNN's batch-invariant kernels need.
int switchyard_has_avx512(void);
