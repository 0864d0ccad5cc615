#include "cli/version.h"

#include <CLI/Version.hpp>

#include "base/build_info.h"
#include "base/cpu.h"
#include "base/formats.h"
#include "io/libraries.h"
#include "kernels/gemm.h"
#include "kernels/libraries.h"
#include "kernels/pointwise.h"

namespace hindscan::cli {

static Json isa_json() {
  Json out = Json::object();
  out.set("detected", isa_name(detected_isa())).set("allowed", isa_name(allowed_isa()));
  out.set("built", kernels::built_isas()).set("vector_kernels", kernels::pointwise_isa());
  return out.set("matrix_products", kernels::gemm_isa());
}

static Json libraries_json() {
  Json out = Json::object();
  for (const auto& some : {base_libraries(), kernels::kernel_libraries(), io_libraries()}) {
    for (const LibraryVersion& l : some) out.set(l.name, l.version);
  }
  return out.set("CLI11", CLI11_VERSION);
}

Json version_json() {
  Json formats = Json::array();
  for (const std::string_view name : format::all()) formats.push(std::string(name));
  Json out = Json::object();
  out.set("schema", format::kVersionJson).set("version", HINDSCAN_VERSION).set("commit", commit());
  out.set("compiler", compiler()).set("build_type", build_type());
  out.set("cpu", cpu_model()).set("instruction_sets", isa_json());
  return out.set("libraries", libraries_json()).set("formats", std::move(formats));
}

std::string version_text() { return std::string("hindscan ") + HINDSCAN_VERSION; }

}  // namespace hindscan::cli
