#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace hindscan {
namespace {

constexpr double kFirstShown = 2.0;     // seconds
constexpr double kBarInterval = 0.1;    // seconds
constexpr double kLineInterval = 10.0;  // seconds
constexpr int kBarWidth = 30;

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

double ProgressPrinter::seconds_since(Clock::time_point start) const {
  return std::chrono::duration<double>(now_() - start).count();
}

void ProgressPrinter::begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) {
  if (depth_++ > 0) return;
  what_ = what;
  unit_ = unit;
  total_ = total;
  first_ = done_ = done;
  start_ = drawn_ = now_();
  shown_ = false;
}

void ProgressPrinter::advance(uint64_t done, std::string_view note) {
  if (mode_ == ProgressMode::kNone || depth_ != 1) return;
  done_ = done;
  const double seconds = seconds_since(start_);
  const double interval = !shown_ ? kFirstShown : mode_ == ProgressMode::kBar ? kBarInterval : kLineInterval;
  if (seconds_since(drawn_) < interval) return;
  drawn_ = now_();
  shown_ = true;
  if (mode_ == ProgressMode::kBar) {
    // One column stays free: a full line makes some terminals wrap.
    std::string text = line(seconds, note).substr(0, static_cast<size_t>(std::max(columns_ - 1, 1)));
    write_(fmt::format("\r{}\x1b[K", text));
  } else {
    write_(line(seconds, note) + "\n");
  }
}

void ProgressPrinter::end() {
  if (depth_ == 0 || --depth_ > 0 || !shown_) return;
  if (mode_ == ProgressMode::kBar) {
    write_("\r\x1b[K");
  } else {
    write_(fmt::format("{}: {} {} in {}\n", what_, format_count(static_cast<double>(done_ - first_)), unit_,
                       format_duration(seconds_since(start_))));
  }
}

std::string ProgressPrinter::line(double seconds, std::string_view note) const {
  const auto done = static_cast<double>(done_);
  const double rate = seconds > 0 ? static_cast<double>(done_ - std::min(first_, done_)) / seconds : 0;
  std::string out = what_;
  if (total_ > 0) {
    const auto total = static_cast<double>(total_);
    const double share = std::min(done / total, 1.0);
    if (mode_ == ProgressMode::kBar) {
      const auto full = static_cast<int>(share * kBarWidth);
      out += fmt::format("  {:#<{}}{:-<{}}", "", full, "", kBarWidth - full);
    }
    out += fmt::format("  {:.0f}%  {}/{} {}", std::floor(share * 100), format_count(done), format_count(total), unit_);
    out += fmt::format("  {} {}/s", format_count(rate), unit_);
    if (rate > 0) out += fmt::format("  ETA {}", format_duration((total - std::min(done, total)) / rate));
  } else {
    out += fmt::format("  {} {}  {} {}/s", format_count(done), unit_, format_count(rate), unit_);
  }
  if (!note.empty()) out.append("  ").append(note);
  return out;
}

}  // namespace hindscan
