// A text under way: what a model has read, as a state of constant size (growing under attention), to go on from.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hindscan/language_model.h"

namespace hindscan {

class SequenceState;

// Copying forks: both go on from here on their own, and have the kept places. One thread at a time; several sessions
// may share a model. One that was moved away throws Error(kUsage) until another is put in its place.
class Session {
 public:
  explicit Session(const LanguageModel& model);
  // A file of save() or of 'hindscan run --state-out'. Error(kData) when it is of another model.
  static Session load(const LanguageModel& model, const std::string& path);
  void save(const std::string& path) const;  // replaces the file as a whole

  Session(const Session& other);
  Session& operator=(const Session& other);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  Session fork() const { return *this; }

  // Reads on, or, taken back or failing, leaves the session where it was. What the tokenizer puts before a text stands
  // before the first one. Error(kData) for a classifier, kUsage for ids that are no tokens.
  void feed(std::string_view text, const Cancel* cancel = nullptr);
  void feed(std::span<const int32_t> tokens, const Cancel* cancel = nullptr);
  // Several sessions of one model in shared passes, tokens[i] to sessions[i]; each as if it were alone (in f32 up to
  // rounding). Error(kUsage) for other sizes, other models, or a session named twice.
  static void feed(std::span<Session* const> sessions, std::span<const std::vector<int32_t>> tokens,
                   const Cancel* cancel = nullptr);

  // [vocab] of the token that follows. Error(kUsage) before anything was fed here (a loaded state keeps none).
  std::span<const float> logits() const;
  // Writes on, and has then read all tokens that it wrote. Error(kUsage) as logits().
  Continuation generate(const Generation& options = {});
  int64_t tokens() const;  // read so far

  // Where to come back to: kept in memory until the session goes. rewind() leaves later places as they are.
  size_t keep();
  void rewind(size_t kept);  // Error(kUsage) for a place that was not kept

  const LanguageModel& model() const;

 private:
  friend class LanguageModel;
  struct Impl;
  Impl& in() const;
  // Error(kUsage) when the session is of another model.
  static const SequenceState& state_of(const Session& session, const LanguageModel& model);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hindscan
