#include "explain/writes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "explain/test_support.h"

namespace hindscan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What verify_writes says of these taps in a model that is as it should be.
std::string said_of(const Model& model, const Writes& writes) {
  const std::vector<int32_t> window = distinct_tokens(9);
  PassRoom room;
  try {
    verify_writes(model, window, {}, writes, room);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInternal);
    return e.what();
  }
  return "";
}

Writes taps_of(const Model& model) { return explain(model, request_for(distinct_tokens(9))).window.writes; }

TEST(CaseA12, WritesThatAreThereAndMakeTheStateAreFound) {
  const Model model = tiny_model(DType::kF32);
  const Writes taps = taps_of(model);
  EXPECT_EQ(std::ssize(taps), model.arch().sizes().n_layer);
  EXPECT_EQ(said_of(model, taps), "");
}

TEST(CaseA12, AWriteThatIsNotThereIsAnErrorOfTheProgram) {
  const Model model = tiny_model(DType::kF32);
  Writes taps = taps_of(model);
  const std::string first = taps.begin()->first, mixer = first.substr(0, first.rfind('.'));
  taps[mixer + ".nothing"] = taps.begin()->second;
  EXPECT_THAT(said_of(model, taps), AllOf(HasSubstr(mixer + ".nothing to drop, found none"), HasSubstr("report")));
}

// What a mixer gives out is read from its state: without it the state is the same.
TEST(CaseA12, AWriteWhoseAbsenceChangesNoStateIsAnErrorOfTheProgram) {
  const Model model = tiny_model(DType::kF32);
  const auto [first, write] = *taps_of(model).begin();
  const std::string mixer = first.substr(0, first.rfind('.') + 1);
  EXPECT_THAT(
      said_of(model, {{mixer + "out", write}}),
      AllOf(HasSubstr("another state of " + mixer + " without its writes, found the same"), HasSubstr("report")));
}

}  // namespace
}  // namespace hindscan
