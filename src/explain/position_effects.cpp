#include "explain/position_effects.h"

#include <algorithm>
#include <chrono>

#include "explain/asked_runs.h"
#include "explain/position_effects_plan.h"
#include "explain/run_edits.h"
#include "explain/token_text.h"

namespace hindscan {

namespace {

class Effects {
 public:
  Effects(const Model& model, const EffectsRequest& r, EffectsPlan plan)
      : model_(model),
        tokens_(r.tokens),
        start_(r.state_in == nullptr ? model.initial_state() : *r.state_in),
        pass_(plan.pass),
        texts_(static_cast<size_t>(plan.texts)),
        progress_(r.progress, "effects", "tok", static_cast<uint64_t>(plan.estimate.read)) {
    out_.by = plan.by;
    out_.tokens = std::move(plan.tokens);
    out_.pieces = std::move(plan.pieces);
  }

  PositionEffects run() {
    out_.model = model_.name();
    out_.weights = model_.weights_hash();
    read_whole();
    const auto n = out_.pieces.size();
    out_.lost.assign(n * n, 0.0);
    state_ = start_;
    for (size_t p = 0; p < n;) p = take_out(p);
    if (out_.first_row() > 0) std::fill_n(out_.lost.begin(), n, 0.0);
    return std::move(out_);
  }

 private:
  int64_t T() const { return std::ssize(tokens_); }
  // Behind token t.
  int32_t answer(int64_t t) const { return answers_[static_cast<size_t>(t)]; }
  std::span<const int32_t> answers_from(int64_t t) const { return std::span(answers_).subspan(static_cast<size_t>(t)); }

  void read_whole();
  void read_to(int64_t t);
  size_t take_out(size_t first);
  void add(size_t piece, int64_t t, double log_p);

  const Model& model_;
  std::span<const int32_t> tokens_;  // [T]
  SequenceState start_, state_;      // in front of the text, and of token at_
  int64_t pass_, at_ = 0;
  size_t texts_;
  ProgressTask progress_;
  PassRoom room_;
  PositionEffects out_;
  std::vector<int32_t> answers_;  // [T]
  std::vector<size_t> row_of_;    // [T] of the answer behind each token
  std::vector<double> log_p_;     // [T] of that answer, with the whole text
};

// What is asked at every position, and how likely it is with nothing taken out.
void Effects::read_whole() {
  SequenceState state = start_;
  Runner runner(model_, pass_);
  const std::span<const float> logits = runner.step(tokens_, state);  // [vocab]
  const auto next = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  progress_.step(static_cast<uint64_t>(T()));
  answers_.assign(tokens_.begin() + 1, tokens_.end());
  answers_.push_back(next);
  out_.next = token_report(model_, next);
  out_.answers.assign(out_.pieces.begin() + 1, out_.pieces.end());
  out_.answers.push_back({T(), T() + 1, shown_text(next, std::string(bytes_of(out_.next)))});

  AskedRun whole{{{tokens_.begin(), tokens_.end()}, start_}, answers_};
  ask(model_, {&whole, 1}, pass_, room_, [&](int64_t tokens) { progress_.step(static_cast<uint64_t>(tokens)); });
  log_p_ = std::move(whole.log_p);
  row_of_.assign(tokens_.size(), 0);
  out_.log_p.assign(out_.answers.size(), 0.0);
  for (size_t row = 0; row < out_.answers.size(); ++row) {
    for (int64_t t = out_.answers[row].first; t < out_.answers[row].last; ++t) {
      row_of_[static_cast<size_t>(t - 1)] = row;
      out_.log_p[row] += log_p_[static_cast<size_t>(t - 1)];
    }
  }
}

void Effects::read_to(int64_t t) {
  const RunSequence some{tokens_.subspan(static_cast<size_t>(at_), static_cast<size_t>(t - at_)), &state_};
  if (t > at_) Runner(model_, pass_).feed({&some, 1});
  progress_.step(static_cast<uint64_t>(t - at_));
  at_ = t;
}

// As many pieces, from this one on, as go into a few passes together; returns the next one.
size_t Effects::take_out(size_t first) {
  constexpr int64_t kPasses = 4;  // so that few of them are not full
  std::vector<AskedRun> runs;
  std::vector<std::pair<size_t, int64_t>> asks;  // of each run: the piece that is missing, where its answers begin
  int64_t tokens = 0;
  size_t p = first;
  for (; p < out_.pieces.size() && p - first < texts_ && tokens < kPasses * pass_; ++p) {
    const Piece& piece = out_.pieces[p];
    if (piece.first > 0) {  // what follows the piece is asked of the token before it
      read_to(piece.first - 1);
      runs.push_back(
          {{{tokens_[static_cast<size_t>(piece.first - 1)]}, state_}, answers_from(piece.last - 1).first(1)});
      asks.emplace_back(p, piece.last - 1);
    }
    read_to(piece.first);
    if (piece.last == T()) continue;
    const Edit edit{.kind = EditKind::kRemove, .position = piece.first, .count = piece.last - piece.first};
    runs.push_back({edited_text(tokens_, edit, state_, T()), answers_from(piece.last)});
    asks.emplace_back(p, piece.last);
    tokens += T() - piece.last;
  }
  ask(model_, runs, pass_, room_, [&](int64_t done) { progress_.step(static_cast<uint64_t>(done)); });
  for (size_t i = 0; i < runs.size(); ++i) {
    for (size_t k = 0; k < runs[i].log_p.size(); ++k)
      add(asks[i].first, asks[i].second + static_cast<int64_t>(k), runs[i].log_p[k]);
  }
  return p;
}

// What the answer behind token t is worth without the piece.
void Effects::add(size_t piece, int64_t t, double log_p) {
  const auto at = static_cast<size_t>(t);
  out_.lost[row_of_[at] * out_.pieces.size() + piece] += log_p_[at] - log_p;
}

}  // namespace

PositionEffects position_effects(const Model& model, const EffectsRequest& r) {
  const auto start = std::chrono::steady_clock::now();
  EffectsPlan plan = plan_effects(model, r);
  check_affordable(r, plan);
  if (r.on_estimate) r.on_estimate(plan.estimate);
  PositionEffects out = Effects(model, r, std::move(plan)).run();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace hindscan
