// oneDNN for Swift. Needs libdnnl-dev: `sudo apt-get install libdnnl-dev`.
#pragma once
#if !__has_include(<dnnl.h>)
#error "oneDNN is missing. Install it with: sudo apt-get install libdnnl-dev"
#endif
#include <dnnl.h>

// libgomp's only entry point that is needed: oneDNN must not start threads of its own (docs/decisions).
void omp_set_num_threads(int count);
