// What takes arrays and keeps nothing: indices of CSR matrices, labels, predictions, losses and paths.
#include <cstring>

#include "bindings.hpp"
#include "present.hpp"

namespace bindings {
namespace {

std::array<int64_t, 2> range_of(const int32_t* indices, int64_t count) {
  return engine<double>->range_of_32(indices, count);
}
std::array<int64_t, 2> range_of(const int64_t* indices, int64_t count) {
  return engine<double>->range_of_64(indices, count);
}

// One pass over the index arrays of a CSR matrix: what it lets through is never read or written out of bounds.
template <class I> void check_parts(const I* indices, const I* indptr, int64_t n, int64_t stored, int64_t d) {
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

template <class I> void bind_indices_of(nb::module_& m) {
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

}  // namespace

void check_csr(const int32_t* indices, const int32_t* indptr, int64_t n, int64_t stored, int64_t d) {
  check_parts(indices, indptr, n, stored, d);
}
void check_csr(const int64_t* indices, const int64_t* indptr, int64_t n, int64_t stored, int64_t d) {
  check_parts(indices, indptr, n, stored, d);
}

void bind_indices(nb::module_& m) {
  bind_indices_of<int32_t>(m);
  bind_indices_of<int64_t>(m);
  m.def("objects_of", &objects_of, "address"_a, "stride"_a, "found"_a, "most"_a,
        "found (n,) gets the number of each object of an array in the list of different ones, which is given back.");
}

void bind_paths(nb::module_& m) {
  m.def("quadratic_path", &path_of, "gram"_a.noconvert(), "products"_a.noconvert(), "tolerance"_a,
        "strengths"_a.noconvert(), "features"_a.noconvert(), "weights"_a.noconvert(), "sweeps"_a.noconvert(),
        "weights (m, d) gets the minima for strengths (m, 2) of the l1 and the l2 norm, one after another. features "
        "(3, d): factors of the strengths, least and greatest weights.");
}

template <class T> void bind_arrays(nb::module_& m) {
  m.def(
      "all_finite",
      [](Matrix<const T> x) {
        nb::gil_scoped_release release;
        return engine<T>->all_finite(x.data(), int64_t(x.size()));
      },
      "x"_a.noconvert());
  m.def(
      "column_moments",
      [](Matrix<const T> x, std::optional<Vector<const double>> weight, Matrix<double> moments) {
        const int64_t n = int64_t(x.shape(0)), d = int64_t(x.shape(1));
        if (weight) check_size("weight", int64_t(weight->size()), n);
        check_size("moments", int64_t(moments.size()), 3 * d);
        double* found = moments.data();
        nb::gil_scoped_release release;
        engine<T>->column_moments(x.data(), n, d, weight ? weight->data() : nullptr, found, found + d, found + 2 * d);
      },
      "x"_a.noconvert(), "weight"_a.noconvert().none(), "moments"_a.noconvert(),
      "moments (3, d), zeros before: means, squared deviations and weights of the non-zeros of the columns of x.");
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

template void bind_arrays<float>(nb::module_& m);
template void bind_arrays<double>(nb::module_& m);

}  // namespace bindings
