#include "hindscan/session.h"

#include <algorithm>

#include "api/impl.h"
#include "api/request.h"
#include "base/fs.h"
#include "model/encode_text.h"

namespace hindscan {

Session::Session(const LanguageModel& model) : impl_(std::make_unique<Impl>(Impl{model, {}, {}})) {}
Session::Session(const Session& other) : impl_(std::make_unique<Impl>(other.in())) {}
Session& Session::operator=(const Session& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(other.in());
  return *this;
}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session::Impl& Session::in() const {
  check(impl_ != nullptr, ErrorCode::kUsage, "[session] expected a session, found one that was moved away");
  return *impl_;
}

Session Session::load(const LanguageModel& model, const std::string& path) {
  Session out(model);
  out.in().at.state = load_state(path, out.in().loaded());
  return out;
}

void Session::save(const std::string& path) const { save_state(real_fs(), path, in().at.state, in().loaded()); }

void Session::feed(std::string_view text, const Cancel* cancel) {
  feed(encode_text(in().loaded(), text, {.begins = tokens() == 0, .ends = false}), cancel);
}

void Session::feed(std::span<const int32_t> tokens, const Cancel* cancel) {
  Session* self = this;
  const std::vector<int32_t> own(tokens.begin(), tokens.end());
  feed({&self, 1}, {&own, 1}, cancel);
}

// Read into copies: a request that is taken back or fails leaves the sessions where they were.
void Session::feed(std::span<Session* const> sessions, std::span<const std::vector<int32_t>> tokens,
                   const Cancel* cancel) {
  const OnProgress silent;
  const CallerRequest request(cancel, silent);
  check(sessions.size() == tokens.size() && !sessions.empty(), ErrorCode::kUsage,
        "[session] expected tokens for each session, found {} for {}", tokens.size(), sessions.size());
  std::vector<SequenceState> states;
  states.reserve(sessions.size());
  std::vector<RunSequence> read;
  for (size_t i = 0; i < sessions.size(); ++i) {
    check(sessions[i] != nullptr, ErrorCode::kUsage, "[session] expected a session, found a null pointer");
    const Impl& s = sessions[i]->in();
    check(s.model.impl_ == sessions[0]->in().model.impl_, ErrorCode::kUsage,
          "[session] expected sessions of one model, found others");
    check(std::count(sessions.begin(), sessions.end(), sessions[i]) == 1, ErrorCode::kUsage,
          "[session] expected every session once, found one twice");
    read.push_back({tokens[i], &states.emplace_back(s.at.state)});
  }
  Runner runner(sessions[0]->in().loaded());
  runner.on_chunk = [](int64_t) { throw_if_stopped(); };
  const std::span<const float> logits = runner.step(read);  // [sessions, vocab]
  const size_t V = logits.size() / sessions.size();
  for (size_t i = 0; i < sessions.size(); ++i) {
    ReadText& at = sessions[i]->in().at;
    at.state = std::move(states[i]);
    at.logits.assign(logits.begin() + static_cast<std::ptrdiff_t>(i * V),
                     logits.begin() + static_cast<std::ptrdiff_t>((i + 1) * V));
    at.seen.insert(at.seen.end(), tokens[i].begin(), tokens[i].end());
  }
}

std::span<const float> Session::logits() const {
  check(!in().at.logits.empty(), ErrorCode::kUsage, "[session] expected a text to go on from, found none; feed one");
  return in().at.logits;
}

Continuation Session::generate(const Generation& options) {
  const RequestScope scope(options.cancel == nullptr ? nullptr : options.cancel->flag());
  const FlushedDenormals small;
  GenerateOptions o = generate_options(options);
  ReadText next = in().at;
  o.logits = logits();
  o.seen = in().at.seen;
  o.commit_last = true;
  Generated written = hindscan::generate(in().loaded(), {}, next.state, o, options.on_text);
  for (const GeneratedToken& t : written.tokens) next.seen.push_back(t.id);
  next.logits = std::move(written.logits);
  in().at = std::move(next);
  return continuation_of(written);
}

int64_t Session::tokens() const { return in().at.state.tokens; }

size_t Session::keep() {
  in().kept.push_back(std::make_shared<const ReadText>(in().at));
  return in().kept.size() - 1;
}

void Session::rewind(size_t kept) {
  check(kept < in().kept.size(), ErrorCode::kUsage, "[session] expected one of {} kept places, found {}",
        in().kept.size(), kept);
  in().at = *in().kept[kept];
}

const SequenceState& Session::state_of(const Session& session, const LanguageModel& model) {
  check(session.in().model.impl_ == model.impl_, ErrorCode::kUsage,
        "[session] expected a session of the model that explains, found one of another");
  return session.in().at.state;
}

const LanguageModel& Session::model() const { return in().model; }

}  // namespace hindscan
