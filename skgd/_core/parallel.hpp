// Independent pieces of work on several threads.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#if !defined(__wasm__) || defined(_REENTRANT)
#include <mutex>
#include <thread>
#endif
#include <vector>

namespace skgd {

#if defined(__wasm__) && !defined(_REENTRANT)  // there are no threads

template <class Work> void parallel_for(int64_t items, int, const Work& work) {
  for (int64_t item = 0; item < items; ++item) work(0, item);
}

#else

// Threads that are joined however their scope is left.
class JoinedThreads {
 public:
  explicit JoinedThreads(int at_most) { threads_.reserve(at_most); }
  ~JoinedThreads() {
    for (auto& thread : threads_) thread.join();
  }
  // Whether another thread started: the system may refuse, for example under a memory limit.
  template <class F> bool start(F work) noexcept {
    try {
      threads_.emplace_back(work);
      return true;
    } catch (...) {
      return false;
    }
  }

 private:
  std::vector<std::thread> threads_;
};

// Calls work(worker, item) once for each item 0 .. items - 1, on at most `workers` threads: the calling thread, which
// is worker 0, and as many others as could be started. Which worker takes which item is not fixed. The first exception
// that a call throws ends the others after their current item, and is thrown again here.
template <class Work> void parallel_for(int64_t items, int workers, const Work& work) {
  std::atomic<int64_t> next{0};
  std::mutex lock;
  std::exception_ptr error;
  auto take_items = [&](int worker) noexcept {
    try {
      for (int64_t item; (item = next++) < items;) work(worker, item);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(lock);
      if (!error) error = std::current_exception();
      next = items;
    }
  };
  {
    JoinedThreads threads(workers - 1);
    for (int worker = 1; worker < workers; ++worker)
      if (!threads.start([&take_items, worker] { take_items(worker); })) break;
    take_items(0);
  }
  if (error) std::rethrow_exception(error);
}

#endif

}  // namespace skgd
