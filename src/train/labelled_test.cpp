// Labelled files as they come, runs on them, and what a wrong file is told.
#include "train/labelled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "io/npy.h"
#include "train/labelled_source.h"
#include "train/run.h"
#include "train/tasks.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Labelled : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::string path = dir_.at(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  template <class T>
  std::string write_array(const std::string& name, std::vector<uint64_t> shape, const std::vector<T>& values) const {
    std::string path = dir_.at(name);
    write_npy(real_fs(), path, npy_array("a", std::move(shape), std::span<const T>(values)));
    return path;
  }

  // Texts of letters, "yes" where a # stands among them.
  std::string texts(const std::string& name, int count, uint64_t seed) const {
    std::string out;
    Rng rng(seed, "texts");
    for (int i = 0; i < count; ++i) {
      std::string text;
      for (uint64_t t = 4 + rng.below(12); t > 0; --t) text += "abcdefgh"[rng.below(8)];
      const bool yes = rng.uniform() < 0.5;
      if (yes) text[rng.below(text.size())] = '#';
      out += text + (yes ? "\tyes\n" : "\tno\n");
    }
    return write(name, out);
  }

  TrainOptions text_run(const std::string& out) const {
    TrainOptions o;
    o.task = "classify";
    o.labels = texts("train.tsv", 300, 1);
    o.valid = texts("valid.tsv", 200, 2);
    o.arch = "mamba";
    o.d_model = 16;
    o.n_layer = 1;
    o.pooling = "max";
    o.tokenizer = write("tokenizer.json", make_task("reset")->tokenizer_json());
    o.out = dir_.at(out);
    o.steps = 60;
    o.sequences = 8;
    o.accumulation = 2;
    o.length = 1 << 20;
    o.lr = 1e-2;
    o.warmup = 5;
    o.checkpoint_seconds = 0;
    o.checkpoint_steps = 1000;
    o.gemm = DType::kF32;
    return o;
  }

  std::string failure(const std::function<void()>& f) const {
    try {
      f();
    } catch (const Error& e) {
      return e.message();
    }
    return "no error";
  }
  std::string read_failure(const std::string& name, const std::string& text, const std::string& features = "") const {
    const std::string path = write(name, text);
    return failure([&] { read_labelled({.labels = path, .features = features}); });
  }

  Scratch dir_;
};

TEST_F(Labelled, ColumnsOfEitherOrder) {
  const LabelledRows last =
      read_labelled({.labels = write("a.tsv", "sentence\tlabel\nfine\t1\r\npoor\t0\n\ngood\t1\n")});
  EXPECT_THAT(last.texts, ElementsAre("fine", "poor", "good"));
  EXPECT_THAT(last.labels, ElementsAre("1", "0", "1"));
  EXPECT_THAT(last.lines, ElementsAre(2, 3, 5));
  const LabelledRows first = read_labelled({.labels = write("b.tsv", "pos\tone\ttwo\nneg\tthree\npos\tfour")});
  EXPECT_THAT(first.texts, ElementsAre("one\ttwo", "three", "four"));
  EXPECT_THAT(first.labels, ElementsAre("pos", "neg", "pos"));
  const LabelledRows chosen =
      read_labelled({.labels = write("c.tsv", "id1\t3\ttext\n"), .label_column = 2, .text_column = 3});
  EXPECT_THAT(chosen.texts, ElementsAre("text"));
  EXPECT_THAT(chosen.labels, ElementsAre("3"));
}

TEST_F(Labelled, ObjectsAndNumbers) {
  const std::string path = write("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"label\": 0.5, \"text\": \"y\"}\n");
  const LabelledRows rows = read_labelled({.labels = path});
  EXPECT_THAT(rows.texts, ElementsAre("x", "y"));
  EXPECT_TRUE(rows.fractional);
  EXPECT_TRUE(label_options(rows, false, 0).regression);
  const std::string named = write("b.jsonl", "{\"s\": \"x\", \"y\": true}\n{\"s\": \"y\", \"y\": \"no\"}\n");
  EXPECT_THAT(read_labelled({.labels = named, .text_field = "s", .label_field = "y"}).labels,
              ElementsAre("true", "no"));
  LabelledRows integers;
  integers.labels = {"10", "9", "10", "-1"};
  EXPECT_THAT(label_options(integers, false, 0).label_names, ElementsAre("-1", "9", "10"));
  EXPECT_EQ(label_options(integers, true, 0).num_labels, 1);
}

