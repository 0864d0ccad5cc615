#pragma once
#include <string>
#include <string_view>

#include "io/npy.h"

namespace hindscan {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr size_t kNpyPrefix = 10;  // magic, version and the length of the dictionary

// [NpyType] how the dictionary names a type, and the bytes of one element.
struct NpyTypeRow {
  NpyType type;
  const char* descr;
  size_t size;
};
constexpr NpyTypeRow kNpyTypes[] = {{NpyType::kFloat32, "<f4", 4}, {NpyType::kFloat64, "<f8", 8},
                                    {NpyType::kInt32, "<i4", 4},   {NpyType::kInt64, "<i8", 8},
                                    {NpyType::kUint8, "|u1", 1},   {NpyType::kText, "<U", 1}};

// Magic, version and the padded dictionary that come before the data; Error(kInternal) when shape and bytes disagree.
std::string npy_header(const NpyArray& array);

}  // namespace hindscan
