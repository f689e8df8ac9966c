#include "../vector_avx512.h"
#define UNROLLED_ISA avx512
#include "../kernels_body.h"