TEST_F(Labelled, CaseA8TwoValuesAreTwoClasses) {
  const auto classes = [&](const std::string& name, const std::string& text) {
    const ClassifierOptions o = label_options(read_labelled({.labels = write(name, text)}), false, 0);
    return o.regression ? std::vector<std::string>{"regression"} : o.label_names;
  };
  EXPECT_THAT(classes("a.tsv", "fine\t1.0\npoor\t0.0\n"), ElementsAre("0.0", "1.0"));
  EXPECT_THAT(classes("b.tsv", "a b\t-0.5\nc d\t0.5\ne f\t0.5\ng h\t-0.5\n"), ElementsAre("-0.5", "0.5"));
  EXPECT_THAT(classes("c.tsv", "a b\t0.5\nc d\t1.5\ne f\t2.5\n"), ElementsAre("regression"));
  EXPECT_THAT(classes("d.csv", "text,score\n\"fine, too\",1.0\npoor,0.0\n"), ElementsAre("0.0", "1.0"));
  EXPECT_THAT(classes("e.jsonl", "{\"text\": \"x\", \"label\": 1.0}\n{\"label\": 0.0, \"text\": \"y\"}\n").size(), 2u);
  const LabelledRows csv = read_labelled({.labels = dir_.at("d.csv")});
  EXPECT_THAT(csv.texts, ElementsAre("fine, too", "poor"));
  const std::string x = write_array<float>("x.npy", {4, 1}, {1, 2, 3, 4});
  const auto fractional = [&](const std::vector<float>& y) {
    return read_labelled({.labels = write_array<float>("y.npy", {4}, y), .features = x}).fractional;
  };
  EXPECT_FALSE(fractional({0, 1, 1, 0}));
  EXPECT_TRUE(fractional({0, 1, 2, 0}));
}

TEST_F(Labelled, WrongFilesSayWhatIsWrong) {
  EXPECT_THAT(read_failure("a.tsv", "fine\t1\npoor\n"),
              HasSubstr("a.tsv line 2] expected a label and a text with a tab"));
  EXPECT_THAT(read_failure("b.tsv", "fine\tpoor\n"), HasSubstr("give the number of the label column"));
  EXPECT_THAT(read_failure("b2.tsv", "fine\t1\npoor\t\nso so\t1\n"), HasSubstr("line 2] expected a label in column 2"));
  EXPECT_THAT(read_failure("c.tsv", "\n"), HasSubstr("found none"));
  EXPECT_THAT(read_failure("d.jsonl", "{\"text\": \"x\"}\n"), HasSubstr("name the label field"));
  EXPECT_THAT(read_failure("e.jsonl", "{\"label\": 1}\n"), HasSubstr("name the text field"));
  EXPECT_THAT(read_failure("f.jsonl", "{\"text\": \"x\", \"label\": [1]}\n"), HasSubstr("found an array"));
  const LabelledRows bytes = read_labelled({.labels = write("bytes.tsv", "one\t\xff\ntwo\tx\nthree\tx\n")});
  EXPECT_THAT(failure([&] { label_options(bytes, false, 0); }), HasSubstr("UTF-8"));
  EXPECT_THAT(read_failure("g.npy", ""), HasSubstr("as features in a .npy file"));
  EXPECT_THAT(read_failure("h.tsv", "fine\t1\n", "x.npy"), HasSubstr(".npy"));
  EXPECT_THAT(failure([&] {
                read_features(write_array<float>("i.npy", {2, 1}, {1, NAN}));
              }),
              HasSubstr("found nan in sequence 2"));
  EXPECT_THAT(failure([&] {
                read_features(write_array<float>("j.npy", {2}, {1, 2}));
              }),
              HasSubstr("different lengths"));
  EXPECT_THAT(failure([&] { read_features(write_array<float>("k.npy", {0, 2}, {})); }), HasSubstr("empty"));
}

TEST_F(Labelled, EveryEpochTakesEachSequenceOnce) {
  LabelledSet set;
  for (int32_t i = 0; i < 10; ++i) {
    set.tokens.insert(set.tokens.end(), static_cast<size_t>(i) + 1, i);
    set.cu.push_back(std::ssize(set.tokens));
    set.classes.push_back(i);
  }
  TrainOptions o;
  o.sequences = 2;
  o.accumulation = 1;
  const LabelledSource source(set, o, 10);
  std::vector<int32_t> first, second;
  for (int64_t step = 0; step < 10; ++step) {
    const Batch b = source.batch(step, 0);
    ASSERT_EQ(b.cu_seqlens.size(), 3u);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(b.cu_seqlens[i + 1] - b.cu_seqlens[i], b.targets[i] + 1);
      EXPECT_EQ(b.tokens[static_cast<size_t>(b.cu_seqlens[i])], b.targets[i]);
    }
    std::vector<int32_t>& epoch = step < 5 ? first : second;
    epoch.insert(epoch.end(), b.targets.begin(), b.targets.end());
  }
  EXPECT_NE(first, second);
  EXPECT_EQ(source.batch(3, 0).targets, LabelledSource(set, o, 10).batch(3, 0).targets) << "depends on the step alone";
  for (std::vector<int32_t>* epoch : {&first, &second}) {
    std::sort(epoch->begin(), epoch->end());
    EXPECT_THAT(*epoch, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  }
}

