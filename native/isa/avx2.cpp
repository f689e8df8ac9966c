#include "../vector_avx2.h"
#define UNROLLED_ISA avx2
#include "../kernels_body.h"
