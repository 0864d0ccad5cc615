#include "cli/progress_log.h"

#include "cli/streams.h"

namespace hindscan::cli {

static void show(const ProgressState& s) {
  Json fields = Json::object();
  fields.set("event", "progress").set("done", s.done).set("total", s.total > 0 ? Json(s.total) : Json());
  fields.set("unit", s.unit).set("seconds", s.seconds).set("finished", s.finished);
  if (s.first > 0) fields.set("resumed_from", s.first);
  if (!s.note.empty()) fields.set("note", s.note);
  log_line("info", s.what, fields);
}

std::unique_ptr<TimedProgress> progress_log(TimedProgress::Now now) {
  return std::make_unique<TimedProgress>(kProgressLineSeconds, show, std::move(now));
}

}  // namespace hindscan::cli
