#include "base/signals.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/mmap.h"

namespace hindscan {
namespace {

TEST(Signals, TheFirstSetsTheFlagAndTheScopeClearsIt) {
  EXPECT_FALSE(stop_requested());
  throw_if_stopped();
  {
    StopHandlers handlers;
    raise(SIGTERM);
    EXPECT_EQ(stop_signal(), SIGTERM);
    try {
      throw_if_stopped();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), 143);
    }
  }
  EXPECT_FALSE(stop_requested());
}

TEST(SignalsDeathTest, TheSecondKills) {
  EXPECT_EXIT(
      {
        StopHandlers handlers;
        raise(SIGINT);
        if (!stop_requested()) _exit(3);
        raise(SIGINT);
        _exit(4);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Signals, AnIgnoredSignalStaysIgnored) {
  void (*before)(int) = std::signal(SIGHUP, SIG_IGN);
  {
    StopHandlers handlers;
    raise(SIGHUP);
    EXPECT_FALSE(stop_requested());
  }
  std::signal(SIGHUP, before);
}

// The signal goes to the whole process after a moment, when the read below already waits.
class LateSignal {
 public:
  LateSignal()
      : thread_([] {
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
          ::kill(::getpid(), SIGTERM);
        }) {}
  ~LateSignal() { thread_.join(); }

 private:
  std::thread thread_;
};

TEST(CaseC9, TheFirstSignalEndsAReadThatWaits) {
  const std::string fifo = testing::TempDir() + "hindscan-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int before = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  for (const std::string& path : {fifo, std::string("/dev/stdin")}) {
    const StopHandlers handlers;
    const LateSignal late;
    EXPECT_THROW(read_file(path), Stopped) << path;
  }
  {
    const StopHandlers handlers;
    raise(SIGTERM);  // before the wait begins
    EXPECT_THROW(FileBytes::load(fifo), Stopped);
  }
  ::dup2(before, STDIN_FILENO);
  for (const int fd : {before, ends[0], ends[1]}) ::close(fd);
  ::unlink(fifo.c_str());
}

TEST(CaseC9, PipesAreReadToTheirEnd) {
  const std::string fifo = testing::TempDir() + "hindscan-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the reader waits for it
    FILE* file = std::fopen(fifo.c_str(), "w");
    for (int i = 0; i < 100'000; ++i) std::fputs("0123456789", file);
    std::fclose(file);
  });
  const std::string text = read_file(fifo);
  writer.join();
  EXPECT_EQ(text.size(), 1'000'000u);
  ::unlink(fifo.c_str());
}

}  // namespace
}  // namespace hindscan
