// Independent pieces of work on several threads.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#if !defined(__wasm__) || defined(_REENTRANT)
#include <mutex>
#include <thread>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#include <vector>

namespace skgd {

#if defined(__wasm__) && !defined(_REENTRANT)  // there are no threads

template <class Work> void parallel_for(int64_t items, int, const Work& work) {
  for (int64_t item = 0; item < items; ++item) work(0, item);
}

class Crew {
 public:
  explicit Crew(int) {}
  int size() const { return 1; }
  template <class Work> void run(int64_t items, int, const Work& work) { parallel_for(items, 1, work); }
  template <class Work> void run(int64_t items, const Work& work) { parallel_for(items, 1, work); }
};

class KeptCrew {
 public:
  class Loan {
   public:
    Crew& operator*() { return crew_; }

   private:
    Crew crew_{1};
  };
  Loan lend(int) { return {}; }
};

#else

inline int64_t this_process() {
#if defined(__unix__) || defined(__APPLE__)
  return getpid();
#else
  return 0;  // processes are not forked
#endif
}

// Threads that are joined however their scope is left. In a fork of the process there are none, whom a join would wait
// for.
class JoinedThreads {
 public:
  explicit JoinedThreads(int at_most) { threads_.reserve(at_most); }
  ~JoinedThreads() {
    for (auto& thread : threads_) process_ == this_process() ? thread.join() : thread.detach();
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
  const int64_t process_ = this_process();
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

// Threads that wait for work, for pieces of it that are shorter than a thread takes to start. The calling thread, one
// at a time, is worker 0; a crew has as many others as could be started, up to workers - 1.
class Crew {
 public:
  explicit Crew(int workers) {
    if (workers < 2) return;
    threads_ = std::make_unique<JoinedThreads>(workers - 1);
    for (int worker = 1; worker < workers; ++worker, ++size_)
      if (!threads_->start([this, worker] { wait_for_work(worker); })) break;
  }
  ~Crew() {
    ended_ = true;
    begin_round();
    threads_.reset();  // joined before anything that they look at goes
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int size() const { return size_; }

  // As parallel_for, on at most `workers` threads. One that is still asleep when all items are taken is not waited for.
  template <class Work> void run(int64_t items, int workers, const Work& work) {
    if (size_ == 1 || workers < 2) {
      for (int64_t item = 0; item < items; ++item) work(0, item);
      return;
    }
    call_ = [](const void* call, int worker, int64_t item) { (*static_cast<const Work*>(call))(worker, item); };
    work_ = &work, items_ = items, workers_ = workers, next_ = 0, error_ = nullptr;
    open_ = true;
    begin_round();
    take_items(0);
    open_ = false;
    while (inside_ > 0) pause();  // for the items that others have taken
    if (error_) std::rethrow_exception(error_);
  }
  template <class Work> void run(int64_t items, const Work& work) { run(items, size_, work); }

 private:
  static constexpr int spins = 2000;  // about 50 microseconds

  std::unique_ptr<JoinedThreads> threads_;
  int size_ = 1;
  std::atomic<uint32_t> round_{0};
  std::atomic<bool> open_{false}, ended_{false};
  std::atomic<int> inside_{0};  // threads that have seen that the round is open
  void (*call_)(const void*, int, int64_t) = nullptr;
  const void* work_ = nullptr;
  int64_t items_ = 0;
  int workers_ = 1;
  std::atomic<int64_t> next_{0};
  std::mutex lock_;
  std::exception_ptr error_;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }

  void begin_round() {
    ++round_;
    round_.notify_all();
  }

  void wait_for_work(int worker) {
    for (uint32_t seen = 0;;) {
      for (int i = 0; i < spins && round_ == seen; ++i) pause();
      round_.wait(seen);
      seen = round_;
      if (ended_) return;
      ++inside_;
      if (open_ && worker < workers_) take_items(worker);
      --inside_;
    }
  }

  void take_items(int worker) noexcept {
    try {
      for (int64_t item; (item = next_++) < items_;) call_(work_, worker, item);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(lock_);
      if (!error_) error_ = std::current_exception();
      next_ = items_;
    }
  }
};

// A crew that is kept from call to call, as many calls are shorter than a thread takes to start. It works for one
// caller at a time; a loan ends with its scope, and whoever asks in between gets a crew for the time of the loan.
class KeptCrew {
 public:
  class Loan {
   public:
    Crew& operator*() { return own_ ? *own_ : *kept_; }

   private:
    friend class KeptCrew;
    std::unique_lock<std::mutex> lock_;
    Crew* kept_ = nullptr;
    std::unique_ptr<Crew> own_;
  };

  // For at most `workers` threads, the caller among them.
  Loan lend(int workers) {
    Loan loan;
    std::unique_lock<std::mutex> lock(in_use_, std::defer_lock);
    if (workers < 2 || !lock.try_lock()) {
      loan.own_ = std::make_unique<Crew>(workers);
      return loan;
    }
    if (!crew_ || wanted_ != workers) crew_.reset(), crew_ = std::make_unique<Crew>(workers), wanted_ = workers;
    loan.lock_ = std::move(lock), loan.kept_ = crew_.get();
    return loan;
  }

 private:
  std::mutex in_use_;
  std::unique_ptr<Crew> crew_;
  int wanted_ = 0;  // workers that it was made for; it may have fewer
};

#endif

}  // namespace skgd
