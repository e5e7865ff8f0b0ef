// What the bindings share: arrays as they come from Python, the engine in use, and checks. The GIL is released while
// the core runs; it is taken back only to look for signals and to call what is defined in Python.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <variant>

#include "engine.hpp"

namespace bindings {

namespace nb = nanobind;
using namespace nb::literals;
using namespace skgd;

// The engine that is in use. It was compiled in another namespace, of types that are laid out as those here.
template <class T> inline const Engine<T>* engine = nullptr;

template <class T> using Vector = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T> using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;
template <class T> using Optional = std::optional<T>;

// Signals and Python exceptions on their way through a run that holds no Python object. Any thread may call fail()
// and read `failed`; the first exception is kept until the run has ended.
class Guard {
 public:
  Control control;
  std::atomic<bool> failed = false;
  Guard() {
    control.interrupted = [this] {
      nb::gil_scoped_acquire gil;
      if (PyErr_CheckSignals() == 0) return false;
      fail(std::make_exception_ptr(nb::python_error()));
      return true;
    };
  }
  void fail(std::exception_ptr error) {
    const std::lock_guard<std::mutex> guard(lock_);
    if (!error_) error_ = std::move(error);
    failed = control.stop = true;
  }
  // For the thread that started the run, after it.
  void rethrow() {
    if (error_) std::rethrow_exception(std::move(error_));
  }

 private:
  std::mutex lock_;
  std::exception_ptr error_;
};

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

inline void check_size(const char* what, int64_t size, int64_t wanted) {
  if (size != wanted)
    refuse(std::string(what) + " has " + std::to_string(size) + " elements instead of " + std::to_string(wanted) + ".");
}

// Orders of rows hold 32-bit numbers.
inline int64_t check_rows(int64_t n) {
  if (n > std::numeric_limits<int32_t>::max())
    refuse(std::to_string(n) +
           " rows are more than 2^31 - 1 = 2147483647, the most that one fit takes. Use "
           "partial_fit with parts of them.");
  return n;
}

// Refuses index arrays of a CSR matrix that point outside of it (bindings_arrays.cpp).
void check_csr(const int32_t* indices, const int32_t* indptr, int64_t n, int64_t stored, int64_t d);
void check_csr(const int64_t* indices, const int64_t* indptr, int64_t n, int64_t stored, int64_t d);

// Class codes choose a column of the raw scores: whole numbers 0 .. classes - 1.
template <class T> void check_codes(const T* codes, int64_t count, int64_t classes) {
  if (engine<T>->are_codes(codes, count, classes)) return;
  const T* wrong = std::find_if(codes, codes + count, [=](T code) { return !engine<T>->are_codes(&code, 1, classes); });
  refuse("y must hold class codes, the whole numbers 0 to " + std::to_string(classes - 1) + "; y[" +
         std::to_string(wrong - codes) + "] is " + std::to_string(double(*wrong)) + ".");
}

// A loss as it is given: its name with a number or several.
using NamedLoss = std::pair<std::string, std::variant<double, std::vector<double>>>;

inline Loss loss_of(const NamedLoss& loss) {
  const auto* one = std::get_if<double>(&loss.second);
  return make_loss(loss.first, one ? std::vector<double>{*one} : std::get<std::vector<double>>(loss.second));
}

// Each defines its part of the module.
template <class T> void bind_problem(nb::module_& m, const char* name);
template <class T> void bind_stream(nb::module_& m, const char* name);
template <class T> void bind_descent(nb::module_& m, const char* name);
template <class T> void bind_arrays(nb::module_& m);
void bind_indices(nb::module_& m);
void bind_paths(nb::module_& m);

}  // namespace bindings
