// A problem over arrays that belong to Python.
#pragma once
#include "bindings.hpp"

namespace bindings {

// Factors of the rate in a layer: of the weights of inputs up to one, of the intercepts and of shares.
using GivenRates = std::tuple<std::vector<std::pair<int64_t, double>>, double, double>;

// widths, activations (names or callables), dropout, frozen layers, factors of the rates of layers, which hidden layers
// have shares, of a layer of features its numbers, waves and factors of rates, if there is one, and how many networks
// share weights
using Hidden = std::tuple<std::vector<int64_t>, nb::list, double, std::vector<bool>, std::vector<GivenRates>,
                          std::vector<bool>, std::vector<double>, int64_t>;

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

}  // namespace bindings
