#include "../vector_portable.h"
#define UNROLLED_ISA portable
#include "../kernels_body.h"
