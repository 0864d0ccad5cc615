// Texts and numbers as Python's repr() writes them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hindscan {

std::optional<uint32_t> number_of_digits(std::string_view digits, int base = 10);  // of all of them
// A string or bytes literal -> its bytes (of a string: UTF-8).
std::optional<std::string> read_python_literal(std::string_view literal);

}  // namespace hindscan
