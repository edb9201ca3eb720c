// SPDX-License-Identifier: GPL-3.0-or-later
// Calls of the C library that pass through the program's own definitions.
#include "runtime/io_trace.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "runtime/machine.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::runtime {
namespace {

class IoTraces : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!io_trace_available()) GTEST_SKIP() << "sanitizers have their own calls";
  }
  fringeflow::test::TemporaryFolder folder_;
};

TEST_F(IoTraces, CallsWithOffsetsFilesAndTasks) {
  const std::string path = folder_.write("data", std::string(10000, 'x'));
  std::array<char, 5000> buffer{};
  start_io_trace();
  {
    const int fd = open(path.c_str(), O_RDWR);
    {
      const IoTask task(7);
      EXPECT_EQ(read(fd, buffer.data(), 4096), 4096);
      EXPECT_EQ(pread(fd, buffer.data(), 1000, 9500), 500) << "what is left";
    }
    EXPECT_EQ(pwrite(fd, buffer.data(), 100, 12), 100);
    EXPECT_EQ(read(fd, buffer.data(), 10), 10);
    close(fd);
    EXPECT_EQ(read(fd, buffer.data(), 10), -1);
    EXPECT_EQ(errno, EBADF);
  }
  const auto trace = stop_io_trace();
  ASSERT_EQ(trace.events.size(), 4u);
  const auto& e = trace.events;
  EXPECT_EQ(trace.files[static_cast<size_t>(e[0].file)], path);
  EXPECT_EQ(e[0].offset, 0);
  EXPECT_EQ(e[0].bytes, 4096);
  EXPECT_EQ(e[0].task, 7);
  EXPECT_EQ(e[1].call, IoCall::pread);
  EXPECT_EQ(e[1].offset, 9500);
  EXPECT_EQ(e[1].bytes, 500);
  EXPECT_EQ(e[2].call, IoCall::pwrite);
  EXPECT_EQ(e[2].task, -1);
  EXPECT_EQ(e[3].offset, 4096);
}

