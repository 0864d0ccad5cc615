#include "base/log.h"

#include <mutex>

namespace hindscan {
namespace {

std::mutex g_mutex;
LogSink& sink_slot() {
  static LogSink sink;
  return sink;
}

}  // namespace

LogSink set_log_sink(LogSink sink) {
  std::lock_guard lock(g_mutex);
  return std::exchange(sink_slot(), std::move(sink));
}

void log_message(LogLevel level, std::string_view text) {
  std::lock_guard lock(g_mutex);
  if (sink_slot()) sink_slot()(level, text);
}

}  // namespace hindscan
