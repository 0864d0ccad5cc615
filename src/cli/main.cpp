#include "base/denormals.h"
#include "cli/app.h"

int main(int argc, char** argv) {
  hindscan::flush_denormals();
  return hindscan::cli::run_program({argv + (argc > 0 ? 1 : 0), argv + argc});
}
