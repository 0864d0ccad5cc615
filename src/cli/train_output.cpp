#include "cli/train_output.h"

#include "base/formats.h"
#include "base/shell_quote.h"
#include "cli/measured.h"
#include "cli/streams.h"
#include "io/interval_json.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

struct EndName {
  const char *json, *words;
};

EndName end_name(TrainReport::End end) {
  constexpr EndName names[] = {{"finished", "finished"},
                               {"time limit", "stopped by --max-seconds"},
                               {"stop after", "stopped by --stop-after"},
                               {"signal", "stopped by a signal"}};
  return names[static_cast<int>(end)];
}

Json to_json(const LabelledScore& s) {
  Json out = Json::object();
  out.set(s.regression ? "rmse" : "accuracy", s.regression ? s.rmse : s.accuracy);
  out.set(s.regression ? "rmse_interval" : "accuracy_interval", interval_json(s.interval));
  return out.set("loss", s.loss).set("examples", s.examples);
}

}  // namespace

void print_training(const TrainReport& r, const std::string& run_dir, bool json) {
  if (json) {
    Json out = Json::object();
    out.set("schema", format::kTrainJson)
        .set("end", end_name(r.end).json)
        .set("steps", r.steps)
        .set("skipped", r.skipped);
    out.set("loss", r.loss).set("seconds", r.seconds).set("checkpoint", r.checkpoint).set("model", r.model_dir);
    if (r.held_out) {
      out.set("held_out", Json::object()
                              .set("nats_per_token", r.held_out->nats_per_token)
                              .set("nats_per_token_interval", interval_json(r.held_out->interval))
                              .set("bits_per_byte", r.held_out->bits_per_byte));
    }
    if (r.task) out.set("accuracy", r.task->accuracy()).set("accuracy_interval", interval_json(r.task->interval()));
    if (r.labelled) out.set("held_out", to_json(*r.labelled));
    Out::get().write(to_string(out, {.indent = 2}) + "\n");
    return;
  }
  Out& out = Out::get();
  if (r.loss)
    out.print("{} at step {}   loss {:.4f}   {}\n", end_name(r.end).words, r.steps, *r.loss,
              format_duration(r.seconds));
  else
    out.print("{} at step {}   no step was left to do   {}\n", end_name(r.end).words, r.steps,
              format_duration(r.seconds));
  if (r.held_out)
    out.print("held out    {:.4f} nats/token{}   {:.4f} bits/byte\n", r.held_out->nats_per_token,
              interval_text(r.held_out->interval, 4), r.held_out->bits_per_byte);
  if (r.labelled) out.print("held out    {}\n", describe(*r.labelled));
  if (r.task)
    out.print("accuracy    {:.1f} %{} of {} questions\n", 100 * r.task->accuracy(), percent_text(r.task->interval(), 1),
              r.task->asked);
  if (!r.checkpoint.empty()) out.print("checkpoint  {}\n", printable(r.checkpoint).text);
  if (r.model_dir.empty()) {
    const std::string resumed = printable(shell_quote(run_dir)).text;
    out.print("next        hindscan train --resume {} goes on; with --export DIR a model of what there is\n", resumed);
    return;
  }
  // The alphabet of a generated task has no words, a model of vectors no text.
  const char* input = r.reads_features ? "--features FILE" : r.task ? "--tokens 1,2,3" : "-p TEXT";
  out.print("model       {}   next: hindscan {} -m {} {}\n", printable(r.model_dir).text,
            r.classifier ? "classify" : "run", printable(shell_quote(r.model_dir)).text, input);
}

}  // namespace hindscan::cli
