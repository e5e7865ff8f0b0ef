// A hundred epochs of many descents by the core alone, without Python: prints what each ends with, for comparison
// between machines (.ci/cross). Data come of integers, so they are the same everywhere.
#include <cstdio>
#include <string>
#include <vector>

#include "engine.hpp"
#include "random.hpp"

using namespace skgd;

extern "C" const void* engine_baseline_double();

namespace {

constexpr int64_t n = 240, d = 21, epochs = 100;
const Engine<double>& engine = *static_cast<const Engine<double>*>(engine_baseline_double());

struct Data {
  std::vector<double> X, values, classes, weight;
  std::vector<double> nonzeros;
  std::vector<int32_t> indices;
  std::vector<int64_t> indptr{0};

  Data() : X(n * d), values(n), classes(n), weight(n) {
    uint64_t state = 7;
    auto uniform = [&] { return double(next_random(state) >> 11) / double(1ull << 53) * 2 - 1; };
    for (double& x : X) x = uniform();
    for (int64_t i = 0; i < n; ++i) {
      double z = 0.2 * uniform();
      for (int64_t j = 0; j < 5; ++j) z += X[i * d + j] * double(j - 2);
      values[i] = z, classes[i] = double((z > -0.7) + (z > 0.7)), weight[i] = 1 + 0.5 * uniform();
      for (int64_t j = 0; j < d; ++j)
        if (X[i * d + j] > 0.6) nonzeros.push_back(X[i * d + j]), indices.push_back(int32_t(j));
      indptr.push_back(int64_t(indices.size()));
    }
  }
};

struct Setting {
  std::string loss;
  double parameter;
  std::string rule;
  std::vector<double> of_rule;
  int64_t batch;
  double rate;
  bool csr;
  std::vector<int64_t> hidden;
  double l1 = 0;
  int64_t slots = 3;
};

void run_one(const Data& data, const Setting& s) {
  Problem<double> problem;
  problem.design =
      s.csr ? Design<double>(Csr<double>{data.nonzeros.data(), data.indices.data(), data.indptr.data(), n, d})
            : Design<double>(Dense<double>{data.X.data(), n, d});
  const bool softmax = s.loss == "softmax", margin = s.loss == "log_loss" || s.loss == "hinge";
  std::vector<double> y = softmax ? data.classes : data.values;
  for (double& value : y) value = margin ? double(value > 0) : s.loss == "poisson" ? value * value : value;
  problem.targets = {y.data(), data.weight.data(), softmax ? 3 : 1, softmax};
  problem.loss = make_loss(s.loss, {s.parameter});
  problem.penalty.kind = elastic_net(s.l1, 1e-3);
  problem.network.activations.assign(s.hidden.size(), make_activation("silu"));
  problem.lay_out(s.hidden);
  const int64_t size = problem.parameters();
  std::vector<std::vector<double>> slots(3, std::vector<double>(size)), more(2, std::vector<double>(size));
  uint64_t state = 3;
  if (!s.hidden.empty())
    for (const Layer& layer : problem.layers)
      for (int64_t j = 0; j < layer.inputs; ++j)
        for (int64_t k = 0; k < layer.width; ++k)
          more[0][layer.offset + j * layer.columns + k] = double(next_random(state) >> 11) / double(1ull << 53) - 0.5;
  Descent<double> descent{more[0].data(), {slots[0].data(), slots[1].data(), slots[2].data()}};
  descent.average = {more[1].data(), 0, 0.5};
  const Optimizer rule = make_optimizer(s.rule, s.of_rule);
  Control control;
  Outcome outcome;
  const int64_t batches = (n + s.batch - 1) / s.batch;
  for (int64_t epoch = 0; epoch < epochs; ++epoch)
    outcome = engine.run(problem, descent, Plan{problem.rows(), {n, batches, 0}, &s.rate, 1, 0}, rule, control);
  std::printf("%s/%s/%lld/%s%s", s.loss.c_str(), s.rule.c_str(), (long long)s.batch, s.csr ? "csr" : "dense",
              s.hidden.empty() ? "" : "/network");
  std::printf(" %.17g", outcome.loss);
  for (const auto& theta : more)
    for (int64_t i = 0; i < size; ++i) std::printf(" %.17g", theta[i]);
  std::printf("\n");
}

}  // namespace

int main() {
  const Data data;
  const std::vector<double> adam{0.9, 0.999, 1e-8};
  for (const bool csr : {false, true}) {
    for (const int64_t batch : {int64_t(1), int64_t(32), n}) {
      run_one(data, {"squared_error", 0, "plain", {}, batch, 0.02, csr, {}});
      run_one(data, {"log_loss", 0, "plain", {}, batch, 0.05, csr, {}});
      run_one(data, {"huber", 1.35, "momentum", {0.9}, batch, 0.005, csr, {}});
      run_one(data, {"softmax", 0, "adam", adam, batch, 0.01, csr, {}});
      run_one(data, {"poisson", 0, "adagrad", {1e-8}, batch, 0.05, csr, {}});
      run_one(data, {"squared_error", 0, "ftrl", {1e-8}, batch, 0.1, csr, {}, 1e-2});
      run_one(data, {"log_loss", 0, "cumulative", {}, batch, 0.05, csr, {}, 1e-2});
    }
    run_one(data, {"squared_error", 0, "implicit", {}, 1, 0.5, csr, {}});
    run_one(data, {"squared_error", 0, "adam", adam, 32, 0.003, csr, {9}});
    run_one(data, {"softmax", 0, "plain", {}, n, 0.05, csr, {9, 5}});
  }
}
