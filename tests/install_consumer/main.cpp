// Every call of the installed library, by a program that knows nothing else of it: main MODELS SCRATCH.
#include <hindscan/hindscan.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "not so: " << what << "\n";
  std::exit(1);
}

static hindscan::LanguageModel run_and_judge(const std::string& models) {
  auto model = hindscan::LanguageModel::load(models + "/english");
  expect(model.name() == "english" && model.parameters() > 0 && model.vocab_size() > 0 && model.feature_dim() == 0,
         "sizes");
  expect(model.decode(model.encode("Once upon a time")) == "Once upon a time", "decode(encode)");
  std::string streamed;
  const std::string text =
      model.generate("Once upon a time", {.max_tokens = 8, .on_text = [&](std::string_view s) { streamed += s; }});
  expect(!text.empty() && streamed == text, "what is streamed is what is given back");
  const hindscan::Score score = model.score("Once upon a time there was a king");
  expect(std::isfinite(score.perplexity) && score.perplexity_interval && score.bits_per_byte > 0, "score");
  try {
    model.classify("a text");
    expect(false, "a language model is no classifier");
  } catch (const hindscan::Error& e) {
    expect(e.code() == hindscan::ErrorCode::kData, "with the code of wrong data");
  }
  return model;
}

static void explain(const hindscan::LanguageModel& model) {
  const hindscan::Explanation why =
      model.explain("He opened the door and shut the", {.methods = "all", .causal_edits = 4});
  expect(why.methods().size() >= 4 && why.layers().size() == 8 && !why.tokens().empty(), "methods, layers, tokens");
  expect(why.scores().values.size() == why.tokens().size(), "a score for each token");
  expect(why.array("row", "core", true).axes.size() == 2 && why.arrays().size() > 8, "arrays");
  expect(why.target().value == why.target().logit - why.target().contrast_logit, "target");
  expect(!why.sentence().empty() && !why.top(3).empty() && why.seconds() > 0 && why.peak_bytes() > 0, "words");
  expect(why.to_json(true).size() > why.to_json().size(), "JSON");
  const hindscan::Matrix m = model.matrix("He opened the door", {.layer = -1, .map = "abs"});
  expect(m.rows == m.cols && m.at(m.rows - 1, 0) >= 0 && m.at(0, m.cols - 1) == 0, "matrix");
  const hindscan::Effects e = model.effects("He opened the door", {.by = "word"});
  expect(e.size() == 4 && e.at(3, 3) != 0 && e.at(1, 2) == 0 && !e.sentence.empty(), "effects");
}

// Two sessions of one model, in two threads.
static void sessions(const hindscan::LanguageModel& model, const std::string& scratch) {
  const auto write_on = [&model](const char* start, std::string* out) {
    hindscan::Session session(model);
    session.feed(start);
    *out = session.generate({.max_tokens = 12}).text;
  };
  std::string a, b, again;
  std::thread first(write_on, "Once upon a time", &a), second(write_on, "He opened the", &b);
  first.join();
  second.join();
  write_on("Once upon a time", &again);
  expect(a == again && !b.empty(), "a session is not disturbed by another");

  hindscan::Session session(model);
  session.feed("He opened the door");
  const size_t here = session.keep();
  hindscan::Session fork = session.fork();
  session.feed(model.encode(" and then"));
  expect(session.tokens() > fork.tokens() && !session.logits().empty(), "a fork stays");
  session.rewind(here);
  expect(session.tokens() == fork.tokens(), "rewind");
  session.save(scratch + "/state");
  expect(hindscan::Session::load(model, scratch + "/state").tokens() == session.tokens(), "save and load");
  hindscan::Session* both[] = {&session, &fork};
  const std::vector<int32_t> pieces[] = {model.encode(" and"), model.encode(" into the room")};
  hindscan::Session::feed(both, pieces);
  expect(!model.explain(" and shut the", {.causal_edits = 0, .after = &session}).top(1).empty(),
         "explain after a session");
}

static void requests(const hindscan::LanguageModel& model, const std::string& scratch) {
  const hindscan::Cancel cancel;
  cancel.request();
  try {
    model.explain("He opened the door", {.cancel = &cancel});
    expect(false, "a request that was taken back ends");
  } catch (const hindscan::Error& e) {
    expect(e.code() == hindscan::ErrorCode::kCancelled, "with its code");
  }
  int64_t steps = 0;
  hindscan::TrainingOptions options{
      .arch = "gru", .d_model = 8, .n_layer = 1, .task = "induction", .out = scratch + "/run"};
  options.steps = 4, options.sequences = 1, options.length = 16, options.stop_after = 2, options.gemm = "f32";
  options.on_step = [&](const hindscan::TrainingStep& s) { steps = s.step; };
  expect(hindscan::train_model(options).end == hindscan::Training::End::kStopAfter && steps == 2, "training stops");
  const hindscan::Training rest = hindscan::resume_training(scratch + "/run");
  expect(rest.end == hindscan::Training::End::kFinished && rest.steps == 4, "and goes on");
}

int main(int, char** argv) {
  hindscan::share_cores();
  expect(std::string(hindscan::version()).starts_with("0.2"), "version");
  const hindscan::LanguageModel model = run_and_judge(argv[1]);
  explain(model);
  sessions(model, argv[2]);
  requests(model, argv[2]);
  std::cout << "every call of the library answered\n";
}
