#include "eval/accuracy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/bootstrap.h"
#include "eval/rank.h"

namespace hindscan {
namespace {

constexpr double kMaterial = 0.1;    // of the text's largest change
constexpr double kNoSpread = 1e-20;  // of the squares: what rounding leaves of equal numbers
constexpr size_t kResamples = 2000;
using Texts = std::span<const TextFigures* const>;

bool finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

PairSums sums_of(std::span<const double> predicted, std::span<const double> measured) {
  PairSums s;
  s.pairs = std::ssize(measured);
  const double p_mean = mean(predicted), m_mean = mean(measured);
  double largest = 0;
  for (const double m : measured) largest = std::max(largest, std::abs(m));
  for (size_t i = 0; i < measured.size(); ++i) {
    const double p = predicted[i], m = measured[i], dm = m - m_mean, dp = p - p_mean;
    s.error2 += (m - p) * (m - p);
    s.measured2 += m * m;
    s.predicted2 += p * p;
    s.product += m * p;
    s.centred_error2 += (dm - dp) * (dm - dp);
    s.centred_measured2 += dm * dm;
    if (m == 0 || std::abs(m) < kMaterial * largest) continue;
    ++s.material;
    s.signs += p != 0 && (p > 0) == (m > 0);
  }
  if (s.centred_measured2 <= kNoSpread * s.measured2) s.centred_measured2 = s.centred_error2 = 0;
  return s;
}

// A number that is none makes the figure none, also over many texts.
std::optional<double> ranked(std::optional<double> rank, bool sound) {
  return sound ? rank : std::numeric_limits<double>::quiet_NaN();
}

PairSums total(Texts texts, PairSums TextFigures::*of) {
  PairSums all;
  for (const TextFigures* text : texts) {
    const PairSums& s = text->*of;
    all.pairs += s.pairs;
    all.material += s.material;
    all.signs += s.signs;
    all.error2 += s.error2;
    all.measured2 += s.measured2;
    all.predicted2 += s.predicted2;
    all.product += s.product;
    all.centred_error2 += s.centred_error2;
    all.centred_measured2 += s.centred_measured2;
  }
  return all;
}

std::optional<double> ratio(double a, double b) {
  if (!(b > 0) || !std::isfinite(a) || !std::isfinite(b)) return std::nullopt;
  return a / b;
}

std::optional<double> less(std::optional<double> share) { return share ? std::optional(1 - *share) : std::nullopt; }

template <PairSums TextFigures::*of>
std::optional<double> skill(Texts texts) {
  const PairSums s = total(texts, of);
  return less(ratio(s.error2, s.measured2));
}

template <PairSums TextFigures::*of>
std::optional<double> centred(Texts texts) {
  const PairSums s = total(texts, of);
  return less(ratio(s.centred_error2, s.centred_measured2));
}

template <PairSums TextFigures::*of>
std::optional<double> slope(Texts texts) {
  const PairSums s = total(texts, of);
  return ratio(s.product, s.predicted2);
}

template <PairSums TextFigures::*of>
std::optional<double> cosine(Texts texts) {
  const PairSums s = total(texts, of);
  return ratio(s.product, std::sqrt(s.predicted2) * std::sqrt(s.measured2));
}

template <PairSums TextFigures::*of>
std::optional<double> signs(Texts texts) {
  const PairSums s = total(texts, of);
  if (!std::isfinite(s.error2)) return std::nullopt;
  return ratio(static_cast<double>(s.signs), static_cast<double>(s.material));
}

template <std::optional<double> TextFigures::*of>
std::optional<double> mean_of(Texts texts) {
  double sum = 0;
  int64_t n = 0;
  for (const TextFigures* text : texts) {
    if (!(text->*of)) continue;
    sum += *(text->*of);
    ++n;
  }
  return ratio(sum, static_cast<double>(n));
}

constexpr PairSums TextFigures::*kEdits = &TextFigures::edits, TextFigures::*kTokens = &TextFigures::tokens;
constexpr FigureInfo kFigures[] = {
    {"skill", "skill",
     "share of the changes' squares foretold, edit by edit: 1 all, 0 no better than \"nothing "
     "happens\", below 0 worse",
     true, true, skill<kEdits>},
    {"token_skill", "by token", "the same of each token's mean change", true, true, skill<kTokens>},
    {"r2", "R2", "the same about each text's mean: a common offset does not count", true, true, centred<kEdits>},
    {"token_r2", "", "the same of each token's mean change", true, false, centred<kTokens>},
    {"slope", "slope", "measured change for one foretold: 1 right, below 1 too much foretold", true, true,
     slope<kEdits>},
    {"token_slope", "", "the same of each token's mean change", true, false, slope<kTokens>},
    {"cosine", "cosine", "of foretold and measured changes, whatever their scale", true, true, cosine<kEdits>},
    {"token_cosine", "", "the same of each token's mean change", true, false, cosine<kTokens>},
    {"sign", "sign", "share of right directions among changes of 10 % or more of the text's largest", true, true,
     signs<kEdits>},
    {"token_sign", "", "the same of each token's mean change", true, false, signs<kTokens>},
    {"rank", "rank", "rank correlation of each token's mean change, mean over texts", true, true,
     mean_of<&TextFigures::rank>},
    {"size_rank", "size", "rank correlation of sizes alone, without directions", false, true,
     mean_of<&TextFigures::size_rank>},
    {"beyond_distance", "beyond", "the same among tokens equally far away: what the distance alone does not tell",
     false, true, mean_of<&TextFigures::beyond>},
    {"log_p_rank", "", "rank of the same scores with changes of the logarithm of the target's probability", true, false,
     mean_of<&TextFigures::log_p_rank>},
};

std::optional<double> checked(const FigureInfo& info, Texts texts) {
  const std::optional<double> value = info.of(texts);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

}  // namespace

TextFigures figures_of(const TextEdits& text) {
  TextFigures out;
  std::vector<double> predicted, measured, log_p, token_predicted, token_measured, token_log_p;
  for (size_t i = 0; i < text.edits.size();) {
    const size_t first = i;
    for (; i < text.edits.size() && text.edits[i].token == text.edits[first].token; ++i) {
      predicted.push_back(text.edits[i].predicted);
      measured.push_back(text.edits[i].measured);
      log_p.push_back(text.edits[i].log_p);
    }
    token_predicted.push_back(mean(std::span(predicted).subspan(first)));
    token_measured.push_back(mean(std::span(measured).subspan(first)));
    token_log_p.push_back(mean(std::span(log_p).subspan(first)));
  }
  out.edits = sums_of(predicted, measured);
  out.tokens = sums_of(token_predicted, token_measured);
  if (!text.edits.empty()) {
    out.rank = ranked(spearman(token_predicted, token_measured), finite(predicted) && finite(measured));
    out.log_p_rank = ranked(spearman(token_predicted, token_log_p), finite(predicted) && finite(log_p));
  }
  const bool sound = finite(text.sizes) && finite(text.effects) && finite(text.distances);
  out.size_rank = ranked(spearman(text.sizes, text.effects), sound);
  out.beyond = ranked(partial_spearman(text.sizes, text.effects, text.distances), sound);
  return out;
}

std::span<const FigureInfo> accuracy_figures() { return kFigures; }

Figure figure_over(const FigureInfo& info, std::span<const TextFigures> texts) {
  std::vector<const TextFigures*> all, drawn_texts(texts.size());
  std::vector<size_t> files;
  for (const TextFigures& text : texts) {
    all.push_back(&text);
    files.push_back(text.file);
  }
  Figure f{checked(info, all), {}};
  if (!f.value) return f;
  f.interval = bootstrap_interval(files, kResamples, [&](std::span<const size_t> drawn) {
    for (size_t i = 0; i < drawn.size(); ++i) drawn_texts[i] = all[drawn[i]];
    return checked(info, drawn_texts);
  });
  return f;
}

std::vector<Figure> accuracy_of(std::span<const TextFigures> texts) {
  std::vector<Figure> out;
  for (const FigureInfo& info : kFigures) out.push_back(figure_over(info, texts));
  return out;
}

Figure mean_figure(std::span<const FileFigure> of_texts) {
  std::vector<double> values;
  std::vector<size_t> files;
  for (const FileFigure& f : of_texts) {
    if (!f.value) continue;
    values.push_back(*f.value);
    files.push_back(f.file);
  }
  if (values.empty() || !finite(values)) return {};
  return {mean(values), bootstrap_interval(files, kResamples, [&](std::span<const size_t> drawn) {
            double sum = 0;
            for (const size_t i : drawn) sum += values[i];
            return std::optional(sum / static_cast<double>(drawn.size()));
          })};
}

}  // namespace hindscan
