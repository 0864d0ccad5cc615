#include "model/generation.h"

#include <algorithm>

#include "base/log.h"

namespace hindscan {
namespace {

constexpr const char* kEnd = "eos_token_id";

std::vector<int32_t> end_ids(const Config& c, int64_t vocab_size) {
  std::vector<int64_t> ids = c.is_list(kEnd) ? c.integers(kEnd, INT32_MIN, INT32_MAX) : std::vector<int64_t>{};
  if (c.has(kEnd) && !c.is_list(kEnd)) ids = {c.integer(kEnd, INT32_MIN, INT32_MAX)};
  std::vector<int32_t> out;
  for (const int64_t id : ids) {
    if (id >= 0 && id < vocab_size)
      out.push_back(static_cast<int32_t>(id));
    else
      log_warning("[{}] \"{}\" {} is outside the vocabulary of {} tokens: it ends no text", c.label(), kEnd, id,
                  vocab_size);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string sampling_options(const Config& c) {
  struct Option {
    const char *key, *flag;
  };
  constexpr Option kOptions[] = {{"temperature", "--temp"},
                                 {"top_k", "--top-k"},
                                 {"top_p", "--top-p"},
                                 {"min_p", "--min-p"},
                                 {"repetition_penalty", "--repeat-penalty"}};
  if (c.has("do_sample") && !c.flag("do_sample", false)) return "--greedy";
  std::string out;
  for (const Option& o : kOptions) {
    if (c.has(o.key)) out += fmt::format("{}{} {}", out.empty() ? "" : " ", o.flag, c.real(o.key, 0));
  }
  return out;
}

}  // namespace

GenerationAdvice read_generation(const Config& model, const std::optional<Config>& generation, int64_t vocab_size) {
  GenerationAdvice out{end_ids(model, vocab_size), ""};
  if (!generation) return out;
  if (generation->has(kEnd)) out.end_ids = end_ids(*generation, vocab_size);
  out.sampling = sampling_options(*generation);
  return out;
}

}  // namespace hindscan