TEST_F(IoTraces, ShortCallsOneAfterAnotherAreOneEvent) {
  const std::string path = folder_.write("data", std::string(100'000, 'x'));
  std::array<char, 4096> buffer{};
  start_io_trace();
  const int fd = open(path.c_str(), O_RDONLY);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read(fd, buffer.data(), 1000), 1000);
  lseek(fd, 20'000, SEEK_SET);  // elsewhere
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(fd, buffer.data(), 1000), 1000);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(read(fd, buffer.data(), 4000), 4000);  // of another size
  {
    const IoTask task(3);
    EXPECT_EQ(read(fd, buffer.data(), 4000), 4000);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  {
    const IoTask task(3);
    EXPECT_EQ(read(fd, buffer.data(), 4000), 4000) << "much later";
  }
  close(fd);
  const auto trace = stop_io_trace();
  int64_t calls = 0, bytes = 0, misaligned = 0;
  double until = 0;
  for (const auto& event : trace.events) {
    calls += event.calls;
    bytes += event.bytes;
    misaligned += event.misaligned;
    EXPECT_GE(event.start_s, until) << "one after another";
    until = event.start_s + static_cast<double>(event.span_s) - 1e-7;
    EXPECT_LE(event.seconds, event.span_s * 1.001f);
  }
  EXPECT_EQ(calls, 17);
  EXPECT_EQ(bytes, 13 * 1000 + 4 * 4000);
  EXPECT_EQ(misaligned, 16) << "all but the first";
  // A machine that is busy can part a run anywhere, but joins nothing that does not belong together.
  EXPECT_GE(trace.events.size(), 5u);
  EXPECT_LT(trace.events.size(), 12u);
  EXPECT_EQ(trace.events.front().offset, 0);
  EXPECT_EQ(trace.events.back().offset, 20'000 + 3 * 1000 + 3 * 4000);
  EXPECT_EQ(trace.events.back().task, 3);
  EXPECT_EQ(trace.events.back().calls, 1);
}

TEST_F(IoTraces, OffsetsAreTheKernelsWhateverMovesADescriptor) {
  const std::string path = folder_.write("data", std::string(1000, 'x'));
  std::array<char, 100> buffer{};
  start_io_trace();
  const int fd = open(path.c_str(), O_RDWR), end = open(path.c_str(), O_WRONLY | O_APPEND);
  std::vector<int64_t> offsets;
  EXPECT_EQ(read(fd, buffer.data(), 7), 7);
  offsets.push_back(0);
  EXPECT_EQ(lseek(fd, -100, SEEK_END), 900);
  EXPECT_EQ(read(fd, buffer.data(), 8), 8);
  offsets.push_back(900);
  EXPECT_EQ(lseek(fd, 2, SEEK_CUR), 910);
  EXPECT_EQ(lseek(fd, -5, SEEK_SET), -1);  // fails: stays there
  iovec pieces[] = {{buffer.data(), 3}, {buffer.data(), 6}};
  EXPECT_EQ(readv(fd, pieces, 2), 9);
  offsets.push_back(910);
  EXPECT_EQ(pread(fd, buffer.data(), 1, 3), 1);
  offsets.push_back(3);
  EXPECT_EQ(write(fd, buffer.data(), 11), 11);
  offsets.push_back(919);
  EXPECT_EQ(write(end, buffer.data(), 12), 12);
  offsets.push_back(1000);
  EXPECT_EQ(write(fd, buffer.data(), 90), 90);  // beyond where the other has left the end
  offsets.push_back(930);
  EXPECT_EQ(write(end, buffer.data(), 13), 13);
  offsets.push_back(1020);
  close(fd);
  close(end);
  const auto trace = stop_io_trace();
  std::vector<int64_t> seen;
  for (const auto& event : trace.events) seen.push_back(event.offset);
  EXPECT_EQ(seen, offsets);
}

TEST_F(IoTraces, ANumberUsedAgainIsAnotherFile) {
  const std::string a = folder_.write("a", "aaaa"), b = folder_.write("b", "bb");
  char byte = 0;
  start_io_trace();
  for (const auto& path : {a, b}) {
    const int fd = open(path.c_str(), O_RDONLY);
    EXPECT_EQ(read(fd, &byte, 1), 1);
    close(fd);
  }
  std::FILE* stream = std::fopen(a.c_str(), "r");
  EXPECT_EQ(std::fread(&byte, 1, 1, stream), 1u);
  std::fclose(stream);
  const auto trace = stop_io_trace();
  ASSERT_EQ(trace.events.size(), 3u);
  EXPECT_EQ(trace.files[static_cast<size_t>(trace.events[0].file)], a);
  EXPECT_EQ(trace.files[static_cast<size_t>(trace.events[1].file)], b);
  EXPECT_EQ(trace.events[2].file, trace.events[0].file);
  EXPECT_EQ(trace.events[2].call, IoCall::fread);
}

TEST_F(IoTraces, LibrariesAndThreadsTooAndTheKernelAgrees) {
  const auto before = process_io();
  start_io_trace();
  std::thread([&] { std::ofstream(folder_ / "stream") << std::string(3'000'000, 'y'); }).join();
  std::string text(3'000'000, ' ');
  std::ifstream(folder_ / "stream").read(text.data(), 3'000'000);
  const auto trace = stop_io_trace();
  const auto after = process_io();
  int64_t read = 0, written = 0;
  for (const auto& event : trace.events) (is_read(event.call) ? read : written) += event.bytes;
  EXPECT_NEAR(static_cast<double>(read), static_cast<double>(after.read_chars - before.read_chars), 6e4);
  EXPECT_EQ(written, after.written_chars - before.written_chars);
}

TEST_F(IoTraces, NothingWithoutAStartAndBoundedOtherwise) {
  const std::string path = folder_.write("data", std::string(100, 'x'));
  const int fd = open(path.c_str(), O_RDONLY);
  char byte = 0;
  EXPECT_EQ(pread(fd, &byte, 1, 0), 1);
  start_io_trace(3);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pread(fd, &byte, 1, 2 * i), 1);
  const auto trace = stop_io_trace();
  close(fd);
  EXPECT_EQ(trace.events.size(), 3u);
  EXPECT_EQ(trace.not_kept, 7);
  EXPECT_EQ(trace.not_kept_read_bytes, 7);
  start_io_trace();
  EXPECT_TRUE(stop_io_trace().events.empty());
}

}  // namespace
}  // namespace fringeflow::runtime
