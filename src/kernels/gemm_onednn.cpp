// The only file that knows oneDNN (2.6, v2 API).
#include "base/cpu.h"
#include "base/error.h"
#include "kernels/gemm_backend.h"

#if HINDSCAN_ONEDNN
#include <omp.h>

#include <list>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

namespace hindscan::kernels {
namespace {

dnnl::cpu_isa cap_for(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
    case Isa::kSse4: return dnnl::cpu_isa::sse41;
    case Isa::kAvx2: return dnnl::cpu_isa::avx2;
    case Isa::kAvx512: return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::kAvx512Bf16: return dnnl::cpu_isa::avx512_core_bf16;
  }
  return dnnl::cpu_isa::sse41;
}

// Must run before oneDNN's first primitive; set_max_cpu_isa refuses afterwards.
const dnnl::engine& engine() {
  static const dnnl::engine cpu = [] {
    const dnnl::status status = dnnl::set_max_cpu_isa(cap_for(allowed_isa()));
    check(status == dnnl::status::success, ErrorCode::kInternal,
          "[gemm] expected to cap oneDNN at {}, found status {}; oneDNN was used before Hindscan in this process",
          isa_name(allowed_isa()), static_cast<int>(status));
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return cpu;
}

struct Key {
  GemmShape shape;
  DType type;
  int64_t lda, ldb, ldc;
  bool accumulate;
  int threads;
  auto tie() const {
    return std::tie(shape.M, shape.N, shape.K, shape.trans_a, shape.trans_b, type, lda, ldb, ldc, accumulate, threads);
  }
  bool operator<(const Key& other) const { return tie() < other.tie(); }
};

struct Plan {
  dnnl::memory::desc a, b, c;
  dnnl::matmul primitive;
};

dnnl::memory::desc matrix(int64_t rows, int64_t cols, bool transposed, int64_t ld, dnnl::memory::data_type type) {
  return {{rows, cols}, type, transposed ? dnnl::memory::dims{1, ld} : dnnl::memory::dims{ld, 1}};
}

Plan make_plan(const Key& key) {
  const auto in = key.type == DType::kBF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const GemmShape& s = key.shape;
  Plan plan;
  plan.a = matrix(s.M, s.K, s.trans_a, key.lda, in);
  plan.b = matrix(s.K, s.N, s.trans_b, key.ldb, in);
  plan.c = matrix(s.M, s.N, false, key.ldc, dnnl::memory::data_type::f32);
  dnnl::primitive_attr attr;
  if (key.accumulate) {
    dnnl::post_ops ops;
    ops.append_sum(1.0f);
    attr.set_post_ops(ops);
  }
  plan.primitive = dnnl::matmul({dnnl::matmul::desc(plan.a, plan.b, plan.c), attr, engine()});
  return plan;
}

// The most recently used plans; prefills of many lengths must not fill memory.
class PlanCache {
 public:
  Plan get(const Key& key) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    entries_.emplace_front(key, make_plan(key));
    index_.emplace(key, entries_.begin());
    if (entries_.size() > kCapacity) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  static constexpr size_t kCapacity = 256;
  using Entries = std::list<std::pair<Key, Plan>>;
  std::mutex mutex_;
  Entries entries_;
  std::map<Key, Entries::iterator> index_;
};

// oneDNN takes non-const handles; it only reads its sources.
void* handle(const void* data) { return const_cast<void*>(data); }

}  // namespace

bool onednn_usable() { return allowed_isa() >= Isa::kSse4; }

bool onednn_has_bf16() { return allowed_isa() >= Isa::kAvx512Bf16; }

const char* onednn_isa() {
  engine();
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "onednn sse41";
    case dnnl::cpu_isa::avx: return "onednn avx";
    case dnnl::cpu_isa::avx2: return "onednn avx2";
    case dnnl::cpu_isa::avx512_core: return "onednn avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "onednn avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "onednn avx512_core_bf16";
    default: return "onednn other";
  }
}

void gemm_onednn(const GemmShape& shape, DType type, const void* A, int64_t lda, const void* B, int64_t ldb, float beta,
                 float* C, int64_t ldc) {
  static PlanCache cache;
  const int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
  try {
    const Plan plan = cache.get({shape, type, lda, ldb, ldc, beta != 0.0f, threads});
    dnnl::stream stream(engine());
    const dnnl::memory a(plan.a, engine(), handle(A)), b(plan.b, engine(), handle(B)), c(plan.c, engine(), C);
    plan.primitive.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  } catch (const dnnl::error& e) {
    fail(ErrorCode::kInternal, "[gemm] oneDNN: {} for M={} N={} K={} (status {}); build with -DHINDSCAN_ONEDNN=OFF",
         e.message, shape.M, shape.N, shape.K, static_cast<int>(e.status));
  }
}

}  // namespace hindscan::kernels

#else

namespace hindscan::kernels {

bool onednn_usable() { return false; }
bool onednn_has_bf16() { return false; }
const char* onednn_isa() { return "none"; }
void gemm_onednn(const GemmShape&, DType, const void*, int64_t, const void*, int64_t, float, float*, int64_t) {
  fail(ErrorCode::kInternal, "[gemm] this build has no oneDNN; build with -DHINDSCAN_ONEDNN=ON");
}

}  // namespace hindscan::kernels
#endif
