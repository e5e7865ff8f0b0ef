// The model of a problem.
#pragma once
#include <memory>

#include "linear.hpp"
#include "members.hpp"
#include "mlp.hpp"

namespace skgd {

template <class T> std::unique_ptr<Model<T>> make_model(const Problem<T>& problem) {
  if (problem.layers.size() == 1) return std::make_unique<Linear<T>>(problem);
  if (problem.network.members > 0) return std::make_unique<Members<T>>(problem);
  return std::make_unique<Mlp<T>>(problem);
}

}  // namespace skgd
