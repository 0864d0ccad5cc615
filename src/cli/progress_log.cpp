#include "cli/progress_log.h"

#include "cli/streams.h"

namespace hindscan::cli {
namespace {

constexpr double kFirst = 2.0, kInterval = 10.0;  // seconds

double seconds_between(ProgressLog::Clock::time_point from, ProgressLog::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void ProgressLog::begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) {
  if (depth_++ > 0) return;
  what_ = what;
  unit_ = unit;
  total_ = total;
  first_ = done_ = done;
  start_ = said_ = now_();
  shown_ = false;
}

void ProgressLog::advance(uint64_t done, std::string_view note) {
  if (depth_ != 1) return;
  done_ = done;
  if (seconds_between(said_, now_()) < (shown_ ? kInterval : kFirst)) return;
  said_ = now_();
  shown_ = true;
  line(note, false);
}

void ProgressLog::end() {
  if (depth_ == 0 || --depth_ > 0 || !shown_) return;
  line("", true);
}

void ProgressLog::line(std::string_view note, bool finished) {
  Json fields = Json::object();
  fields.set("event", "progress").set("done", done_).set("total", total_ > 0 ? Json(total_) : Json());
  fields.set("unit", unit_).set("seconds", seconds_between(start_, now_())).set("finished", finished);
  if (first_ > 0) fields.set("resumed_from", first_);
  if (!note.empty()) fields.set("note", note);
  log_line("info", what_, fields);
}

}  // namespace hindscan::cli
