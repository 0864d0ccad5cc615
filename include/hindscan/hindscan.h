// Hindscan's public C++ interface: models that are loaded, run, trained and explained. Plain types, no templates, no
// flags needed; the library never prints and never ends the process, every function may throw hindscan::Error.
//
//   const auto model = hindscan::LanguageModel::load();
//   const auto why = model.explain("He opened the door and went into the room, and shut the");
//   std::cout << why.sentence() << "\n";
//   for (const auto& source : why.top(5)) std::cout << source.text << " " << source.score << "\n";
#pragma once
#include "hindscan/effects.h"
#include "hindscan/error.h"
#include "hindscan/explanation.h"
#include "hindscan/language_model.h"
#include "hindscan/matrix.h"
#include "hindscan/request.h"
#include "hindscan/session.h"
#include "hindscan/threads.h"
#include "hindscan/training.h"

namespace hindscan {

const char* version();  // "0.2.0"

}  // namespace hindscan