TEST_F(Labelled, TextsAreLearntAndARunResumesToTheLastBit) {
  const TrainReport whole = train(text_run("a"), {});
  ASSERT_TRUE(whole.labelled);
  EXPECT_GT(whole.labelled->accuracy, 0.95);
  EXPECT_EQ(whole.labelled->examples, 200);
  Model model = Model::load(whole.model_dir);
  EXPECT_THAT(label_names(model), ElementsAre("no", "yes"));
  EXPECT_EQ(model.weights().find("score.weight")->shape, (std::vector<int64_t>{2, 16}));

  TrainOptions o = text_run("b");
  o.stop_after = 23;
  train(o, {});
  const TrainReport end = resume(o.out, {}, {});
  EXPECT_EQ(end.labelled->loss, whole.labelled->loss);
  const auto read = [&](const std::string& file) { return real_fs().read(dir_.path() + file, 1u << 30); };
  EXPECT_EQ(read("/a/model/model.safetensors"), read("/b/model/model.safetensors"));
  EXPECT_EQ(read("/a/ckpt-0000060/optim.safetensors"), read("/b/ckpt-0000060/optim.safetensors"));

  TrainOptions again = text_run("c");
  again.arch = again.tokenizer = "";
  again.model = whole.model_dir;
  again.steps = 0;
  EXPECT_GT(train(again, {}).labelled->accuracy, 0.95) << "a classifier goes on from its own head";
  again.labels = texts("other.tsv", 3, 3);
  write("other.tsv", "abc\tyes\nabd\tmaybe\nabe\tyes\n");
  again.out += "2";
  EXPECT_THAT(failure([&] { train(again, {}); }),
              HasSubstr("line 2] expected a label the model knows (no, yes), found \"maybe\""));
}

TEST_F(Labelled, ALanguageModelKeepsItsBody) {
  TrainOptions o = text_run("a");
  o.arch = "";
  o.tokenizer = "";
  o.model = dir_.at("language");
  Config config = architecture_preset("mamba", {.d_model = 16, .n_layer = 1, .vocab_size = 16});
  config.set("tie_word_embeddings", false);
  Model language = Model::create(config, DType::kF32, 9);
  language.set_tokenizer(make_task("reset")->tokenizer_json(), "tokenizer");
  language.save(o.model, DType::kF32);
  o.steps = 0;
  o.save_dtype = DType::kF32;
  Model model = Model::load(train(o, {}).model_dir);
  const Weight& w = *language.weights().find("backbone.layers.0.mixer.in_proj.weight");
  EXPECT_EQ(0, std::memcmp(model.weights().find(w.name)->data, w.data, static_cast<size_t>(w.size()) * sizeof(float)));
  TrainOptions text = o;
  text.task = text.labels = text.valid = "";
  text.data = {write("data.txt", "abcdefgh")};
  text.model = dir_.at("a/model");
  text.out += "2";
  EXPECT_NE(failure([&] { train(text, {}); }), "no error");
}

TEST_F(Labelled, VectorsAreRegressed) {
  std::vector<float> x, y;
  Rng rng(5, "vectors");
  for (int i = 0; i < 200; ++i) {
    double sum = 0;
    for (int t = 0; t < 5; ++t) {
      x.push_back(static_cast<float>(rng.normal()));
      x.push_back(static_cast<float>(rng.normal()));
      sum += static_cast<double>(x[x.size() - 2]);
    }
    y.push_back(static_cast<float>(1 + sum / 5));
    y.push_back(static_cast<float>(-sum));
  }
  TrainOptions o = text_run("r");
  o.tokenizer = "";
  o.arch = "gru";
  o.labels = o.valid = write_array("y.npy", {200, 2}, y);
  o.features = o.valid_features = write_array("x.npy", {200, 5, 2}, x);
  o.steps = 150;
  const TrainReport report = train(o, {});
  ASSERT_TRUE(report.labelled);
  EXPECT_TRUE(report.labelled->regression);
  EXPECT_LT(report.labelled->rmse, 0.4);  // the labels' own deviation is 1.6
  o.out += "2";
  o.features = write_array("short.npy", {1, 5, 2}, std::vector<float>(10));
  EXPECT_THAT(failure([&] { train(o, {}); }), HasSubstr("as many labels as there are sequences"));
  o.out += "3";
  o.features = write_array("wide.npy", {200, 5, 1}, std::vector<float>(1000));
  EXPECT_THAT(failure([&] { train(o, {}); }), HasSubstr("expected vectors of 1 number, found 2"));
}

}  // namespace
}  // namespace hindscan
