#include "nn/row_kernels_body.h"

namespace greenroom::nn {

const RowKernels& avx512_row_kernels() {
  return kKernels;
}

}  // namespace greenroom::nn
