#include "../vector_neon.h"
#define UNROLLED_ISA neon
#include "../kernels_body.h"
