#include "viewer/explain_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/error.h"
#include "explain/answers.h"
#include "explain/score_words.h"
#include "explain/sentence.h"
#include "explain/text_cuts.h"
#include "io/printable.h"
#include "viewer/axes.h"
#include "viewer/ribbon.h"

namespace hindscan::viewer {
namespace {

constexpr double kGap = 14;
constexpr size_t kWrittenOut = 400;  // more words than this become a ribbon
constexpr size_t kNamedColumns = 60;
constexpr size_t kLastWords = 120;

// A leading space is the tokenizer's, not the reader's.
std::string_view trimmed(std::string_view s) {
  while (s.size() > 1 && s.front() == ' ') s.remove_prefix(1);
  return s;
}

std::string shortened(std::string_view bytes) { return printable(trimmed(bytes), kNameColumns).text; }

std::string title(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  const TargetReport& t = r.target;
  if (m.effect_of) return fmt::format("What the model does without each {}", piece_word(r, by));
  const std::string what = answer_name(t);
  const std::string who = fmt::format("Which {}s", piece_word(r, by));
  if (!m.targeted)
    return fmt::format("{} the layers read{}", who, t.kind == TargetKind::kToken ? " before " + what : "");
  if (t.kind == TargetKind::kNumber) return fmt::format("Where the value {:.3f} of {} comes from", t.logit, t.text);
  const char* how = t.kind == TargetKind::kClass ? "speak for the class" : "speak for";
  const std::string than = t.contrast_id ? " rather than " + other_name(t) : "";
  return fmt::format("{} {} {}{}", who, how, what, than);
}

// Of scores that are effects of edits.
std::string effects(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  const FoundCounts counts = found_counts(r, m);
  std::string out = fmt::format(": {}. Underlined: really run ({} of {}){}.", asked_words(r, m), counts.measured,
                                counts.asked, counts.measured < counts.asked ? ", the others are estimates" : "");
  if (tells(r, m, by, "sum"))
    out += " Where several were edited one by one, their sum is shown: not what all of them do.";
  if (tells(r, m, by, "part")) out += " Where something longer was edited, each shows an equal part.";
  return m.label.empty() ? out : out + fmt::format(" Note: {}.", m.label);
}

std::string subtitle(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  const TargetReport& t = r.target;
  std::string out = fmt::format("Model {}, {}", r.model, counted(r.tokens.size(), r.vectors ? "vector" : "token"));
  if (t.kind == TargetKind::kToken)
    out +=
        fmt::format(", prediction after token {} of 0..{} (p = {:.3f})", t.first(), r.tokens.size() - 1, t.probability);
  if (t.kind == TargetKind::kClass) out += fmt::format(" (p = {:.3f})", t.probability);
  out += fmt::format(". Method {}", m.name);
  if (m.effect_of) return out + effects(r, m, by);
  out += ". ";
  if (const auto& whole = m.total().completeness)
    return out + fmt::format("The parts add up to {:.3f} (residual {:.0e}): arithmetic, not yet cause.", whole->target,
                             std::abs(whole->residual));
  return out + (m.targeted ? "The scores are no decomposition of the target."
                           : "The scores do not know the target: where the layers look, not what it does.");
}

class Drawing {
 public:
  Drawing(const ExplainReport& report, const MethodReport& method, PieceBy by)
      : report_(report),
        method_(method),
        by_(by),
        pieces_(pieces_of(report.tokens, 0, report.target.first() + 1, by)),
        words_(hindscan::written_out(report.tokens, 0, report.target.first() + 1, by, method.scores())) {
    for (const Piece& p : pieces_) scores_.push_back(piece_sum(p, method.scores()));
  }

  std::string png() {
    y_ += page_.text(0, y_, title(report_, method_, by_), {.size = 18, .bold = true, .width = kWidth}).height + 4;
    const std::string sentence = explain_sentence(report_, method_, by_);
    y_ += page_.text(0, y_, sentence, {.size = 13, .width = kWidth}).height + 4;
    y_ +=
        page_.text(0, y_, subtitle(report_, method_, by_), {.size = 12, .color = kSoft, .width = kWidth}).height + kGap;
    if (words_.size() > kWrittenOut) ribbon();
    write_words();
    scale(largest_size(scores_));
    layers();
    return page_.png(kWidth);
  }

 private:
  void scale(double top) {
    const SignWords signs = sign_words(report_, method_);
    y_ += draw_scale(page_, 0, y_, top, signs.down, signs.up);
    y_ += kGap;
  }

  // The text itself, every word on the colour of its piece's score.
  void write_words() {
    constexpr double kSize = 16, kLineHeight = 26;
    const double top = largest_size(scores_);
    double x = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      const Color color = signed_color(top > 0 ? words_[i].score / top : 0);
      const double together = x > 0 && begins_word(i) ? word_width(i, kSize) : 0;
      if (together <= kWidth && x + together > kWidth) {
        x = 0;
        y_ += kLineHeight;
      }
      const double from = x;
      x = word(x, words_[i].piece.bytes, kSize, kLineHeight, &color);
      const double left = from < x ? from : 0;
      if (really_run(words_[i].piece)) page_.fill(left, y_ + kLineHeight - 5, x - left, 2, kInk);
      if (words_[i].piece.bytes.ends_with('\n')) {
        x = 0;
        y_ += kLineHeight;
      }
    }
    if (report_.target.kind == TargetKind::kToken)
      word(x + 6, answer_written(report_.target), kSize, kLineHeight, nullptr);
    y_ += kLineHeight + kGap;
  }

