#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace hindscan {
namespace {

constexpr double kFirstShown = 2.0;   // seconds
constexpr double kBarInterval = 0.1;  // seconds
constexpr int kBarWidth = 30;

std::string bar_of(double share) {
  const auto full = static_cast<int>(share * kBarWidth);
  return fmt::format("  {:#<{}}{:-<{}}", "", full, "", kBarWidth - full);
}

std::string line_of(const ProgressState& s, bool bar) {
  const auto done = static_cast<double>(s.done), total = static_cast<double>(s.total);
  const double rate = s.seconds > 0 ? static_cast<double>(s.done - std::min(s.first, s.done)) / s.seconds : 0;
  std::string out = s.what;
  if (s.total > 0) {
    const double share = std::min(done / total, 1.0);
    if (bar) out += bar_of(share);
    out += fmt::format("  {:.0f}%  {}/{} {}", std::floor(share * 100), format_count(done), format_count(total), s.unit);
    out += fmt::format("  {} {}/s", format_count(rate), s.unit);
    if (rate > 0) out += fmt::format("  ETA {}", format_duration((total - std::min(done, total)) / rate));
  } else {
    out += fmt::format("  {} {}  {} {}/s", format_count(done), s.unit, format_count(rate), s.unit);
  }
  if (!s.note.empty()) out.append("  ").append(s.note);
  return out;
}

std::string redrawn(const ProgressState& s, int columns) {
  if (s.finished) return "\r\x1b[K";
  // One column stays free: a full line makes some terminals wrap.
  return fmt::format("\r{}\x1b[K", line_of(s, true).substr(0, static_cast<size_t>(std::max(columns - 1, 1))));
}

std::string printed(const ProgressState& s) {
  if (!s.finished) return line_of(s, false) + "\n";
  return fmt::format("{}: {} {} in {}\n", s.what, format_count(static_cast<double>(s.done - s.first)), s.unit,
                     format_duration(s.seconds));
}

}  // namespace

void JoinedProgress::begin(std::string_view, std::string_view, uint64_t total, uint64_t) {
  if (depth_++ == 0) part_total_ = total;
}

void JoinedProgress::advance(uint64_t done, std::string_view note) {
  if (depth_ != 1 || part_ >= shares_.size() || part_total_ == 0) return;
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(part_total_));
  task_.set(static_cast<uint64_t>((before_ + shares_[part_] * part) * static_cast<double>(total_)), note);
}

void JoinedProgress::end() {
  if (--depth_ > 0 || part_ >= shares_.size()) return;
  before_ += shares_[part_++];
}

ProgressMode progress_mode(int fd) {
  if (!isatty(fd)) return ProgressMode::kNone;
  const char* term = std::getenv("TERM");
  return term == nullptr || std::string_view(term) == "dumb" ? ProgressMode::kLines : ProgressMode::kBar;
}

std::string format_count(double value) {
  if (value >= 999.5e6) return fmt::format("{:.1f}G", value / 1e9);
  if (value >= 999.5e3) return fmt::format("{:.1f}M", value / 1e6);
  if (value >= 999.5) return fmt::format("{:.1f}k", value / 1e3);
  return value >= 9.95 || value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value);
}

std::string format_duration(double seconds) {
  const auto s = static_cast<uint64_t>(std::clamp(std::ceil(seconds), 0.0, 1e9));
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
}

void TimedProgress::begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) {
  if (depth_++ > 0) return;
  state_ = {std::string(what), std::string(unit), total, done, done, 0, {}, false};
  start_ = shown_at_ = now_();
  shown_ = false;
}

void TimedProgress::advance(uint64_t done, std::string_view note) {
  if (depth_ != 1) return;
  state_.done = done;
  const Clock::time_point now = now_();
  if (std::chrono::duration<double>(now - shown_at_).count() < (shown_ ? every_ : kFirstShown)) return;
  shown_at_ = now;
  shown_ = true;
  show(now, note);
}

void TimedProgress::end() {
  if (depth_ == 0 || --depth_ > 0 || !shown_) return;
  state_.finished = true;
  show(now_(), {});
}

void TimedProgress::show(Clock::time_point now, std::string_view note) {
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  state_.note = note;
  show_(state_);
}

std::unique_ptr<TimedProgress> progress_text(ProgressMode mode, std::function<void(std::string_view)> write,
                                             int columns, TimedProgress::Now now) {
  if (mode == ProgressMode::kNone) return nullptr;
  const bool bar = mode == ProgressMode::kBar;
  return std::make_unique<TimedProgress>(
      bar ? kBarInterval : kProgressLineSeconds,
      [=, write = std::move(write)](const ProgressState& s) { write(bar ? redrawn(s, columns) : printed(s)); },
      std::move(now));
}

}  // namespace hindscan
