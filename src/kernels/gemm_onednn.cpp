// The only file that knows oneDNN (2.6, v2 API).
#include "base/cpu.h"
#include "base/error.h"
#include "kernels/gemm_backend.h"

#if HINDSCAN_ONEDNN
#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <vector>

namespace hindscan::kernels {
namespace {

dnnl::cpu_isa cap_for(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
    case Isa::kSse4:
      return dnnl::cpu_isa::sse41;
    case Isa::kAvx2:
      return dnnl::cpu_isa::avx2;
    case Isa::kAvx512:
      return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::kAvx512Bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
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
  auto tie() const {
    return std::tie(shape.M, shape.N, shape.K, shape.trans_a, shape.trans_b, type, lda, ldb, ldc, accumulate);
  }
  bool operator<(const Key& other) const { return tie() < other.tie(); }
};

struct Plan {
  dnnl::memory::desc a, b, c, scratch;
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
  // oneDNN's own scratchpad belongs to the thread that made the primitive; plans are shared, so we bring the memory.
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.accumulate) {
    dnnl::post_ops ops;
    ops.append_sum(1.0f);
    attr.set_post_ops(ops);
  }
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(plan.a, plan.b, plan.c), attr, engine());
  plan.scratch = description.scratchpad_desc();
  plan.primitive = dnnl::matmul(description);
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

struct Operands {
  DType type;
  const char* A;
  int64_t lda;
  const char* B;
  int64_t ldb;
  bool accumulate;
  float* C;
  int64_t ldc;
};

// With threads of its own oneDNN may split K among them, and the sums would depend on their number. So the threads are
// ours: each takes tiles of the result, cut by the shape alone, and oneDNN runs on one thread.
constexpr int64_t kTileGranularity = 64, kMinTile = 128, kMaxTiles = 16;
constexpr size_t kScratchAlignment = 4096;
constexpr int64_t kParallelProducts = int64_t{1} << 20;

int64_t tile_extent(int64_t extent) {
  const int64_t share = (extent + kMaxTiles - 1) / kMaxTiles;
  return std::max(kMinTile, (share + kTileGranularity - 1) / kTileGranularity * kTileGranularity);
}

// At least `bytes` for the calling thread, aligned for any vector.
void* scratchpad(size_t bytes) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < bytes + kScratchAlignment) buffer.resize(bytes + kScratchAlignment);
  void* start = buffer.data();
  size_t space = buffer.size();
  return std::align(kScratchAlignment, bytes, start, space);
}

void execute(const GemmShape& shape, const Operands& o) {
  static PlanCache cache;
  thread_local dnnl::stream stream(engine());
  try {
    const Plan plan = cache.get({shape, o.type, o.lda, o.ldb, o.ldc, o.accumulate});
    const dnnl::memory a(plan.a, engine(), handle(o.A)), b(plan.b, engine(), handle(o.B)), c(plan.c, engine(), o.C);
    const dnnl::memory scratch(plan.scratch, engine(), scratchpad(plan.scratch.get_size()));
    plan.primitive.execute(
        stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}, {DNNL_ARG_SCRATCHPAD, scratch}});
    stream.wait();
  } catch (const dnnl::error& e) {
    fail(ErrorCode::kInternal, "[gemm] oneDNN: {} for M={} N={} K={} (status {}); build with -DHINDSCAN_ONEDNN=OFF",
         e.message, shape.M, shape.N, shape.K, static_cast<int>(e.status));
  }
}

// Rows or columns [begin, begin + count) of the result.
void run_tile(GemmShape shape, Operands o, bool by_rows, int64_t begin, int64_t count) {
  const auto size = static_cast<int64_t>(dtype_size(o.type));
  if (by_rows) {
    shape.M = count;
    o.A += begin * (shape.trans_a ? 1 : o.lda) * size;
    o.C += begin * o.ldc;
  } else {
    shape.N = count;
    o.B += begin * (shape.trans_b ? o.ldb : 1) * size;
    o.C += begin;
  }
  execute(shape, o);
}

}  // namespace

bool onednn_usable() { return allowed_isa() >= Isa::kSse4; }

bool onednn_has_bf16() { return allowed_isa() >= Isa::kAvx512Bf16; }

const char* onednn_isa() {
  engine();
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "onednn sse41";
    case dnnl::cpu_isa::avx:
      return "onednn avx";
    case dnnl::cpu_isa::avx2:
      return "onednn avx2";
    case dnnl::cpu_isa::avx512_core:
      return "onednn avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "onednn avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "onednn avx512_core_bf16";
    default:
      return "onednn other";
  }
}

std::string onednn_version() {
  const dnnl::version_t* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

void gemm_onednn(const GemmShape& shape, DType type, const void* A, int64_t lda, const void* B, int64_t ldb, float beta,
                 float* C, int64_t ldc) {
  const Operands whole{type, static_cast<const char*>(A), lda, static_cast<const char*>(B), ldb, beta != 0.0f, C, ldc};
  const bool by_rows = shape.M > shape.N;
  const int64_t extent = by_rows ? shape.M : shape.N;
  const int64_t tile = tile_extent(extent);
  const bool parallel = extent > tile && shape.M * shape.N * shape.K >= kParallelProducts;
  std::exception_ptr error;
#pragma omp parallel if (parallel)
  {
    omp_set_num_threads(1);  // of this task: oneDNN must neither fork nor plan for threads
#pragma omp for schedule(dynamic, 1)
    for (int64_t begin = 0; begin < extent; begin += tile) {
      try {
        run_tile(shape, whole, by_rows, begin, std::min(tile, extent - begin));
      } catch (...) {
#pragma omp critical(hindscan_gemm_error)
        error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace hindscan::kernels

#else

namespace hindscan::kernels {

bool onednn_usable() { return false; }
bool onednn_has_bf16() { return false; }
const char* onednn_isa() { return "none"; }
std::string onednn_version() { return "none"; }
void gemm_onednn(const GemmShape&, DType, const void*, int64_t, const void*, int64_t, float, float*, int64_t) {
  fail(ErrorCode::kInternal, "[gemm] this build has no oneDNN; build with -DHINDSCAN_ONEDNN=ON");
}

}  // namespace hindscan::kernels
#endif
