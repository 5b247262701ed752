#include "CBLIS.h"

#if !__has_include(<blis.h>)
#error "BLIS is missing. Install it with: sudo apt-get install libblis-serial-dev"
#endif
#include <blis.h>

void switchyard_sgemm(
  long rows, long columns, long inner, const float *a, long a_row_stride, long a_column_stride, const float *b,
  long b_row_stride, long b_column_stride, float beta, float *c, long c_row_stride)
{
  // BLIS's separate path for small matrices is turned off: it picks its kernels by the number of rows, and a row's bits
  // would depend on the rows beside it.
  rntm_t settings;
  bli_rntm_init_from_global(&settings);
  bli_rntm_set_num_threads(1, &settings);
  bli_rntm_set_l3_sup(FALSE, &settings);
  float one = 1;
  bli_sgemm_ex(
    BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, rows, columns, inner, &one, (float *)a, a_row_stride, a_column_stride,
    (float *)b, b_row_stride, b_column_stride, &beta, c, c_row_stride, 1, NULL, &settings);
}

int switchyard_has_avx512(void)
{
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return 0;
#endif
}
