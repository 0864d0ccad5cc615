// What explain and matrix foretell of their time beside what they take, for each family and method.
//   bench_estimates [--tokens 100,1000,10000,100000] [--at-most 60] [--family NAME] [--d-model 128] [--method TEXT]
// A request that is foretold to take longer than --at-most seconds is left out, and said so; --method: of the requests,
// those whose name has the text. A scan that found itself poor is compared with what that many reaches were to take.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>

#include "base/counted.h"
#include "base/denormals.h"
#include "base/error.h"
#include "base/rng.h"
#include "eval/explain_judged.h"
#include "explain/matrix.h"

namespace hindscan::bench {
namespace {

struct Options {
  std::vector<int64_t> tokens = {100, 1000, 10000, 100000};
  double at_most = 60;
  std::string family, method;
  int64_t d_model = 128;
};

struct Tally {
  int all = 0, outside = 0, left_out = 0;
  double lowest = INFINITY, highest = 0;
};

bool asked_for(std::string_view name, const Options& o) { return name.find(o.method) != std::string_view::npos; }

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The median of three where it is short: a single run of milliseconds says more of the rest of the machine.
template <class Run>
double seconds_taken(const Run& run) {
  constexpr double kShort = 0.5;
  std::vector<double> took;
  for (int i = 0; i < 3 && (i == 0 || took[0] < kShort); ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    took.push_back(since(start));
  }
  std::sort(took.begin(), took.end());
  return took[took.size() / 2];
}

// further: of each longer reach of a scan; run returns how many of them there were.
template <class Run>
void compare(const std::string& family, int64_t T, const std::string& what, double foretold,
             const std::vector<double>& further, const Options& o, Tally& tally, Run run) {
  if (foretold > o.at_most) {
    ++tally.left_out;
    fmt::print("{:18} {:7} {:36} {:9.3f} s  left out\n", family, T, what, foretold);
    return;
  }
  size_t longer = 0;
  const double took = seconds_taken([&] { longer = run(); });
  for (size_t i = 0; i < std::min(longer, further.size()); ++i) foretold += further[i];
  const double ratio = foretold / took;
  ++tally.all;
  tally.outside += ratio < 0.5 || ratio > 2;
  tally.lowest = std::min(tally.lowest, ratio), tally.highest = std::max(tally.highest, ratio);
  fmt::print("{:18} {:7} {:36} {:9.3f} s  {:9.3f} s  {:5.2f}{}{}\n", family, T, what, foretold, took, ratio,
             longer > 0 ? fmt::format("  {} more", counted(longer, "reach", "reaches")) : "",
             ratio < 0.5 || ratio > 2 ? "  outside" : "");
  std::fflush(stdout);
}

// How often the scans of a report reached further.
size_t longer_reaches(const ExplainRequest& r, const ExplainReport& report) {
  size_t out = 0;
  for (size_t m = 0; m < r.methods.size(); ++m) {
    if (!r.methods[m].scans() || !report.methods[m].reach) continue;
    for (int64_t w = r.methods[m].number("window"); w < report.methods[m].reach->window; w = 2 * w + 1) ++out;
  }
  return out;
}

void explain_rows(const Model& model, const std::string& family, const std::vector<int32_t>& tokens, const Options& o,
                  Tally& tally) {
  ExplainRequest r;
  r.tokens = tokens;
  for (const char* methods :
       {"row", "rollout", "gradient-x-input", "frozen", "row-logit", "half-attnlrp", "usual",
        "integrated-gradients:steps=8", "leave-one-out", "scan:by=token", "scan:by=word", "raw-attention",
        "rollout:rows=normalised", "attribution", "attribution:form=repo", "gradient", "smooth-gradient:samples=8",
        "expected-gradients:samples=8", "shapley:pairs=8"}) {
    if (!asked_for(methods, o)) continue;
    r.methods = parse_methods(methods);
    r.causal_edits = std::string_view(methods) == "usual" ? 24 : 0;
    const ExplainEstimate e = estimate_explain(model, r);
    compare(family, std::ssize(tokens), fmt::format("explain {}", methods), e.seconds, e.further, o, tally,
            [&] { return longer_reaches(r, explain_judged(model, r)); });
  }
}

void matrix_rows(const Model& model, const std::string& family, const std::vector<int32_t>& tokens, const Options& o,
                 Tally& tally) {
  const int64_t T = std::ssize(tokens);
  MatrixRequest whole, row, blocks, folded;
  for (MatrixRequest* r : {&whole, &row, &blocks, &folded}) r->tokens = tokens;
  row.rows = TokenRange{T - 1, T};
  folded.rows = TokenRange{T - T / 10, T};
  folded.fidelity = Fidelity::kMixer;
  blocks.blocks = 50;
  struct Row {
    const char* name;
    const MatrixRequest& request;
  };
  for (const Row& asked : {Row{"matrix", whole}, Row{"matrix of the last row", row}, Row{"matrix of blocks", blocks},
                           Row{"matrix of a mixer", folded}}) {
    const MatrixRequest& r = asked.request;
    if (!asked_for(asked.name, o)) continue;
    if (r.blocks == 0 && T > 20000 && &r != &row) continue;  // more entries than memory
    MatrixEstimate e;
    try {
      e = estimate_matrix(model, r);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUsage) throw;
      continue;  // the first layer has no such map
    }
    compare(family, T, asked.name, e.seconds, {}, o, tally, [&] {
      matrix(model, r);
      return size_t{0};
    });
  }
}

void bench_family(const std::string& family, const Options& o, Tally& tally) {
  constexpr int64_t kVocab = 1000;
  const Model model = Model::create(architecture_preset(family, {o.d_model, 4, kVocab}), DType::kF32, 1);
  Rng rng(2);
  for (int64_t T : o.tokens) {
    std::vector<int32_t> tokens(static_cast<size_t>(T));
    for (int32_t& t : tokens) t = static_cast<int32_t>(rng.below(kVocab));
    explain_rows(model, family, tokens, o, tally);
    matrix_rows(model, family, tokens, o, tally);
  }
}

std::vector<int64_t> lengths(const std::string& list) {
  std::vector<int64_t> out;
  for (size_t begin = 0; begin < list.size(); begin = std::min(list.find(',', begin), list.size() - 1) + 1)
    out.push_back(std::atoll(list.c_str() + begin));
  return out;
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i += 2) {
    const std::string key = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    check(!value.empty(), ErrorCode::kUsage, "[{}] expected a value, found none", key);
    if (key == "--at-most")
      o.at_most = std::atof(value.c_str());
    else if (key == "--family")
      o.family = value;
    else if (key == "--method")
      o.method = value;
    else if (key == "--d-model")
      o.d_model = std::atoll(value.c_str());
    else if (key == "--tokens")
      o.tokens = lengths(value);
    else
      fail(ErrorCode::kUsage, "expected --tokens, --at-most, --family, --method or --d-model, found {}", key);
  }
  return o;
}

}  // namespace

static int run(int argc, char** argv) {
  const Options o = parse(argc, argv);
  Tally tally;
  fmt::print("{:18} {:>7} {:36} {:>11}  {:>11}  ratio\n", "family", "tokens", "request", "foretold", "took");
  for (const std::string& family : o.family.empty() ? architecture_names() : std::vector<std::string>{o.family})
    bench_family(family, o, tally);
  fmt::print("{} requests: foretold / took from {:.2f} to {:.2f}, {} outside 0.5 to 2; {} left out\n", tally.all,
             tally.lowest, tally.highest, tally.outside, tally.left_out);
  return tally.outside == 0 ? 0 : 1;
}

}  // namespace hindscan::bench

int main(int argc, char** argv) {
  hindscan::flush_denormals();
  try {
    return hindscan::bench::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_estimates: {}\n", e.what());
    return 70;
  }
}
