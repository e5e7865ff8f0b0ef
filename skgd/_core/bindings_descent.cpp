// The descent, streams, and the runs that carry them.
#include "bound_problem.hpp"

namespace bindings {
namespace {

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

}  // namespace

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
          [](S& s, P& p, D& d, const Rule& rule, int64_t batch_size) {
            check_size("theta", d.size, p.core.parameters());
            engine<T>->stream_open(p.core, d.core, batch_size, optimizer_of(rule), s);
          },
          "problem"_a, "descent"_a, "rule"_a, "batch_size"_a, "Before the runs of a call.")
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

// What `call` gives for a plan over these rows and the rule, while Python's lock is free.
template <class T, class Call>
auto over_rows(BoundProblem<T>& p, BoundDescent<T>& d, const Rule& rule, Optional<Order*> order, Span span,
               const Steps& steps, Call call) {
  check_size("theta", d.size, p.core.parameters());
  const auto plan = plan_of(p.core.rows(), order, span, steps);
  const auto optimizer = optimizer_of(rule);
  if (d.core.dropout) check_size("shares", int64_t(d.shares.size()), plan.updates());
  return p.guarded([&](Control& control) { return call(plan, optimizer, control); });
}

template <class T> void bind_descent(nb::module_& m, const char* name) {
  using P = BoundProblem<T>;
  using D = BoundDescent<T>;
  nb::class_<D>(m, name)
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
        const auto o = over_rows(p, d, rule, order, span, steps, [&](auto& plan, auto& optimizer, Control& control) {
          return engine<T>->run(p.core, d.core, plan, optimizer, control);
        });
        return Numbers{o.loss, o.weight, o.penalty, o.gradient_norm, o.beside};
      },
      "problem"_a, "descent"_a, "rule"_a, "order"_a.none(), "span"_a, "plan"_a,
      "Carries the descent over rows order[start:start + count]; gives sums over those rows.");
  m.def(
      "run_columns",
      [](P& p, D& d, const Rule& rule, Optional<Order*> order, Span span, const Steps& steps) {
        const auto o = over_rows(p, d, rule, order, span, steps, [&](auto& plan, auto& optimizer, Control& control) {
          return engine<T>->run_columns(p.core, d.core, plan, optimizer, control);
        });
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
}

template void bind_stream<float>(nb::module_& m, const char* name);
template void bind_stream<double>(nb::module_& m, const char* name);
template void bind_descent<float>(nb::module_& m, const char* name);
template void bind_descent<double>(nb::module_& m, const char* name);

}  // namespace bindings