  bool really_run(const Piece& p) const {
    const auto run = [](Found f) { return f == Found::kMeasured; };
    return method_.effect_of && std::all_of(method_.found.begin() + p.first, method_.found.begin() + p.last, run);
  }

  // A line ends before a piece that begins a word, where the word fits a line.
  bool begins_word(size_t i) const { return i == 0 || may_break(words_[i - 1].piece.bytes, words_[i].piece.bytes); }
  double word_width(size_t i, double size) {
    double width = page_.measure(words_[i].piece.bytes, {.size = size}).width;
    while (++i < words_.size() && !begins_word(i) && width <= kWidth)
      width += page_.measure(words_[i].piece.bytes, {.size = size}).width;
    return width;
  }

  // Without a color: the prediction, framed. Returns where the next word begins.
  double word(double x, const std::string& bytes, double size, double height, const Color* color) {
    const TextStyle style{.size = size, .color = color ? text_on(*color) : kInk};
    const Extent e = page_.measure(bytes, style);
    if (x > 0 && x + e.width > kWidth) {
      x = 0;
      y_ += height;
    }
    if (color)
      page_.fill(x, y_, e.width, height - 3, *color);
    else
      page_.frame(x, y_, e.width + 6, height - 3, kSoft);
    page_.text(color ? x : x + 3, y_ + 1, bytes, style);
    return x + e.width;
  }

  // All tokens in one row; the words before the prediction follow, of whole pieces.
  void ribbon() {
    y_ = draw_ribbon(page_, y_, pieces_, scores_, report_.target.first() + 1) + kGap;
    const int64_t from = words_[words_.size() - kLastWords].piece.first;
    const auto first =
        std::find_if(pieces_.begin(), pieces_.end() - 1, [&](const Piece& p) { return p.first >= from; });
    std::erase_if(words_, [&](const ScoredPiece& w) { return w.piece.first < first->first; });
    const std::string below = fmt::format("The last {}s before the prediction, {} of {}, on the same scale",
                                          piece_word(report_, by_), pieces_.end() - first, pieces_.size());
    y_ += page_.text(0, y_, below, {.size = 12, .bold = true}).height + 6;
  }

  // Layers upwards, pieces to the right, on a scale of its own; only where the method itself tells layers apart.
  void layers() {
    const std::span<const float> map = method_.layers();
    if (map.empty()) return;
    const size_t T = report_.tokens.size(), L = map.size() / T;
    const double height = std::clamp(360.0 / static_cast<double>(L), 3.0, 18.0);
    std::vector<std::vector<double>> columns;
    std::vector<double> all;
    for (const Piece& p : pieces_) columns.push_back(piece_layers(p, map, T));
    for (const auto& c : columns) all.insert(all.end(), c.begin(), c.end());
    const double top = largest_size(all);
    y_ += page_.text(0, y_, layers_title(L), {.size = 12, .bold = true, .width = kWidth}).height + 4;
    const double first = y_;
    for (size_t l = 0; l < L; ++l) {
      std::vector<double> values;
      values.reserve(columns.size());
      for (const auto& c : columns) values.push_back(c[l]);
      draw_row(page_, first + height * static_cast<double>(L - 1 - l), height, values, top);
    }
    page_.frame(0, first, kWidth, height * static_cast<double>(L), kLine);
    for (const int64_t l :
         ticks(0, static_cast<int64_t>(L), std::max(2, static_cast<int>(height * static_cast<double>(L) / 14)))) {
      const double y = first + height * (static_cast<double>(static_cast<int64_t>(L) - 1 - l) + 0.5);
      page_.text(-6, y - 7, fmt::format("layer {}", l), {.size = 11, .color = kSoft, .align = Align::kRight});
    }
    y_ = first + height * static_cast<double>(L) + 2;
    if (pieces_.size() <= kNamedColumns)
      piece_axis();
    else
      y_ = draw_positions(page_, y_, report_.target.first() + 1);
    y_ += 8;
    scale(top);
  }

  std::string layers_title(size_t L) const {
    const ScoreArray* map = method_.find(method_.total().name, true);
    return fmt::format("By layer ({}, the last on top), method {}: {}", counted(L, "layer"), method_.name, map->words);
  }

  void piece_axis() {
    const double cell = kWidth / static_cast<double>(pieces_.size());
    double height = 0;
    for (const Piece& p : pieces_) height = std::max(height, page_.measure(shortened(p.bytes), {.size = 11}).width);
    for (size_t i = 0; i < pieces_.size(); ++i) {
      page_.text(cell * (static_cast<double>(i) + 0.5) - 7, y_ + 3, shortened(pieces_[i].bytes),
                 {.size = 11, .align = Align::kRight, .upright = true});
    }
    y_ += height + 6;
  }

  const ExplainReport& report_;
  const MethodReport& method_;
  PieceBy by_;
  std::vector<Piece> pieces_;
  std::vector<double> scores_;      // of the pieces
  std::vector<ScoredPiece> words_;  // what is written out
  Picture page_;
  double y_ = 0;
};

}  // namespace

std::string explain_png(const ExplainReport& report, size_t method, PieceBy by) {
  check(method < report.methods.size() && !report.tokens.empty(), ErrorCode::kUsage,
        "[picture] expected a report with tokens and methods, found none");
  return Drawing(report, report.methods[method], by).png();
}

}  // namespace hindscan::viewer
