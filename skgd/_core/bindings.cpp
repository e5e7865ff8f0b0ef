// Arrays in, numbers out. The GIL is released while the core runs; it is taken back only to ask about
// signals and to call a loss defined in Python.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <exception>
#include <numeric>

#include "engine.hpp"
#include "shuffle.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace skgd;

namespace {

template <class T> using Vector = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T> using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;
template <class T> using Optional = std::optional<T>;

// Signals and Python exceptions on their way through a run that holds no Python object.
struct Guard {
  Control control;
  std::exception_ptr error;
  Guard() {
    control.interrupted = [this] {
      nb::gil_scoped_acquire gil;
      if (PyErr_CheckSignals() == 0) return false;
      error = std::make_exception_ptr(nb::python_error());
      return true;
    };
  }
  void rethrow() {
    if (error) std::rethrow_exception(error);
  }
};

using Hidden = std::tuple<std::vector<int64_t>, std::string, double>;  // widths, activation, dropout

template <class T> struct BoundProblem {
  Problem<T> core;
  std::vector<nb::object> kept;  // the arrays the core points into
  Guard* guard = nullptr;        // of the run in progress

  BoundProblem(nb::object rows, nb::object standard, nb::tuple targets, nb::object loss,
               std::pair<double, double> penalty, bool fit_intercept, Optional<Hidden> hidden, nb::object folds) {
    core.fit_intercept = fit_intercept;
    core.penalty.l1 = penalty.first, core.penalty.l2 = penalty.second;
    set_design(rows, standard);
    set_targets(targets);
    if (PyCallable_Check(loss.ptr())) {
      core.loss = Callback{callback<float>(loss), callback<double>(loss)};
    } else {
      auto [name, parameter] = nb::cast<std::pair<std::string, double>>(loss);
      core.loss = make_loss(name, parameter);
    }
    std::vector<int64_t> widths;
    if (hidden) {
      auto [given, activation, dropout] = *hidden;
      widths = given;
      core.network = {make_activation(activation), dropout};
    }
    core.lay_out(widths);
    if (!folds.is_none()) set_folds(nb::cast<nb::tuple>(folds));
  }

  template <class A> auto keep(nb::handle object) {
    auto array = nb::cast<A>(object, false);
    kept.push_back(nb::borrow(object));
    return array;
  }

  template <class I> Csr<T, I> csr(nb::tuple parts) {
    auto data = keep<Vector<const T>>(parts[0]);
    auto indices = keep<Vector<const I>>(parts[1]);
    auto indptr = keep<Vector<const I>>(parts[2]);
    return {data.data(), indices.data(), indptr.data(), int64_t(indptr.shape(0)) - 1, nb::cast<int64_t>(parts[3])};
  }

  void set_design(nb::object rows, nb::object standard) {
    Dense<T> dense{};
    if (nb::isinstance<nb::tuple>(rows)) {
      auto parts = nb::cast<nb::tuple>(rows);
      Vector<const int64_t> probe;
      const bool wide = nb::try_cast(parts[1], probe, false);
      auto as_dense = [&](auto x) {
        dense = {x.data, x.n, x.d, nullptr, nullptr, x.indices, x.indptr, wide};
        return x;
      };
      if (wide)
        core.design = as_dense(csr<int64_t>(parts));
      else
        core.design = as_dense(csr<int32_t>(parts));
    } else {
      auto x = keep<Matrix<const T>>(rows);
      dense.data = x.data(), dense.n = int64_t(x.shape(0)), dense.d = int64_t(x.shape(1));
      core.design = dense;
    }
    if (standard.is_none()) return;
    auto pair = nb::cast<nb::tuple>(standard);
    dense.center = keep<Vector<const T>>(pair[0]).data();
    dense.inverse_scale = keep<Vector<const T>>(pair[1]).data();
    core.penalty.scale = dense.inverse_scale;
    core.design = dense;
  }

  void set_targets(nb::tuple targets) {
    core.targets.y = keep<Array<const T>>(targets[0]).data();
    if (!targets[1].is_none()) core.targets.weight = keep<Vector<const T>>(targets[1]).data();
    core.targets.columns = nb::cast<int64_t>(targets[2]);
    core.targets.codes = nb::cast<bool>(targets[3]);
  }

  void set_folds(nb::tuple folds) {
    const auto weights = keep<Matrix<const T>>(folds[0]);
    core.folds.weights = weights.data(), core.folds.lines = int64_t(weights.shape(0));
    if (!folds[1].is_none()) core.folds.line_of = keep<Vector<const int32_t>>(folds[1]).data();
    core.folds.ends = nb::cast<std::vector<int64_t>>(folds[2]);
    core.penalty.strength = keep<Vector<const T>>(folds[3]).data();  // padded as theta is
    core.folds.even = nb::cast<bool>(folds[4]), core.folds.values = nb::cast<bool>(folds[5]);
  }

  template <class U> std::function<double(Block<U>)> callback(nb::object loss) {
    kept.push_back(loss);
    nb::handle call = loss;
    return [this, call](Block<U> b) -> double {
      double total = 0;
      bool failed = guard && guard->error;
      if (!failed) {
        nb::gil_scoped_acquire gil;
        try {
          const size_t m = size_t(b.m), width = size_t(b.codes || b.columns == 1 ? 1 : b.columns);
          // views: the callee writes the slopes into z
          auto view = [](auto* data, std::initializer_list<size_t> shape) -> nb::object {
            using E = std::remove_pointer_t<decltype(data)>;
            if (!data) return nb::none();
            return nb::cast(nb::ndarray<E, nb::numpy>(data, shape), nb::rv_policy::reference);
          };
          total = nb::cast<double>(
              call(view(b.y, {m, width}), view(b.weight, {m}), view(b.z, {m, size_t(b.stride)}), b.columns));
        } catch (...) {
          failed = true;
          if (guard) guard->error = std::current_exception(), guard->control.stop = true;
        }
      }
      if (failed) std::fill_n(b.z, b.m * b.stride, U(0));
      return total;
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
    return std::pair{result, std::move(own.error)};
  }
};

template <class T> struct BoundDescent {
  Descent<T> core{};
  std::vector<nb::object> kept;
  BoundDescent(nb::object theta, nb::tuple slots, nb::object average, std::pair<int64_t, double> weighting,
               nb::object gradient, std::pair<int64_t, uint64_t> counters) {
    core.theta = pointer(theta);
    core.gradient = pointer(gradient);
    auto slot = [&](size_t i) { return nb::len(slots) > i ? pointer(slots[i]) : nullptr; };
    core.slots = {slot(0), slot(1), slot(2)};
    core.average = {pointer(average), weighting.first, weighting.second};
    core.t = counters.first, core.noise = counters.second;
  }
  T* pointer(nb::object array) {
    if (array.is_none()) return nullptr;
    kept.push_back(array);
    return nb::cast<Array<T>>(array, false).data();
  }
};

using Numbers = std::tuple<double, double, double, double, int64_t>;
using Rule = std::pair<std::string, std::vector<double>>;
using Span = std::pair<int64_t, int64_t>;
using Steps = std::tuple<int64_t, Matrix<const double>, int, double>;  // batch size, rates, threads, longest gradient

Optimizer optimizer_of(const Rule& rule) { return make_optimizer(rule.first, rule.second); }

Plan plan_of(Optional<Order*> order, Span span, const Steps& steps) {
  const auto& [batch_size, rates, threads, max_gradient_norm] = steps;
  const Rows rows = order ? (*order)->rows(span.first, span.second) : Rows{nullptr, span.first, span.second};
  const int64_t width = int64_t(rates.shape(1)), given = int64_t(rates.shape(0));
  Plan plan{rows, batch_size, rates.data(), width, given == 1 ? 0 : width, threads, max_gradient_norm};
  if (given != 1 && given < plan.updates()) throw std::invalid_argument("one rate, or one for each update, is needed");
  return plan;
}

template <class T> void bind(nb::module_& m, const char* problem, const char* descent) {
  using P = BoundProblem<T>;
  using D = BoundDescent<T>;
  nb::class_<P>(m, problem)
      .def(nb::init<nb::object, nb::object, nb::tuple, nb::object, std::pair<double, double>, bool, Optional<Hidden>,
                    nb::object>(),
           "rows"_a, "standard"_a.none(), "targets"_a, "loss"_a, "penalty"_a, "fit_intercept"_a, "hidden"_a.none(),
           "folds"_a.none() = nb::none())
      .def_prop_ro("columns", [](P& p) { return p.core.columns(); })
      .def_prop_ro(
          "layers",
          [](P& p) {
            std::vector<std::array<int64_t, 4>> places;
            for (const Layer& l : p.core.layers) places.push_back({l.inputs, l.width, l.columns, l.offset});
            return places;
          },
          "(inputs, width, columns, offset) of each layer in theta.")
      .def("penalty", [](P& p, Array<const T> theta) { return p.core.penalty_value(theta.data()); })
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
          "scores",
          [](P& p, Array<const T> theta, Matrix<T> z) {
            auto [done, error] = p.guarded([&](Control& control) {
              scores(p.core, theta.data(), z.data(), control);
              return true;
            });
            if (error) std::rethrow_exception(error);
          },
          "theta"_a, "z"_a, "z (n, columns) gets the raw scores of all rows.")
      .def("row_moments",
           [](P& p) {
             nb::gil_scoped_release release;
             return row_moments(p.core);
           })
      .def(
          "evaluate",
          [](P& p, Array<const T> theta, Optional<Array<T>> gradient, int threads) {
            auto [loss, error] = p.guarded([&](Control& control) {
              return evaluate(p.core, theta.data(), gradient ? gradient->data() : nullptr, threads, control);
            });
            if (error) std::rethrow_exception(error);
            return loss;
          },
          "theta"_a, "gradient"_a.none() = nb::none(), "threads"_a = 1, "Sum of weight * loss over all rows.");
  nb::class_<D>(m, descent)
      .def(nb::init<nb::object, nb::tuple, nb::object, std::pair<int64_t, double>, nb::object,
                    std::pair<int64_t, uint64_t>>(),
           "theta"_a, "slots"_a, "average"_a.none(), "weighting"_a, "gradient"_a.none(), "counters"_a)
      .def_prop_ro("t", [](D& d) { return d.core.t; });
  m.def(
      "run",
      [](P& p, D& d, const Rule& rule, Optional<Order*> order, Span span, const Steps& steps) {
        auto [o, error] = p.guarded([&, plan = plan_of(order, span, steps), optimizer = optimizer_of(rule)](
                                        Control& control) { return run(p.core, d.core, plan, optimizer, control); });
        if (error) std::rethrow_exception(error);
        return Numbers{o.loss, o.weight, o.penalty, o.gradient_norm, o.updates};
      },
      "problem"_a, "descent"_a, "rule"_a, "order"_a.none(), "span"_a, "plan"_a,
      "Carries the descent over rows order[start:start + count]; gives sums over those rows.");
  m.def(
      "run_columns",
      [](P& p, D& d, const Rule& rule, Optional<Order*> order, Span span, const Steps& steps) {
        auto [o, error] =
            p.guarded([&, plan = plan_of(order, span, steps), optimizer = optimizer_of(rule)](Control& control) {
              return run_columns(p.core, d.core, plan, optimizer, control);
            });
        if (error) std::rethrow_exception(error);
        return std::tuple{o.loss, o.weight, o.penalty, o.updates};
      },
      "problem"_a, "descent"_a, "rule"_a, "order"_a.none(), "span"_a, "plan"_a,
      "The same for a problem with folds; gives sums for each column.");
  m.def(
      "all_finite",
      [](Matrix<const T> x) {
        nb::gil_scoped_release release;
        return all_finite(x.data(), int64_t(x.size()));
      },
      "x"_a.noconvert());
  m.def(
      "value_and_slope",
      [](std::pair<std::string, double> loss, Matrix<const T> y, Matrix<T> z, Vector<T> values, bool codes) {
        const Loss core = make_loss(loss.first, loss.second);
        const int64_t K = int64_t(z.shape(1)), width = int64_t(y.shape(1));
        for (int64_t i = 0; i < int64_t(z.shape(0)); ++i)
          values.data()[i] = T(std::visit(
              [&](auto& l) {
                return slopes_of(l, Block<T>{z.data() + i * K, y.data() + i * width, nullptr, 1, K, K, codes});
              },
              core));
      },
      "loss"_a, "y"_a, "z"_a, "values"_a, "codes"_a,
      "Raw scores in z become slopes; values gets the loss of each row.");
}

}  // namespace

