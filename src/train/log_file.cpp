#include "train/log_file.h"

#include "base/error.h"
#include "base/log.h"

namespace hindscan {

LogFile::LogFile(Fs& fs, const std::string& path) : fs_(fs), path_(path) {
  make_dirs(fs_, parent_dir(path));
  handle_ = fs_.open(path, OpenMode::kAppend);
}

LogFile::~LogFile() {
  if (handle_ < 0) return;
  try {
    fs_.close(handle_);
  } catch (const Error& e) {
    log_warning("{}", e.message());
  }
}

void LogFile::line(const Json& json) {
  if (handle_ < 0) return;
  try {
    write_all(fs_, handle_, as_bytes(to_string(json) + "\n"));
  } catch (const Error& e) {
    log_warning("{}: no more lines are written: {}", path_, e.message());
    const int handle = handle_;
    handle_ = -1;
    try {
      fs_.close(handle);
    } catch (const Error&) {  // the write error has been told
    }
  }
}

void LogFile::start(const TrainOptions& options, int64_t step, int64_t parameters) {
  line(Json::object()
           .set("event", step == 0 ? "start" : "resume")
           .set("step", step)
           .set("parameters", parameters)
           .set("options", to_json(options)));
}

void LogFile::step(const StepRecord& r, int64_t skipped) {
  Json json = Json::object();
  json.set("step", r.step).set("loss", r.loss).set("lr", r.lr).set("grad_norm", r.grad_norm);
  json.set("tok_s", r.seconds > 0 ? static_cast<double>(r.step_tokens) / r.seconds : 0.0);
  json.set("tokens", r.tokens).set("seconds", r.seconds).set("peak_bytes", r.peak_bytes).set("skipped", skipped);
  line(json);
}

void LogFile::held_out(int64_t step, const HeldOut& h) {
  line(Json::object()
           .set("event", "held_out")
           .set("step", step)
           .set("nats_per_token", h.nats_per_token)
           .set("bits_per_byte", h.bits_per_byte)
           .set("tokens", h.tokens)
           .set("bytes", h.bytes));
}

void LogFile::accuracy(int64_t step, double value) {
  line(Json::object().set("event", "accuracy").set("step", step).set("accuracy", value));
}

void LogFile::labelled(int64_t step, const LabelledScore& s) {
  Json json = Json::object();
  json.set("event", "held_out")
      .set("step", step)
      .set(s.regression ? "rmse" : "accuracy", s.regression ? s.rmse : s.accuracy);
  line(json.set("held_out_loss", s.loss).set("examples", s.examples));
}

void LogFile::note(int64_t step, const std::string& event, const std::string& text) {
  line(Json::object().set("event", event).set("step", step).set("text", text));
}

}  // namespace hindscan
