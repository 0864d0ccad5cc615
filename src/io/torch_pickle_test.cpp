// Pickles made by hand: a closed list of opcodes and names, each only where torch.save puts it.
#include "io/torch_pickle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/torch_test_support.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;
using namespace torch_test;

TEST(TorchFile, OnlyTheClosedListOfOpcodesAndNames) {
  for (const std::string name : {"os\nsystem", "builtins\neval", "torch\nload", "torch._utils\n_rebuild_sparse_tensor",
                                 "collections\nOrderedDictX", "posix\nsystem", "torch\nFloatStorage2", "\n",
                                 "torch._utils _rebuild_tensor_v2\n"}) {
    EXPECT_THAT(refusal(archive(pickle("c" + name + "\n)R"))), HasSubstr("never executed")) << name;
  }
  const std::string known = std::string("cqrhj)t\x85\x86\x87(XJKM\x8aG\x88\x89N}su]aeQRb.", 30) + '\x80';
  for (int op = 0; op < 256; ++op) {
    if (known.find(static_cast<char>(op)) != std::string::npos && op != 0x80) continue;
    EXPECT_THAT(refusal(archive(pickle(std::string(1, static_cast<char>(op)) + "NNN"))),
                HasSubstr(fmt::format("0x{:02x}", op)));
  }
}

TEST(TorchFile, OperationsOutOfPlaceAreRefused) {
  const std::string huge(300, 'x');
  for (const std::string& body : std::vector<std::string>{std::string(""),
                                                          std::string("NN"),
                                                          std::string("t"),
                                                          std::string("("),
                                                          std::string("\x85"),
                                                          std::string("N(\x85"),
                                                          std::string("q\1"),
                                                          std::string("h\1"),
                                                          std::string("NR"),
                                                          std::string("NNR"),
                                                          std::string("))R"),
                                                          std::string("Q"),
                                                          std::string("NQ"),
                                                          std::string("Ns"),
                                                          std::string("NNNs"),
                                                          std::string("}(Nu"),
                                                          std::string("](N}Ne"),
                                                          std::string("NNa"),
                                                          std::string("}}b"),
                                                          std::string("N}b"),
                                                          std::string("ccollections\nOrderedDict\n)R}b"),
                                                          "ccollections\nOrderedDict\n)R}" + text("other") + "Nsb",
                                                          std::string("ccollections\nOrderedDict\n(N\x85tR"),
                                                          std::string("\x8a\x09") + std::string(9, '\1'),
                                                          "Nr" + std::string(4, '\xff'),
                                                          std::string("X\xff\xff\xff\xff"),
                                                          text("\xff"),
                                                          fmt::format("c{0}\n{0}\n", huge),
                                                          std::string(65, '('),
                                                          "ctorch._utils\n_rebuild_parameter\n(N\x89NtR",
                                                          "ctorch._utils\n_rebuild_tensor_v2\n(NtR"}) {
    EXPECT_NE(refusal(archive(pickle(body))), "accepted") << body;
  }
  EXPECT_NE(refusal(archive(pickle("}") + "x")), "accepted");
  // What lies below a mark is not there for what comes after it.
  EXPECT_THAT(refusal(archive(pickle("N(\x85"))), HasSubstr("expected 1 value on the stack"));
  EXPECT_THAT(refusal(archive(pickle("NN(N\x86"))), HasSubstr("expected 2 values on the stack"));
}

TEST(TorchFile, ValuesThatHoldThemselvesEnd) {
  EXPECT_THAT(refusal(archive(pickle("]q\1h\1a"))), HasSubstr("nested at most"));
  std::string doubling = "}q\1";  // 2^40 paths to one tensor
  doubling += text("w") + tensor(0, {2}, {1}) + "s";
  for (int i = 2; i < 42; ++i) {
    const std::string before(1, static_cast<char>(i - 1)), here(1, static_cast<char>(i));
    doubling += fmt::format("}}q{0}{1}h{2}s{3}h{2}s", here, text("a"), before, text("b"));
  }
  EXPECT_NE(refusal(archive(pickle("(" + doubling + "t"))), "accepted");
}

}  // namespace
}  // namespace hindscan