NB_MODULE(SKGD_MODULE, m) {
  m.doc() = "Compiled core of skgd.";
  bind<float>(m, "Problem32", "Descent32");
  bind<double>(m, "Problem64", "Descent64");
  nb::class_<Order>(m, "Order")
      .def(nb::init<int64_t, int64_t>(), "n"_a, "d"_a)
      .def(
          "shuffle",
          [](Order& order, Vector<uint64_t> state) {
            nb::gil_scoped_release release;
            order.shuffle(state.data()[0]);
          },
          "state"_a, "A fresh permutation; the generator's state moves on.")
      .def_prop_ro("values", [](Order& o) {
        return nb::ndarray<nb::numpy, int32_t>(o.values().data(), {o.values().size()}, nb::find(o));
      });
  m.def(
      "use_blas",
      [](nb::object single, nb::object wide) {
        auto pointer = [](nb::object capsule) {
          return PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr()));
        };
        blas_gemm<float> = reinterpret_cast<Gemm<float>>(pointer(single));
        blas_gemm<double> = reinterpret_cast<Gemm<double>>(pointer(wide));
      },
      "sgemm"_a, "dgemm"_a, "Takes the matrix products of a BLAS (32-bit integers), as capsules.");
  m.def("supports_x86_64_v3", [] {
#if defined(__x86_64__)
    return bool(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"));
#else
    return false;
#endif
  });
}
