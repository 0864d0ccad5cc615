// Matrix products of training and prefill beside the multiply-add peak, and of decode beside the read bandwidth.
//   bench_gemm
#include <fmt/format.h>

#include <vector>

#include "kernels/gemm.h"
#include "machine.h"

namespace hindscan::bench {
namespace {

using kernels::GemmShape;

struct Product {
  const char* name;
  GemmShape shape;
  float beta;
};

// d_model 256, d_inner 512 and 4096 tokens for training; mamba-130m's widths for prefill.
const Product kProducts[] = {{"prefill in_proj", {512, 3072, 768, false, true}, 0},
                             {"prefill out_proj", {512, 768, 1536, false, true}, 0},
                             {"prefill, 64 tokens", {64, 3072, 768, false, true}, 0},
                             {"prefill, 8 tokens", {8, 3072, 768, false, true}, 0},
                             {"in_proj", {4096, 1024, 256, false, true}, 0},
                             {"x_proj", {4096, 48, 512, false, true}, 0},
                             {"dt_proj", {4096, 512, 16, false, true}, 0},
                             {"out_proj", {4096, 256, 512, false, true}, 0},
                             {"head", {4096, 4096, 256, false, true}, 0},
                             {"in_proj dx", {4096, 256, 1024}, 0},
                             {"head dx", {4096, 256, 4096}, 0},
                             {"in_proj dw", {1024, 256, 4096, true, false}, 1},
                             {"x_proj dw", {48, 512, 4096, true, false}, 1},
                             {"head dw", {4096, 256, 4096, true, false}, 1}};

void bench_product(const Product& p, const Machine& machine) {
  const GemmShape& s = p.shape;
  const int64_t lda = s.trans_a ? s.M : s.K, ldb = s.trans_b ? s.K : s.N;
  const std::vector<float> A(static_cast<size_t>(s.M * s.K), 0.5f), B(static_cast<size_t>(s.K * s.N), 0.25f);
  std::vector<float> C(static_cast<size_t>(s.M * s.N), 0.0f);
  std::vector<uint16_t> a(A.size()), b(B.size());
  kernels::convert(A.data(), a.data(), static_cast<int64_t>(a.size()), DType::kBF16);
  kernels::convert(B.data(), b.data(), static_cast<int64_t>(b.size()), DType::kBF16);
  const double work = 2e-9 * static_cast<double>(s.M) * static_cast<double>(s.N) * static_cast<double>(s.K);
  const double f32 =
      work / best_seconds([&] { kernels::gemm(s, A.data(), lda, B.data(), ldb, p.beta, C.data(), s.N); });
  fmt::print("{:20} M {:4} N {:4} K {:4}  f32 {:7.1f} GF/s {}", p.name, s.M, s.N, s.K, f32,
             percent_of(f32, machine.f32_gflops));
  if (machine.bf16_gflops > 0) {
    const double bf16 =
        work / best_seconds([&] { kernels::gemm_bf16(s, a.data(), lda, b.data(), ldb, p.beta, C.data(), s.N); });
    fmt::print("  bf16 {:7.1f} GF/s {}", bf16, percent_of(bf16, machine.bf16_gflops));
  }
  fmt::print("\n");
}

// The weights fill 512 MiB, so that no cache holds them from one call to the next.
void bench_decode(const HugeBuffer& weights, int64_t M, DType type) {
  const int64_t K = 768, row = K * static_cast<int64_t>(dtype_size(type));
  const int64_t N = static_cast<int64_t>(weights.size()) / row;
  const std::vector<float> x(static_cast<size_t>(M * K), 1.0f);
  std::vector<float> y(static_cast<size_t>(M * N));
  const double seconds = best_seconds([&] { kernels::linear(M, N, K, x.data(), weights.data(), type, y.data()); });
  const double rate = static_cast<double>(N * row) / seconds * 1e-9;
  fmt::print("decode, {} sequence(s), {:4}  {:5.1f} GB/s of weights, {} of read\n", M, dtype_name(type), rate,
             percent_of_read(rate));
}

void run() {
  const Machine machine = measure_machine();
  fmt::print("gemm: {}\n", kernels::gemm_isa());
  for (const Product& p : kProducts) bench_product(p, machine);
  const HugeBuffer weights(size_t{512} << 20);
  std::fill_n(weights.as<uint16_t>(), weights.size() / 2, uint16_t{0x3c00});
  for (const DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const int64_t M : {1, 4, 7}) bench_decode(weights, M, type);
  }
}

}  // namespace
}  // namespace hindscan::bench

int main() { return hindscan::bench::run_main("bench_gemm", hindscan::bench::run); }
