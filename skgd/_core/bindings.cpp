// Arrays in, numbers out. The GIL is released while the core runs; it is taken back only to look for
// signals and to call a loss defined in Python.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <limits>
#include <mutex>
#include <string_view>
#include <variant>

#include "engine.hpp"
#include "present.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace skgd;

extern "C" {
const void *engine_baseline_float(), *engine_baseline_double();
const void *engine_x86_64_v3_float(), *engine_x86_64_v3_double();
}

namespace {

// The engine that is in use. It was compiled in another namespace, of types that are laid out as those here.
template <class T> const Engine<T>* engine = nullptr;

struct Build {
  std::string_view name;
  const void* (*of_float)(), *(*of_double)();
};
constexpr Build builds[] = {
// those that there are, the one that runs everywhere first
#ifdef SKGD_BASELINE
    {"baseline", engine_baseline_float, engine_baseline_double},
#endif
#ifdef SKGD_X86_64_V3
    {"x86_64_v3", engine_x86_64_v3_float, engine_x86_64_v3_double},
#endif
};

bool runs(const Build& build) {
#if defined(__x86_64__)
  if (build.name == "x86_64_v3")
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
  return build.name == "baseline";
}

const Build* used = nullptr;

void use(const Build& build) {
  engine<float> = static_cast<const Engine<float>*>(build.of_float());
  engine<double> = static_cast<const Engine<double>*>(build.of_double());
  used = &build;
}

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

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

void check_size(const char* what, int64_t size, int64_t wanted) {
  if (size != wanted)
    refuse(std::string(what) + " has " + std::to_string(size) + " elements instead of " + std::to_string(wanted) + ".");
}

// Orders of rows hold 32-bit numbers.
int64_t check_rows(int64_t n) {
  if (n > std::numeric_limits<int32_t>::max())
    refuse(std::to_string(n) +
           " rows are more than 2^31 - 1 = 2147483647, the most that one fit takes. Use "
           "partial_fit with parts of them.");
  return n;
}

std::array<int64_t, 2> range_of(const int32_t* indices, int64_t count) {
  return engine<double>->range_of_32(indices, count);
}
std::array<int64_t, 2> range_of(const int64_t* indices, int64_t count) {
  return engine<double>->range_of_64(indices, count);
}

// One pass over the index arrays of a CSR matrix: what it lets through is never read or written out of bounds.
template <class I> void check_csr(const I* indices, const I* indptr, int64_t n, int64_t stored, int64_t d) {
  if (n < 0) refuse("The index pointer (indptr) of the CSR matrix X must have one element more than X has rows.");
  if (indptr[0] != 0) refuse("The index pointer (indptr) of the CSR matrix X must start with 0.");
  bool falls = false;
  for (int64_t i = 0; i < n; ++i) falls |= indptr[i + 1] < indptr[i];
  if (falls) refuse("The index pointer (indptr) of the CSR matrix X must never decrease.");
  const int64_t count = indptr[n];
  if (count > stored)
    refuse("The index pointer (indptr) of the CSR matrix X ends at " + std::to_string(count) + ", but only " +
           std::to_string(stored) + " values and column indices are stored.");
  const auto [least, greatest] = range_of(indices, count);
  if (least < 0 || (count > 0 && greatest >= d))
    refuse("The CSR matrix X has column indices outside of 0 .. " + std::to_string(d - 1) + ", the range for its " +
           std::to_string(d) + " features.");
}

// predict_rows() with sizes checked and signals looked for.
template <class T>
bool predicted(const Matrix<const T>& X, const Matrix<const T>& theta, int64_t outputs, const Prediction<T>& prediction,
               int threads) {
  const Dense<T> design{X.data(), int64_t(X.shape(0)), int64_t(X.shape(1))};
  const int64_t columns = int64_t(theta.shape(1));
  check_size("theta", int64_t(theta.size()), (design.d + 1) * columns);
  if (outputs > columns || (columns > 1 && columns % lanes<T>)) refuse("Columns of theta are whole vectors.");
  Guard guard;
  bool finite;
  {
    nb::gil_scoped_release release;
    finite = engine<T>->predict_rows(design, theta.data(), outputs, columns, prediction, threads, guard.control);
  }
  guard.rethrow();
  return finite;
}

// Class codes choose a column of the raw scores: whole numbers 0 .. classes - 1.
template <class T> void check_codes(const T* codes, int64_t count, int64_t classes) {
  for (int64_t i = 0; i < count; ++i)
    if (!(codes[i] >= 0 && codes[i] < T(classes) && codes[i] == std::floor(codes[i])))
      refuse("y must hold class codes, the whole numbers 0 to " + std::to_string(classes - 1) + "; y[" +
             std::to_string(i) + "] is " + std::to_string(double(codes[i])) + ".");
}

// Factors of the rate in a layer: of the weights of inputs up to one, of the intercepts and of shares.
using GivenRates = std::tuple<std::vector<std::pair<int64_t, double>>, double, double>;

// widths, activations (names or callables), dropout, frozen layers, factors of the rates of layers, which hidden layers
// have shares, of a layer of features its numbers, waves and factors of rates, if there is one, and how many networks
// share weights
using Hidden = std::tuple<std::vector<int64_t>, nb::list, double, std::vector<bool>, std::vector<GivenRates>,
                          std::vector<bool>, std::vector<double>, int64_t>;

// A loss as it is given: its name with a number or several.
using NamedLoss = std::pair<std::string, std::variant<double, std::vector<double>>>;

Loss loss_of(const NamedLoss& loss) {
  const auto* one = std::get_if<double>(&loss.second);
  return make_loss(loss.first, one ? std::vector<double>{*one} : std::get<std::vector<double>>(loss.second));
}

// An array of the core for Python, which may write to it; None for a null pointer.
template <class E> nb::object view(E* data, std::initializer_list<size_t> shape) {
  if (!data) return nb::none();
  return nb::cast(nb::ndarray<E, nb::numpy>(data, shape), nb::rv_policy::reference);
}

template <class T> struct BoundProblem {
  Problem<T> core;
  std::vector<nb::object> kept;   // the arrays the core points into
  Buffer<T> ones, offset;         // likewise
  std::vector<double> given;      // likewise
  std::vector<int32_t> features;  // likewise
  std::vector<int64_t> starts;    // likewise
  Joint<T> joint;
  Guard* guard = nullptr;  // of the run in progress

  BoundProblem(nb::object rows, nb::object standard, nb::tuple targets, nb::object loss, nb::tuple penalty,
               bool fit_intercept, Optional<Hidden> hidden, nb::object folds, nb::object outputs) {
    core.fit_intercept = fit_intercept;
    set_design(rows, standard);
    set_penalty(penalty);
    set_targets(targets, !folds.is_none());
    if (PyCallable_Check(loss.ptr())) {
      core.loss = Callback{callback<float>(loss), callback<double>(loss)};
    } else {
      core.loss = loss_of(nb::cast<NamedLoss>(loss));
    }
    std::vector<int64_t> widths;
    if (hidden) {
      auto [given, activations, dropout, frozen, rates, parametric, features, members] = *hidden;
      widths = given;
      core.network.dropout = dropout, core.network.frozen = frozen;
      for (nb::handle each : activations) core.network.activations.push_back(activation_of(each));
      check_size("activations", int64_t(core.network.activations.size()), int64_t(widths.size()));
      core.network.parametric = parametric, core.network.members = members;
      if (!features.empty()) set_features(features);
    }
    core.lay_out(widths);
    if (hidden) set_rates(std::get<4>(*hidden));
    if (!folds.is_none()) set_folds(nb::cast<nb::tuple>(folds));
    if (!outputs.is_none()) set_outputs(nb::cast<nb::tuple>(outputs));
  }

  void set_features(const std::vector<double>& given) {
    check_size("features", int64_t(given.size()), 5);
    core.network.features = {core.d(), int64_t(given[0]), int64_t(given[1]), given[2], given[3], given[4]};
    if (core.network.features.numbers > core.d()) refuse("There are fewer features than numbers.");
    core.network.activations.insert(core.network.activations.begin(), Identity());
  }

  void set_rates(const std::vector<GivenRates>& rates) {
    if (rates.empty()) return;
    check_size("rates", int64_t(rates.size()), int64_t(core.layers.size()));
    for (size_t l = 0; l < rates.size(); ++l) {
      int64_t begin = 0;
      for (const auto& [end, factor] : std::get<0>(rates[l])) {
        if (end <= begin || end > core.layers[l].inputs)
          refuse("Rates of a layer must be those of its inputs, in order.");
        begin = end;
      }
      check_size("rates of the inputs of a layer", begin, core.layers[l].inputs);
      core.network.rates.push_back({std::get<0>(rates[l]), std::get<1>(rates[l]), std::get<2>(rates[l])});
    }
  }

  // (shift, scale) of the raw scores of a perceptron, each as long as theta has columns.
  void set_outputs(nb::tuple outputs) {
    if (core.layers.size() == 1) throw std::invalid_argument("outputs have units in perceptrons only");
    const auto shift = keep<Vector<const T>>(outputs[0]), scale = keep<Vector<const T>>(outputs[1]);
    check_size("shift", int64_t(shift.size()), core.columns());
    check_size("scale", int64_t(scale.size()), core.columns());
    core.outputs = {shift.data(), scale.data()};
  }

  template <class A> auto keep(nb::handle object) {
    auto array = nb::cast<A>(object, false);
    kept.push_back(nb::borrow(object));
    return array;
  }

  // Indices are read with 32 bits and pointers with 64; others are copied.
  template <class I> Csr<T> csr(nb::tuple parts) {
    auto data = keep<Vector<const T>>(parts[0]);
    auto indices = keep<Vector<const I>>(parts[1]);
    auto indptr = keep<Vector<const I>>(parts[2]);
    const int64_t n = int64_t(indptr.shape(0)) - 1, d = nb::cast<int64_t>(parts[3]);
    check_csr(indices.data(), indptr.data(), n, int64_t(std::min(data.shape(0), indices.shape(0))), d);
    if constexpr (sizeof(I) == 8) {
      if (d > std::numeric_limits<int32_t>::max())
        refuse("The CSR matrix X has " + std::to_string(d) + " features; at most 2^31 - 1 = 2147483647 are possible.");
      features.assign(indices.data(), indices.data() + indptr.data()[n]);
      return {data.data(), features.data(), indptr.data(), n, d};
    } else {
      starts.assign(indptr.data(), indptr.data() + n + 1);
      return {data.data(), indices.data(), starts.data(), n, d};
    }
  }

  void set_design(nb::object rows, nb::object standard) {
    if (nb::isinstance<nb::tuple>(rows)) {
      auto parts = nb::cast<nb::tuple>(rows);
      Vector<const int64_t> probe;
      if (nb::try_cast(parts[1], probe, false))
        core.design = csr<int64_t>(parts);
      else
        core.design = csr<int32_t>(parts);
    } else {
      auto x = keep<Matrix<const T>>(rows);
      core.design = Dense<T>{x.data(), int64_t(x.shape(0)), int64_t(x.shape(1))};
    }
    check_rows(core.n());
    if (!standard.is_none()) standardize(nb::cast<nb::tuple>(standard));
  }

  // Rows are (x - center) * inverse_scale from now on.
  void standardize(nb::tuple standard) {
    const auto center = keep<Vector<const T>>(standard[0]), inverse_scale = keep<Vector<const T>>(standard[1]);
    check_size("center", int64_t(center.size()), core.d());
    check_size("inverse_scale", int64_t(inverse_scale.size()), core.d());
    core.penalty.strength.scale = inverse_scale.data();
    if (auto* dense = std::get_if<Dense<T>>(&core.design)) {
      dense->center = center.data(), dense->inverse_scale = inverse_scale.data();
      return;
    }
    bool centered = false;
    for (int64_t j = 0; j < core.d(); ++j) {
      offset.push_back(-center.data()[j] * inverse_scale.data()[j]);
      centered |= offset[j] != 0;
    }
    auto& csr = std::get<Csr<T>>(core.design);
    csr.inverse_scale = inverse_scale.data();
    if (centered) csr.offset = offset.data();
  }

  // (l1, l2) or (name, parameters), and then, each if wanted: an array (d,) of factors of its strength for each
  // feature, an array (2, d) of bounds of the weights, and an object with the value and the proximal step of a joint
  // penalty.
  void set_penalty(nb::tuple penalty) {
    if (nb::isinstance<nb::str>(penalty[0])) {
      const auto parameters = nb::cast<std::vector<double>>(penalty[1]);
      core.penalty.kind = ByName<PenaltyKind>::make("penalty", nb::cast<std::string>(penalty[0]), parameters);
    } else {
      core.penalty.kind = elastic_net(nb::cast<double>(penalty[0]), nb::cast<double>(penalty[1]));
    }
    Strength<T>& strength = core.penalty.strength;
    if (nb::len(penalty) > 2 && !penalty[2].is_none()) {
      const auto factors = keep<Vector<const T>>(penalty[2]);
      check_size("strength", int64_t(factors.size()), core.d());
      strength.feature = factors.data();
    }
    if (nb::len(penalty) > 3 && !penalty[3].is_none()) {
      const auto bounds = keep<Matrix<const T>>(penalty[3]);
      check_size("bounds", int64_t(bounds.size()), 2 * core.d());
      strength.low = bounds.data(), strength.high = bounds.data() + core.d();
      core.penalty.kind = Bounded<double>{core.penalty.l1(), core.penalty.l2()};
    }
    if (nb::len(penalty) > 4 && !penalty[4].is_none()) set_joint(penalty[4]);
    if (!strength.feature == !strength.scale && (strength.feature || !strength.low)) return;
    ones.assign(core.d(), T(1));
    if (!strength.scale) strength.scale = ones.data();
    if (!strength.feature) strength.feature = ones.data();
  }

  // value(weights) gives a number, prox(weights, step) changes the weights (d, columns) in place.
  void set_joint(nb::object penalty) {
    kept.push_back(penalty);
    nb::handle value = kept.emplace_back(penalty.attr("value")), prox = kept.emplace_back(penalty.attr("prox"));
    auto matrix = [this](const T* weights) {
      return view(const_cast<T*>(weights), {size_t(core.d()), size_t(core.columns())});
    };
    joint.value = [this, value, matrix](const T* weights) {
      double found = 0;
      in_python([&] { found = nb::cast<double>(value(matrix(weights))); });
      return found;
    };
    joint.prox = [this, prox, matrix](T* weights, T step) { in_python([&] { prox(matrix(weights), double(step)); }); };
    core.penalty.joint = &joint;
  }

  // With folds all columns share one target.
  void set_targets(nb::tuple targets, bool shared) {
    core.targets.columns = nb::cast<int64_t>(targets[2]);
    core.targets.codes = nb::cast<bool>(targets[3]);
    const auto y = keep<Array<const T>>(targets[0]);
    check_size("y", int64_t(y.size()), core.n() * (core.targets.codes || shared ? 1 : core.targets.columns));
    if (core.targets.codes) check_codes(y.data(), core.n(), std::max<int64_t>(core.targets.columns, 2));
    core.targets.y = y.data();
    if (nb::len(targets) > 4 && !targets[4].is_none()) {
      const auto added = keep<Array<const T>>(targets[4]);
      check_size("offset", int64_t(added.size()), core.n() * core.targets.columns);
      core.targets.offset = added.data();
    }
    if (targets[1].is_none()) return;
    const auto weight = keep<Vector<const T>>(targets[1]);
    check_size("weight", int64_t(weight.size()), core.n());
    core.targets.weight = weight.data();
  }

  void set_folds(nb::tuple folds) {
    const auto weights = keep<Matrix<const T>>(folds[0]);
    core.folds.weights = weights.data(), core.folds.weight_rows = int64_t(weights.shape(0));
    if (!folds[1].is_none()) core.folds.weight_row_of = keep<Vector<const int32_t>>(folds[1]).data();
    core.folds.ends = nb::cast<std::vector<int64_t>>(folds[2]);
    core.penalty.strength.column = keep<Vector<const T>>(folds[3]).data();  // padded as theta is
    core.folds.equal_weights = nb::cast<bool>(folds[4]), core.folds.wants_loss = nb::cast<bool>(folds[5]);
  }

  // Calls Python with its lock. What it raises in a run stops the run and comes out of it at its end; false where that
  // has happened, now or before.
  template <class F> bool in_python(F call) {
    if (guard && guard->failed) return false;
    nb::gil_scoped_acquire gil;
    if (!guard) {
      call();
      return true;
    }
    try {
      call();
    } catch (...) {
      guard->fail(std::current_exception());
      return false;
    }
    return true;
  }

  template <class U> std::function<double(Block<U>)> callback(nb::object loss) {
    kept.push_back(loss);
    nb::handle call = loss;
    return [this, call](Block<U> b) -> double {
      double total = 0;
      const bool done = in_python([&] {
        const size_t m = size_t(b.m), width = size_t(b.codes || b.columns == 1 ? 1 : b.columns);
        // the callee writes the slopes into z
        total = nb::cast<double>(
            call(view(b.y, {m, width}), view(b.weight, {m}), view(b.z, {m, size_t(b.stride)}), b.columns));
      });
      if (!done) std::fill_n(b.z, b.m * b.stride, U(0));
      return total;
    };
  }

  // A name, or what is called with (z, slopes or None, width) and writes values and slopes into its arguments.
  Activation activation_of(nb::handle given) {
    if (nb::isinstance<nb::str>(given)) return make_activation(nb::cast<std::string>(given));
    kept.push_back(nb::borrow(given));
    return ActivationCallback{activation_callback<float>(given), activation_callback<double>(given)};
  }

  template <class U> auto activation_callback(nb::handle call) {
    return [this, call](U* z, U* slopes, int64_t m, int64_t width, int64_t columns) {
      const size_t rows = size_t(m), all = size_t(columns);
      const bool done = in_python([&] { call(view(z, {rows, all}), view(slopes, {rows, all}), width); });
      if (done) return;
      std::fill_n(z, m * columns, U(0));
      if (slopes) std::fill_n(slopes, m * columns, U(0));
    };
  }

  // Runs `work` without the GIL, then lets out what was raised meanwhile.
  template <class F> auto guarded(F work) {
    Guard own;
    guard = &own;
    struct Leave {
      Guard*& guard;
      ~Leave() { guard = nullptr; }
    } leave{guard};
    auto result = [&] {
      nb::gil_scoped_release release;
      return work(own.control);
    }();
    own.rethrow();
    return result;
  }
};

template <class T> struct BoundDescent {
  Descent<T> core{};
  int64_t size;  // of theta, and of each array that belongs to it
  std::vector<nb::object> kept;
  std::vector<double> shares;  // that dropout points to
  BoundDescent(nb::object theta, nb::tuple slots, nb::object average, std::pair<int64_t, double> weighting,
               nb::object gradient, std::pair<int64_t, uint64_t> counters, LazyStream<T>* stream, nb::object grid) {
    core.stream = stream;
    size = int64_t(nb::cast<Array<T>>(theta, false).size());
    core.theta = pointer(theta);
    core.gradient = pointer(gradient);
    core.grid = pointer(grid);
    auto slot = [&](size_t i) { return nb::len(slots) > i ? pointer(slots[i]) : nullptr; };
    core.slots = {slot(0), slot(1), slot(2)};
    core.average = {pointer(average), weighting.first, weighting.second};
    core.t = counters.first, core.dropout_seed = counters.second;
  }
  T* pointer(nb::object object) {
    if (object.is_none()) return nullptr;
    kept.push_back(object);
    const auto array = nb::cast<Array<T>>(object, false);
    check_size("An array of the descent", int64_t(array.size()), size);
    return array.data();
  }
};

using Numbers = std::tuple<double, double, double, double, double>;
using Rule = std::pair<std::string, std::vector<double>>;
using Span = std::pair<int64_t, int64_t>;
using Cut = std::tuple<int64_t, int64_t, int64_t>;  // rows and batches of an epoch, the first batch of the span
using Steps = std::tuple<Cut, Matrix<const double>, int, double>;  // and rates, threads, longest gradient

Optimizer optimizer_of(const Rule& rule) { return make_optimizer(rule.first, rule.second); }

Plan plan_of(const Rows& all, Optional<Order*> order, Span span, const Steps& steps) {
  const int64_t n = all.count;
  const auto& [cut, rates, threads, max_gradient_norm] = steps;
  const auto& [rows_of_epoch, count, first] = cut;
  if (span.first < 0 || span.second < 0 || span.first + span.second > n) refuse("The span lies outside of the rows.");
  if (order) check_size("order", int64_t((*order)->values().size()), n);
  const Batches batches{rows_of_epoch, count, first};
  if (count < 1 || count > rows_of_epoch || first < 0 || first >= count) refuse("A batch holds at least one row.");
  const int64_t updates = batches.count(span.second);
  if (first + updates > count || batches.begin(updates) - batches.begin(0) != span.second)
    refuse("The span ends within a batch.");
  const Rows rows = order ? (*order)->rows(span.first, span.second) : all.part(span.first, span.second);
  const int64_t width = int64_t(rates.shape(1)), given = int64_t(rates.shape(0));
  Plan plan{rows, batches, rates.data(), width, given == 1 ? 0 : width, threads, max_gradient_norm};
  if (given != 1 && given < updates) refuse("One rate, or one for each update, is needed.");
  return plan;
}

// Which of few objects each element of an array is, by identity: labels are mostly the same few objects again and
// again. Gives the objects in the order in which they appear, or None where there are more than `most`.
nb::object objects_of(uintptr_t address, int64_t stride, Vector<int32_t> found, size_t most) {
  constexpr size_t places = 1024;  // of a table with open addressing
  std::array<PyObject*, places> keys{};
  std::array<int32_t, places> numbers{};
  nb::list objects;
  PyObject* last = nullptr;
  int32_t number = 0;
  for (int64_t i = 0; i < int64_t(found.size()); ++i) {
    PyObject* object;
    std::memcpy(&object, reinterpret_cast<const void*>(address + i * stride), sizeof object);
    if (!object) object = Py_None;  // how NumPy may store it
    if (object != last) {
      size_t at = (uintptr_t(object) >> 4) * 0x9e3779b97f4a7c15ull >> 54;
      while (keys[at] && keys[at] != object) at = (at + 1) % places;
      if (!keys[at]) {
        if (nb::len(objects) >= std::min(most, places / 2)) return nb::none();
        keys[at] = object, numbers[at] = int32_t(nb::len(objects));
        objects.append(nb::handle(object));
      }
      last = object, number = numbers[at];
    }
    found.data()[i] = number;
  }
  return objects;
}

// A stream that keeps what it owes; its functions take the problem whose rows or penalty are meant.
template <class T> void bind_stream(nb::module_& m, const char* name) {
  using S = LazyStream<T>;
  using P = BoundProblem<T>;
  using D = BoundDescent<T>;
  nb::class_<S>(m, name)
      .def(nb::init<>())
      .def_static(
          "applies",
          [](P& p, D& d, const Rule& rule, int64_t batch_size) {
            return engine<T>->stream_applies(p.core, d.core, batch_size, optimizer_of(rule));
          },
          "problem"_a, "descent"_a, "rule"_a, "batch_size"_a)
      .def(
          "open",
          [](S& s, P& p, D& d, const Rule& rule) {
            check_size("theta", d.size, p.core.parameters());
            engine<T>->stream_open(p.core, d.core, optimizer_of(rule), s);
          },
          "problem"_a, "descent"_a, "rule"_a, "Before the runs of a call.")
      .def(
          "undo", [](S& s, D& d) { engine<T>->stream_undo(d.core, s); }, "descent"_a, "Takes back what they did.")
      .def("close", [](S& s) { s.journal.close(); })
      .def(
          "settled",
          [](const S& s, P& p, D& d, const Rule& rule) {
            check_size("theta", d.size, p.core.parameters());
            S copy{s.state, {}};
            engine<T>->stream_settle(p.core, d.core, optimizer_of(rule), copy);
          },
          "problem"_a, "descent"_a, "rule"_a, "Makes copies of the arrays what they say; the stream stays as it is.")
      .def(
          "finite", [](const S& s, D& d) { return engine<T>->stream_finite(d.core, s); }, "descent"_a,
          "Whether all weights are finite that the call can have changed, with all that they are owed.");
}

template <class T> void bind(nb::module_& m, const char* problem, const char* descent) {
  using P = BoundProblem<T>;
  using D = BoundDescent<T>;
  nb::class_<P>(m, problem)
      .def(nb::init<nb::object, nb::object, nb::tuple, nb::object, nb::tuple, bool, Optional<Hidden>, nb::object,
                    nb::object>(),
           "rows"_a, "standard"_a.none(), "targets"_a, "loss"_a, "penalty"_a, "fit_intercept"_a, "hidden"_a.none(),
           "folds"_a.none() = nb::none(), "outputs"_a.none() = nb::none())
      .def_prop_ro("columns", [](P& p) { return p.core.columns(); })
      .def_prop_ro(
          "finds_loss_beside", [](P& p) { return engine<T>->finds_loss_beside(p.core); },
          "Whether runs find a loss beside.")
      .def_prop_ro(
          "layers",
          [](P& p) {
            std::vector<std::array<int64_t, 4>> places;
            for (const Layer& l : p.core.layers) places.push_back({l.inputs, l.width, l.columns, l.offset});
            return places;
          },
          "(inputs, width, columns, offset) of each layer in theta.")
      .def(
          "keep_rows",
          [](P& p, nb::object kept) {
            const auto rows = p.template keep<Vector<const int32_t>>(kept);
            const int64_t count = int64_t(rows.size());
            for (int64_t i = 0; i < count; ++i)
              if (rows.data()[i] < 0 || rows.data()[i] >= p.core.n()) refuse("The rows to keep lie outside of X.");
            p.core.kept = rows.data(), p.core.kept_count = count;
          },
          "kept"_a, "Only these rows of X count from now on.")
      .def("penalty",
           [](P& p, Array<const T> theta) {
             check_size("theta", int64_t(theta.size()), p.core.parameters());
             return engine<T>->penalty(p.core, theta.data());
           })
      .def(
          "condense",
          [](P& p, nb::object gram, nb::object products, double squares) {
            const auto b = p.template keep<Matrix<const double>>(products);
            p.core.moments.push_back(
                {p.template keep<Matrix<const double>>(gram).data(), b.data(), int64_t(b.shape(1)), squares});
          },
          "gram"_a, "products"_a, "squares"_a,
          "Batch descent goes by second moments from now on; one call, or one for each fold.")
      .def(
          "give",
          [](P& p, double loss, Array<const double> gradient) {
            check_size("gradient", int64_t(gradient.size()), p.core.parameters());
            if (p.core.n() != 1) refuse("One row stands for all rows.");
            p.given.assign(gradient.data(), gradient.data() + gradient.size());
            p.core.given = {loss, p.given.data()};
          },
          "loss"_a, "gradient"_a.noconvert(), "Mean loss over rows that are elsewhere, and its gradient.")
      .def(
          "scores",
          [](P& p, Array<const T> theta, Matrix<T> z, int threads) {
            check_size("theta", int64_t(theta.size()), p.core.parameters());
            check_size("z", int64_t(z.size()), p.core.rows().count * p.core.columns());
            p.guarded([&](Control& control) {
              engine<T>->scores(p.core, theta.data(), z.data(), threads, control);
              return true;
            });
          },
          "theta"_a, "z"_a, "threads"_a = 1, "z (n, columns) gets the raw scores of all rows.")
      .def("row_moments",
           [](P& p) {
             nb::gil_scoped_release release;
             return engine<T>->row_moments(p.core);
           })
      .def(
          "evaluate",
          [](P& p, Array<const T> theta, Optional<Array<T>> gradient, int threads, Optional<Array<double>> sums) {
            check_size("theta", int64_t(theta.size()), p.core.parameters());
            if (gradient) check_size("gradient", int64_t(gradient->size()), p.core.parameters());
            if (sums) check_size("sums", int64_t(sums->size()), p.core.parameters());
            if (sums && (!gradient || p.core.n() == 0)) refuse("Sums come with a gradient of some rows.");
            return p.guarded([&](Control& control) {
              return engine<T>->evaluate(p.core, theta.data(), gradient ? gradient->data() : nullptr, threads, control,
                                         sums ? sums->data() : nullptr);
            });
          },
          "theta"_a, "gradient"_a.none() = nb::none(), "threads"_a = 1, "sums"_a.none() = nb::none(),
          "Sum of weight * loss over all rows; sums gets its gradient in double.");
  nb::class_<D>(m, descent)
      .def(nb::init<nb::object, nb::tuple, nb::object, std::pair<int64_t, double>, nb::object,
                    std::pair<int64_t, uint64_t>, LazyStream<T>*, nb::object>(),
           "theta"_a, "slots"_a, "average"_a.none(), "weighting"_a, "gradient"_a.none(), "counters"_a,
           "stream"_a.none() = nb::none(), "grid"_a.none() = nb::none(), nb::keep_alive<1, 8>())
      .def_prop_ro("t", [](D& d) { return d.core.t; })
      .def(
          "drop",
          [](D& d, Vector<const double> shares) {
            d.shares.assign(shares.data(), shares.data() + shares.size());
            for (double share : d.shares)
              if (!(share >= 0 && share < 1)) refuse("Shares of units to drop lie in [0, 1).");
            d.core.dropout = d.shares.data();
          },
          "shares"_a, "Share of the hidden units to drop in each update of the next run.")
      .def(
          "beside", [](D& d, nb::object theta) { d.core.beside = d.pointer(theta); }, "theta"_a,
          "The next run sums the loss at these parameters too, over the rows that it visits.");
  m.def(
      "run",
      [](P& p, D& d, const Rule& rule, Optional<Order*> order, Span span, const Steps& steps) {
        check_size("theta", d.size, p.core.parameters());
        const auto plan = plan_of(p.core.rows(), order, span, steps);
        const auto optimizer = optimizer_of(rule);
        if (d.core.dropout) check_size("shares", int64_t(d.shares.size()), plan.updates());
        const auto o =
            p.guarded([&](Control& control) { return engine<T>->run(p.core, d.core, plan, optimizer, control); });
        return Numbers{o.loss, o.weight, o.penalty, o.gradient_norm, o.beside};
      },
      "problem"_a, "descent"_a, "rule"_a, "order"_a.none(), "span"_a, "plan"_a,
      "Carries the descent over rows order[start:start + count]; gives sums over those rows.");
  m.def(
      "run_columns",
      [](P& p, D& d, const Rule& rule, Optional<Order*> order, Span span, const Steps& steps) {
        check_size("theta", d.size, p.core.parameters());
        const auto plan = plan_of(p.core.rows(), order, span, steps);
        const auto optimizer = optimizer_of(rule);
        const auto o = p.guarded(
            [&](Control& control) { return engine<T>->run_columns(p.core, d.core, plan, optimizer, control); });
        return std::tuple{o.loss, o.weight, o.penalty, o.updates};
      },
      "problem"_a, "descent"_a, "rule"_a, "order"_a.none(), "span"_a, "plan"_a,
      "The same for a problem with folds; gives sums for each column.");
  m.def(
      "evaluate_columns",
      [](P& p, Array<const T> theta, Array<double> sums) {
        check_size("theta", int64_t(theta.size()), p.core.parameters());
        check_size("sums", int64_t(sums.size()), p.core.parameters());
        if (p.core.folds.ends.empty()) refuse("The problem has no folds.");
        const auto o = p.guarded(
            [&](Control& control) { return engine<T>->evaluate_columns(p.core, theta.data(), sums.data(), control); });
        return std::pair{o.loss, o.weight};
      },
      "problem"_a, "theta"_a.noconvert(), "sums"_a.noconvert(),
      "Sums over all rows for each column of a problem with folds; their gradient is added to sums.");
  m.def(
      "all_finite",
      [](Matrix<const T> x) {
        nb::gil_scoped_release release;
        return engine<T>->all_finite(x.data(), int64_t(x.size()));
      },
      "x"_a.noconvert());
  m.def(
      "linear_scores",
      [](Matrix<const T> X, Matrix<const T> theta, Matrix<T> z, int threads) {
        check_size("z", int64_t(z.shape(0)), int64_t(X.shape(0)));
        return predicted(X, theta, int64_t(z.shape(1)), Prediction<T>{Prediction<T>::scores, z.data()}, threads);
      },
      "X"_a.noconvert(), "theta"_a.noconvert(), "z"_a.noconvert(), "threads"_a,
      "z (n, K) gets the scores of the rows of X under theta (d + 1, columns); gives whether all are finite.");
  m.def(
      "linear_probabilities",
      [](Matrix<const T> X, Matrix<const T> theta, Matrix<T> p, int threads) {
        const int64_t K = int64_t(p.shape(1));
        if (K < 2) refuse("Probabilities need two classes.");
        check_size("p", int64_t(p.shape(0)), int64_t(X.shape(0)));
        return predicted(X, theta, K == 2 ? 1 : K, Prediction<T>{Prediction<T>::probabilities, p.data()}, threads);
      },
      "X"_a.noconvert(), "theta"_a.noconvert(), "p"_a.noconvert(), "threads"_a,
      "p (n, K) gets softmax of the scores, or of K = 2 the logistic function; gives whether all scores are finite.");
  m.def(
      "linear_labels",
      [](Matrix<const T> X, Matrix<const T> theta, Vector<const int64_t> classes, Vector<int64_t> labels, int threads) {
        const int64_t K = int64_t(classes.size());
        if (K < 2) refuse("Labels need two classes.");
        check_size("labels", int64_t(labels.size()), int64_t(X.shape(0)));
        const Prediction<T> prediction{Prediction<T>::labels, nullptr, classes.data(), labels.data()};
        return predicted(X, theta, K == 2 ? 1 : K, prediction, threads);
      },
      "X"_a.noconvert(), "theta"_a.noconvert(), "classes"_a, "labels"_a, "threads"_a,
      "labels (n) get those of the classes with the largest scores; gives whether all scores are finite.");
  m.def(
      "softmax",
      [](Matrix<T> z) {
        nb::gil_scoped_release release;
        engine<T>->softmax_rows(z.data(), int64_t(z.shape(0)), int64_t(z.shape(1)));
      },
      "z"_a.noconvert(), "Raw scores become the probabilities of classes, in place.");
  m.def(
      "logistic",
      [](Vector<const T> z, Matrix<T> probabilities) {
        check_size("probabilities", int64_t(probabilities.size()), 2 * int64_t(z.size()));
        nb::gil_scoped_release release;
        engine<T>->logistic_rows(z.data(), int64_t(z.size()), probabilities.data());
      },
      "z"_a.noconvert(), "probabilities"_a.noconvert(), "Those of two classes, from the raw score of the second.");
  m.def(
      "largest",
      [](Matrix<const T> z, Vector<int64_t> found) {
        check_size("found", int64_t(found.size()), int64_t(z.shape(0)));
        if (z.shape(1) == 0) refuse("Rows without scores have no largest one.");
        nb::gil_scoped_release release;
        engine<T>->largest_of_rows(z.data(), int64_t(z.shape(0)), int64_t(z.shape(1)), found.data());
      },
      "z"_a.noconvert(), "found"_a, "The first of the largest scores of each row.");
  m.def(
      "value_and_slope",
      [](const NamedLoss& loss, Matrix<const T> y, Matrix<T> z, Vector<T> values, bool codes) {
        const Loss core = loss_of(loss);
        const int64_t m = int64_t(z.shape(0)), K = int64_t(z.shape(1)), width = int64_t(y.shape(1));
        check_size("y", int64_t(y.size()), codes ? m : m * K);
        check_size("values", int64_t(values.size()), m);
        if (codes) check_codes(y.data(), m, std::max<int64_t>(K, 2));
        engine<T>->losses(core, y.data(), width, codes, z.data(), m, K, values.data());
      },
      "loss"_a, "y"_a, "z"_a, "values"_a, "codes"_a,
      "Raw scores in z become slopes; values gets the loss of each row.");
}

void path_of(Matrix<const double> gram, Vector<const double> products, double tolerance, Matrix<const double> strengths,
             Matrix<const double> features, Matrix<double> weights, Vector<int64_t> sweeps) {
  const int64_t d = int64_t(products.size()), m = int64_t(sweeps.size());
  check_size("gram", int64_t(gram.size()), d * d);
  check_size("strengths", int64_t(strengths.size()), 2 * m);
  check_size("features", int64_t(features.size()), 3 * d);
  check_size("weights", int64_t(weights.size()), m * d);
  Guard guard;
  {
    nb::gil_scoped_release release;
    const double* of = features.data();
    engine<double>->minima(gram.data(), products.data(), {of, of + d, of + 2 * d}, d, tolerance, m, strengths.data(),
                           weights.data(), sweeps.data(), guard.control);
  }
  guard.rethrow();
}

}  // namespace

