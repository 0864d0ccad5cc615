// Every architecture of the registry through files: states that are saved and loaded, weights written in every type.
#include <gtest/gtest.h>

#include "arch_cases.h"
#include "base/testing/scratch.h"

namespace hindscan {
namespace {

using testing::kLogits;
using testing::run;
using testing::Sequence;

class ArchFiles : public testing::ArchTest {
 protected:
  template <class R>
  void restored() const {
    const Model model = golden_.model<R>();
    if (!per_token(model)) GTEST_SKIP() << "this model judges whole texts: it has no logits of every token";
    const Sequence& sequence = golden_.sequences()[0];
    const std::string path = scratch_.at("state");
    SequenceState state;
    run<R>(model, sequence.part(0, 13), &state);
    save_state(real_fs(), path, state, model);
    SequenceState fork = state, back = load_state(path, model);
    EXPECT_EQ(back.tokens, 13);
    const Sequence rest = sequence.from(13);
    const std::vector<R> expected = run<R>(model, rest, &state);
    EXPECT_EQ(run<R>(model, rest, &fork), expected);  // to the last bit
    EXPECT_EQ(run<R>(model, rest, &back), expected);
  }

  const Scratch scratch_;
};

TEST_P(ArchFiles, SavedAndRestoredF32) { restored<float>(); }
TEST_P(ArchFiles, SavedAndRestoredF64) { restored<double>(); }

// 16-bit matrices are exact numbers: the same as the rounded weights in double.
TEST_P(ArchFiles, SixteenBitStorage) {
  const Model model = golden_.model<float>();
  const Sequence& sequence = golden_.sequences()[0];
  for (DType type : {DType::kBF16, DType::kF16}) {
    const std::string folder = scratch_.at(dtype_name(type));
    model.save(folder, type);
    const Model narrow = Model::load(folder), wide = Model::load(folder, {DType::kF64});
    EXPECT_TRUE(agree(run<float>(narrow, sequence), run<double>(wide, sequence),
                      bar<float>(kLogits<float>, "logits").times(2)));
    EXPECT_TRUE(agree(run<double>(wide, sequence), golden_.logits(0),
                      type == DType::kBF16 ? tol::kBf16Storage : tol::kF16Storage));
  }
}

TEST_P(ArchFiles, WrittenAndReadAgain) {
  const Model model = golden_.model<float>();
  model.save(scratch_.at("model"), DType::kF32);
  const Model again = Model::load(scratch_.at("model"));
  EXPECT_EQ(run<float>(again, golden_.sequences()[0]), run<float>(model, golden_.sequences()[0]));
}

INSTANTIATE_TEST_SUITE_P(Table, ArchFiles, ::testing::ValuesIn(testing::arch_cases()), testing::arch_case_name);

}  // namespace
}  // namespace hindscan
