#include "train/data.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <exception>
#include <mutex>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/signals.h"
#include "io/text_file.h"

namespace hindscan {
namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";
constexpr std::string_view kCacheMagic = "hindscan tokens 1\n";  // then: hash, count, int32 ids, hash of the ids

std::span<const uint8_t> bytes_of(const std::vector<int32_t>& v) {
  return {reinterpret_cast<const uint8_t*>(v.data()), v.size() * sizeof(int32_t)};
}

std::string pack_u64(uint64_t v) { return std::string(reinterpret_cast<const char*>(&v), sizeof v); }

bool read_cache(Fs& fs, const std::string& path, Corpus& corpus) {
  if (fs.kind(path) != FileKind::kRegular) return false;
  const std::string file = fs.read(path, Budget::of_machine(path).left());
  const size_t head = kCacheMagic.size();
  if (file.size() < head + 24 || !file.starts_with(kCacheMagic)) return false;
  uint64_t stored[2];
  std::memcpy(stored, file.data() + head, sizeof stored);
  const std::string_view ids(file.data() + head + 16, file.size() - head - 24);
  if (stored[0] != corpus.hash || ids.size() / 4 != stored[1] || ids.size() % 4 != 0) return false;
  if (!file.ends_with(pack_u64(xxh64(ids)))) return false;
  corpus.tokens.resize(stored[1]);
  if (!ids.empty()) std::memcpy(corpus.tokens.data(), ids.data(), ids.size());
  return std::all_of(corpus.tokens.begin(), corpus.tokens.end(), [](int32_t id) { return id >= 0; });
}

std::string cache_path(const std::string& dir, uint64_t hash) {
  return join_path(dir, "tokens-" + hash_hex(hash) + ".bin");
}

void write_cache(Fs& fs, const std::string& path, const Corpus& corpus) {
  const std::string head = std::string(kCacheMagic) + pack_u64(corpus.hash) + pack_u64(corpus.tokens.size());
  const std::string tail = pack_u64(xxh64(bytes_of(corpus.tokens)));
  try {
    make_dirs(fs, parent_dir(path));
    write_file_atomic(fs, path, ByteParts{as_bytes(head), bytes_of(corpus.tokens), as_bytes(tail)});
  } catch (const Error& e) {
    log_warning("the token cache was not written: {}", e.message());
  }
}

}  // namespace

std::vector<std::vector<int32_t>> encode_texts(const std::vector<std::string_view>& texts, const TextEncoder& encoder,
                                               ProgressSink* progress) {
  uint64_t bytes = 0;
  for (const auto& d : texts) bytes += d.size();
  ProgressTask task(progress, "tokenising", "B", bytes);
  std::vector<std::vector<int32_t>> out(texts.size());
  std::exception_ptr error;
  std::mutex mutex;
  const auto n = static_cast<int64_t>(texts.size());
  const StopCheck stop;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<size_t>(i);
    if (stop.requested()) continue;
    try {
      out[k] = encoder.encode(texts[k]);
      const std::lock_guard<std::mutex> lock(mutex);
      task.step(texts[k].size());
    } catch (...) {  // an exception must not leave the parallel region
      const std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  throw_if_stopped();
  log_unknown(encoder);
  return out;
}

void log_unknown(const TextEncoder& encoder) {
  const UnknownText unknown = encoder.take_unknown ? encoder.take_unknown() : UnknownText{};
  if (unknown.count > 0) log_warning("{}", to_text(unknown));
}

std::vector<std::string_view> split_documents(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t at = text.find(kSeparator);
    const std::string_view document = text.substr(0, at);
    if (document.find_first_not_of(" \n\r\t") != std::string_view::npos) documents.push_back(document);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + kSeparator.size());
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
  return documents;
}

Corpus load_corpus(Fs& fs, const std::vector<std::string>& files, const TextEncoder& encoder,
                   const std::string& cache_dir, ProgressSink* progress) {
  std::vector<std::string> texts;
  Corpus corpus;
  corpus.separator = encoder.separator;
  corpus.hash = xxh64(kCacheMagic, encoder.hash);
  for (const std::string& file : files) {
    texts.push_back(read_text_file(file, Budget::of_machine(file).left()));
    corpus.hash = xxh64(texts.back(), corpus.hash);
  }
  const std::string cache = cache_path(cache_dir, corpus.hash);
  if (read_cache(fs, cache, corpus)) return corpus;

  std::vector<std::string_view> documents;
  for (const std::string& text : texts) {
    for (std::string_view d : split_documents(text)) documents.push_back(d);
  }
  for (std::vector<int32_t>& ids : encode_texts(documents, encoder, progress)) {
    corpus.tokens.insert(corpus.tokens.end(), ids.begin(), ids.end());
    const bool ended = !ids.empty() && ids.back() == corpus.separator;  // by the tokenizer itself
    if (corpus.separator >= 0 && !ended) corpus.tokens.push_back(corpus.separator);
  }
  write_cache(fs, cache, corpus);
  return corpus;
}