template <class I> void bind_indices(nb::module_& m) {
  m.def(
      "check_csr",
      [](Vector<const I> indices, Vector<const I> indptr, int64_t stored, int64_t d) {
        stored = std::min(stored, int64_t(indices.size()));
        check_csr(indices.data(), indptr.data(), int64_t(indptr.size()) - 1, stored, d);
      },
      "indices"_a.noconvert(), "indptr"_a.noconvert(), "stored"_a, "d"_a,
      "Refuse index arrays of a CSR matrix that point outside of it.");
  m.def(
      "present_features",
      [](Vector<const I> indices, int64_t d, int64_t most, Vector<I> columns) {
        check_size("columns", int64_t(columns.size()), int64_t(indices.size()));
        std::vector<int64_t>* found = nullptr;
        {
          nb::gil_scoped_release release;
          found = new std::vector(present_features(indices.data(), int64_t(indices.size()), d, most, columns.data()));
        }
        const nb::capsule owner(found, [](void* p) noexcept { delete static_cast<std::vector<int64_t>*>(p); });
        return nb::cast(nb::ndarray<nb::numpy, int64_t>(found->data(), {found->size()}, owner));
      },
      "indices"_a.noconvert(), "d"_a, "most"_a, "columns"_a.noconvert(),
      "The numbers of the features that the non-zeros have, in the order in which they have them; none if they are "
      "more than so many. columns gets the column numbers of the non-zeros among these.");
}

