#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "io/json.h"

namespace hindscan {
namespace {

void append_escape(std::string& out, uint32_t code) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(code >> shift) & 15u];
}

template <class Int>
void append_integer(std::string& out, Int value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

class Writer {
 public:
  Writer(std::string& out, const JsonStyle& style) : out_(out), style_(style) {}

  void value(const Json& json) {
    switch (json.type()) {
      case Json::Type::kNull:
        out_ += "null";
        break;
      case Json::Type::kBool:
        out_ += json.as_bool() ? "true" : "false";
        break;
      case Json::Type::kInt:
        append_integer(out_, json.as_int());
        break;
      case Json::Type::kUint:
        append_integer(out_, json.as_uint());
        break;
      case Json::Type::kDouble:
        append_json_number(out_, json.as_double());
        break;
      case Json::Type::kString:
        append_json_string(out_, json.as_string(), style_.html);
        break;
      case Json::Type::kArray:
        array(json.items());
        break;
      case Json::Type::kObject:
        object(json.members());
        break;
    }
  }

 private:
  void array(const Json::Array& items) {
    out_ += '[';
    // Arrays of scalars stay on one line: long number lists remain readable.
    bool flat = true;
    for (const Json& item : items) flat = flat && !item.is_array() && !item.is_object();
    ++depth_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.indent > 0 && flat ? ", " : ",";
      if (!flat) newline();
      value(items[i]);
    }
    --depth_;
    if (!flat) newline();
    out_ += ']';
  }

  void object(const Json::Object& members) {
    out_ += '{';
    ++depth_;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out_ += ',';
      newline();
      append_json_string(out_, members[i].key, style_.html);
      out_ += style_.indent > 0 ? ": " : ":";
      value(members[i].value);
    }
    --depth_;
    if (!members.empty()) newline();
    out_ += '}';
  }

  void newline() {
    if (style_.indent <= 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(depth_) * static_cast<size_t>(style_.indent), ' ');
  }

  std::string& out_;
  const JsonStyle& style_;
  int depth_ = 0;
};

bool needs_escape(uint32_t code, bool html) {
  if (code < 0x20 || code == '"' || code == '\\' || is_hidden_control(code)) return true;
  return html && (code == '<' || code == '>' || code == '&');
}

void append_escaped(std::string& out, uint32_t code) {
  switch (code) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      append_escape(out, code);
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view raw, bool html) {
  const std::string fixed = valid_utf8(raw) ? std::string() : replace_invalid_utf8(raw);
  const std::string_view text = fixed.empty() ? raw : std::string_view(fixed);
  out += '"';
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = decode_utf8(text, pos);
    if (needs_escape(c.code, html)) {
      append_escaped(out, c.code);
    } else {
      out.append(text, pos, c.size);
    }
    pos += c.size;
  }
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  const std::string_view digits(text, static_cast<size_t>(end - text));
  out += digits;
  // 1 would read back as an integer.
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";
}

std::string to_string(const Json& value, const JsonStyle& style) {
  std::string out;
  Writer(out, style).value(value);
  return out;
}

}  // namespace hindscan