std::optional<Corpus> kept_corpus(Fs& fs, const std::string& hash, int32_t separator, const std::string& cache_dir) {
  Corpus corpus;
  corpus.separator = separator;
  const auto [end, error] = std::from_chars(hash.data(), hash.data() + hash.size(), corpus.hash, 16);
  if (error != std::errc() || end != hash.data() + hash.size()) return std::nullopt;
  if (!read_cache(fs, cache_path(cache_dir, corpus.hash), corpus)) return std::nullopt;
  return corpus;
}

void shuffle_documents(Corpus& corpus, uint64_t seed) {
  if (corpus.separator < 0) return;
  std::vector<std::pair<size_t, size_t>> documents;  // [first, last) with its separator
  size_t first = 0;
  for (size_t i = 0; i < corpus.tokens.size(); ++i) {
    if (corpus.tokens[i] != corpus.separator && i + 1 != corpus.tokens.size()) continue;
    documents.emplace_back(first, i + 1);
    first = i + 1;
  }
  Rng rng(seed, "documents");
  for (size_t i = documents.size(); i > 1; --i) std::swap(documents[i - 1], documents[rng.below(i)]);
  std::vector<int32_t> out;
  out.reserve(corpus.tokens.size());
  for (const auto& [a, b] : documents) {
    out.insert(out.end(), corpus.tokens.begin() + static_cast<std::ptrdiff_t>(a),
               corpus.tokens.begin() + static_cast<std::ptrdiff_t>(b));
  }
  corpus.tokens = std::move(out);
}

TextSource::TextSource(Corpus corpus, const TrainOptions& o)
    : corpus_(std::move(corpus)),
      sequences_(o.sequences),
      length_(o.length),
      seed_(o.seed),
      carry_(o.carry),
      forget_(o.forget) {
  const auto total = static_cast<int64_t>(corpus_.tokens.size());
  region_ = (total - 1) / o.streams();
  check(region_ >= length_, ErrorCode::kData,
        "[data] expected at least {} tokens ({} of {}), found {}; add text or take fewer or shorter "
        "sequences",
        o.streams() * length_ + 1, counted(o.streams(), "stream"), counted(length_, "token"), total);
  windows_ = region_ / length_;
  vocab_ = 1 + *std::max_element(corpus_.tokens.begin(), corpus_.tokens.end());
}

int64_t TextSource::start_of(int64_t stream, int64_t step) const {
  const int64_t epoch = step / windows_;
  Rng rng(seed_, "epoch offset", static_cast<uint64_t>(epoch));
  const auto offset = static_cast<int64_t>(rng.below(static_cast<uint64_t>(region_ - windows_ * length_ + 1)));
  return stream * region_ + offset + step % windows_ * length_;
}

Batch TextSource::batch(int64_t step, int64_t micro) const {
  Batch out;
  const int64_t first_stream = micro * sequences_;
  for (int64_t b = 0; b < sequences_; ++b) {
    const int64_t stream = first_stream + b;
    const auto start = static_cast<size_t>(start_of(stream, step));
    Rng rng(mix64(seed_ ^ mix64(static_cast<uint64_t>(step))), "forget", static_cast<uint64_t>(stream));
    const bool forgets = rng.uniform() < forget_;
    out.fresh.push_back(!carry_ || forgets || step % windows_ == 0);
    for (size_t t = start; t < start + static_cast<size_t>(length_); ++t) {
      const int32_t token = corpus_.tokens[t];
      out.tokens.push_back(token);
      out.targets.push_back(corpus_.tokens[t + 1]);
      // What follows a separator is another text: nothing predicts it, and its state starts from zero.
      out.mask.push_back(token == corpus_.separator ? 0.0f : 1.0f);
      out.resets.push_back(t > 0 && corpus_.separator >= 0 && corpus_.tokens[t - 1] == corpus_.separator);
    }
  }
  return out;
}

}  // namespace hindscan
