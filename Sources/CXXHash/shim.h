// xxHash for Swift. Needs libxxhash-dev: `sudo apt-get install libxxhash-dev`.
#pragma once
#if !__has_include(<xxhash.h>)
#error "xxHash is missing. Install it with: sudo apt-get install libxxhash-dev"
#endif
#include <xxhash.h>
