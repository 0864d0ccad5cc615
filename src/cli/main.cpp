#include "cli/app.h"

int main(int argc, char** argv) { return hindscan::cli::run_program({argv + (argc > 0 ? 1 : 0), argv + argc}); }
