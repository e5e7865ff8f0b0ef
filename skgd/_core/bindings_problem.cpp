// The problem: rows, targets, loss, penalty and layers.
#include "bound_problem.hpp"

namespace bindings {

template <class T> void bind_problem(nb::module_& m, const char* name) {
  using P = BoundProblem<T>;
  nb::class_<P>(m, name)
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
}

template void bind_problem<float>(nb::module_& m, const char* name);
template void bind_problem<double>(nb::module_& m, const char* name);

}  // namespace bindings
