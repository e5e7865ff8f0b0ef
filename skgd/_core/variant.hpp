// The alternatives of a variant by their names. An alternative that can be made by name has a `name` and a number of
// `parameters`, which are its first members, or `any_number` of them, which a vector holds.
#pragma once
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace skgd {

// Calls f with the alternative that a variant holds: std::visit, but by comparisons where the standard library keeps a
// table of functions for each call, which are never inlined and of which the loader has to be told.
template <size_t I = 0, class F, class V> [[gnu::always_inline]] constexpr decltype(auto) match(F&& f, V& variant) {
  auto* held = std::get_if<I>(&variant);
  if constexpr (I + 1 < std::variant_size_v<std::remove_const_t<V>>) {
    if (!held) return match<I + 1>(f, variant);
  } else {
    if (!held) __builtin_unreachable();
  }
  return f(*held);
}

template <class A>
concept Named = requires {
  A::name;
  A::parameters;
};

constexpr int any_number = -1;

template <class Variant> struct ByName;
template <class... A> struct ByName<std::variant<A...>> {
  using Variant = std::variant<A...>;

  // The alternative of this name with these parameters; more of them than it has are left aside.
  static Variant make(const std::string& kind, std::string_view name, const std::vector<double>& parameters) {
    std::optional<Variant> made;
    auto try_one = [&]<class B>(std::type_identity<B>) {
      if constexpr (Named<B>)
        if (B::name == name) made = build<B>(parameters);
    };
    (try_one(std::type_identity<A>()), ...);
    if (!made) throw std::invalid_argument("no " + kind + " is named " + std::string(name));
    return *made;
  }

  static std::vector<std::string> names() {
    std::vector<std::string> all;
    auto add_one = [&]<class B>(std::type_identity<B>) {
      if constexpr (Named<B>) all.emplace_back(B::name);
    };
    (add_one(std::type_identity<A>()), ...);
    return all;
  }

 private:
  template <class B> static B build(const std::vector<double>& p) {
    if constexpr (B::parameters == any_number)
      return B{p};
    else
      return build<B>(p, std::make_index_sequence<B::parameters>());
  }
  template <class B, size_t... I> static B build(const std::vector<double>& p, std::index_sequence<I...>) {
    if (p.size() < sizeof...(I)) throw std::invalid_argument(std::string(B::name) + " misses a parameter");
    return B{p[I]...};
  }
};

}  // namespace skgd