NB_MODULE(core, m) {
  m.doc() = "Compiled core of skgd.";
  const char* wanted = std::getenv("SKGD_CORE");
  use(builds[0]);
  for (const Build& build : builds)
    if (runs(build) && !(wanted && wanted == used->name)) use(build);
  m.attr("losses") = ByName<Loss>::names();
  m.attr("penalties") = ByName<PenaltyKind>::names();
  m.attr("optimizers") = ByName<Optimizer>::names();
  m.attr("activations") = ByName<Activation>::names();
  bind_indices<int32_t>(m);
  bind_indices<int64_t>(m);
  bind_stream<float>(m, "Stream32");
  bind_stream<double>(m, "Stream64");
  bind<float>(m, "Problem32", "Descent32");
  bind<double>(m, "Problem64", "Descent64");
  nb::class_<Order>(m, "Order")
      .def(
          "__init__", [](Order* order, int64_t n, int64_t d) { new (order) Order(check_rows(n), d); }, "n"_a, "d"_a)
      .def(
          "of_rows",
          [](Order& order, Vector<const int32_t> numbers) {
            check_size("numbers", int64_t(numbers.size()), int64_t(order.values().size()));
            order.of_rows(numbers.data());
          },
          "numbers"_a, "Orders of these rows of X, in place of the first n.")
      .def(
          "shuffle",
          [](Order& order, Vector<uint64_t> state) {
            nb::gil_scoped_release release;
            engine<double>->shuffle(order, state.data()[0]);
          },
          "state"_a, "A fresh permutation; the generator's state moves on.")
      .def_prop_ro("values", [](Order& o) {
        return nb::ndarray<nb::numpy, int32_t>(o.values().data(), {o.values().size()}, nb::find(o));
      });
  m.def("objects_of", &objects_of, "address"_a, "stride"_a, "found"_a, "most"_a,
        "found (n,) gets the number of each object of an array in the list of different ones, which is given back.");
  m.def("quadratic_path", &path_of, "gram"_a.noconvert(), "products"_a.noconvert(), "tolerance"_a,
        "strengths"_a.noconvert(), "features"_a.noconvert(), "weights"_a.noconvert(), "sweeps"_a.noconvert(),
        "weights (m, d) gets the minima for strengths (m, 2) of the l1 and the l2 norm, one after another. features "
        "(3, d): factors of the strengths, least and greatest weights.");
  m.def(
      "use_blas",
      [](nb::object single, nb::object wide) {
        auto pointer = [](nb::object capsule) {
          return PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr()));
        };
        engine<float>->use_blas(reinterpret_cast<Gemm<float>>(pointer(single)));
        engine<double>->use_blas(reinterpret_cast<Gemm<double>>(pointer(wide)));
      },
      "sgemm"_a, "dgemm"_a, "Takes the matrix products of a BLAS (32-bit integers), as capsules.");
  m.attr("build") = std::string(used->name);
}
