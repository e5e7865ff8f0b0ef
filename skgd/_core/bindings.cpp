// The module: the engine for this processor, and all that is bound.
#include "bindings.hpp"

#include <cstdlib>
#include <string_view>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

extern "C" {
const void *engine_baseline_float(), *engine_baseline_double();
const void *engine_x86_64_v3_float(), *engine_x86_64_v3_double();
}

namespace {

using namespace bindings;

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

#if defined(__x86_64__)
// Whether the processor and the system have all that x86-64-v3 asks for. It is read here, as not every compiler's
// library answers __builtin_cpu_supports (Zig's says no to everything).
bool has_x86_64_v3() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  constexpr unsigned fma = 1 << 12, movbe = 1 << 22, saves = 1 << 27, avx = 1 << 28, f16c = 1 << 29;
  if (unsigned all = fma | movbe | saves | avx | f16c; (c & all) != all) return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6) return false;  // registers of 32 bytes are not kept from one process to the next
  constexpr unsigned bmi = 1 << 3, avx2 = 1 << 5, bmi2 = 1 << 8, lzcnt = 1 << 5;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & (bmi | avx2 | bmi2)) != (bmi | avx2 | bmi2)) return false;
  return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & lzcnt);
}
#endif

bool runs(const Build& build) {
#if defined(__x86_64__)
  if (build.name == "x86_64_v3") return has_x86_64_v3();
#endif
  return build.name == "baseline";
}

const Build* used = nullptr;

void use(const Build& build) {
  engine<float> = static_cast<const Engine<float>*>(build.of_float());
  engine<double> = static_cast<const Engine<double>*>(build.of_double());
  used = &build;
}

}  // namespace

NB_MODULE(core, m) {
  m.doc() = "Compiled core of skgd.";
  const char* wanted = std::getenv("SKGD_CORE");
  use(builds[0]);
  for (const Build& build : builds)
    if (runs(build) && !(wanted && wanted == used->name)) use(build);
  if (!runs(*used))
    throw nb::import_error(
        "The core of skgd was built for another processor than this one. Install it here, or build it "
        "for all: pip install . -C cmake.define.SKGD_SETS=all");
  m.attr("losses") = ByName<Loss>::names();
  m.attr("penalties") = ByName<PenaltyKind>::names();
  m.attr("optimizers") = ByName<Optimizer>::names();
  m.attr("activations") = ByName<Activation>::names();
  bind_indices(m);
  bind_stream<float>(m, "Stream32");
  bind_stream<double>(m, "Stream64");
  bind_problem<float>(m, "Problem32");
  bind_problem<double>(m, "Problem64");
  bind_descent<float>(m, "Descent32");
  bind_descent<double>(m, "Descent64");
  bind_arrays<float>(m);
  bind_arrays<double>(m);
  bind_paths(m);
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
