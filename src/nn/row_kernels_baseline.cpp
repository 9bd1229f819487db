#include "nn/row_kernels_body.h"

namespace greenroom::nn {

const RowKernels& baseline_row_kernels() {
  return kKernels;
}

}  // namespace greenroom::nn
