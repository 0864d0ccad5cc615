// The steps that need no regular expression.
#include "base/utf8.h"
#include "io/byte_level.h"
#include "io/pre_tokenizer.h"
#include "io/split_emit.h"

namespace hindscan {
namespace {

class ByteLevelStep final : public PreTokenizerStep {
 public:
  ByteLevelStep(bool add_prefix_space, bool use_regex) : prefix_(add_prefix_space), regex_(use_regex) {}

  void split(std::string_view text, const PieceFn& next) const override {
    if (!prefix_ || text.starts_with(' ')) return cut(text, next);
    cut(" " + std::string(text), next);
  }

 private:
  void cut(std::string_view text, const PieceFn& next) const {
    if (regex_) {
      split_gpt2(text, next);
    } else {
      next(text);
    }
  }
  bool prefix_, regex_;
};

class ClassStep final : public PreTokenizerStep {
 public:
  ClassStep(bool (*predicate)(uint32_t), SplitBehavior behavior, bool mapped)
      : predicate_(predicate), behavior_(behavior), mapped_(mapped) {}

  void split(std::string_view text, const PieceFn& next) const override {
    PieceEmitter emit(text, behavior_, false, next);
    for (size_t pos = 0; pos < text.size();) {
      const size_t size = mapped_ ? 1 : decode_utf8(text, pos).size;
      if (matches(text, pos)) emit.match(pos, pos + size);
      pos += size;
    }
    emit.finish();
  }

 private:
  bool matches(std::string_view text, size_t pos) const {
    if (mapped_) return predicate_(byte_symbols()[static_cast<unsigned char>(text[pos])]);
    const Utf8Char c = decode_utf8(text, pos);
    return c.valid && predicate_(c.code);
  }
  bool (*predicate_)(uint32_t);
  SplitBehavior behavior_;
  bool mapped_;
};

class LiteralStep final : public PreTokenizerStep {
 public:
  // An empty literal matches nowhere.
  LiteralStep(std::string literal, SplitBehavior behavior, bool invert)
      : literal_(std::move(literal)), behavior_(behavior), invert_(invert) {}

  void split(std::string_view text, const PieceFn& next) const override {
    PieceEmitter emit(text, behavior_, invert_, next);
    size_t pos = literal_.empty() ? std::string_view::npos : text.find(literal_);
    for (; pos != std::string_view::npos; pos = text.find(literal_, pos)) {
      emit.match(pos, pos + literal_.size());
      pos += literal_.size();
    }
    emit.finish();
  }

 private:
  std::string literal_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

std::unique_ptr<PreTokenizerStep> make_byte_level(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevelStep>(add_prefix_space, use_regex);
}

std::unique_ptr<PreTokenizerStep> make_class_split(bool (*matches)(uint32_t), SplitBehavior behavior, bool mapped) {
  return std::make_unique<ClassStep>(matches, behavior, mapped);
}

std::unique_ptr<PreTokenizerStep> make_literal_split(std::string literal, SplitBehavior behavior, bool invert) {
  return std::make_unique<LiteralStep>(std::move(literal), behavior, invert);
}

}  // namespace hindscan
