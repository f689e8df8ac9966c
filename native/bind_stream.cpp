// Streams, as Python sees them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <stdexcept>

#include "bind_program.h"
#include "stream.h"

namespace nb = nanobind;

namespace {

// So many multiply-adds are over sooner than another thread could take the interpreter.
constexpr std::int64_t kBrief = 1'000'000;

template <class T>
class PyStream {
 public:
  PyStream(std::int64_t rows, int threads) : stream_(rows, threads) {}

  // Lists as for a run; addresses of sequences are 0.
  void add(const ProgramHandle& handle, const Numbers& buffers, const Numbers& rings, const Numbers& matrices,
           const Numbers& tables, int lookups, int input, int output, std::int64_t clock) {
    unrolled::StreamLayer<T> layer{&handle.program, {}, input, output, at<std::int64_t*>(clock)};
    read_tensors(layer.call, buffers, rings, matrices, tables);
    layer.call.lookups.resize(lookups);
    stream_.add(std::move(layer));
  }

  void run(std::int64_t x, std::int64_t out, std::int64_t time) {
    if (busy_.exchange(true)) throw std::runtime_error("the stream is at work in another thread");
    const Done done{busy_};
    if (stream_.work() * time < kBrief) return stream_.run(at<const void*>(x), at<T*>(out), time);
    const nb::gil_scoped_release others_may_run;
    stream_.run(at<const void*>(x), at<T*>(out), time);
  }

 private:
  struct Done {
    std::atomic<bool>& busy;
    ~Done() { busy = false; }
  };

  unrolled::Stream<T> stream_;
  std::atomic<bool> busy_ = false;
};

template <class T>
void bind(nb::module_& module, const char* name) {
  nb::class_<PyStream<T>>(module, name, "Packed layers that are run on, a few steps at a time.")
      .def(nb::init<std::int64_t, int>())
      .def("add", &PyStream<T>::add, nb::keep_alive<1, 2>())
      .def("run", &PyStream<T>::run);
}

}  // namespace

void bind_stream(nb::module_& module) {
  bind<float>(module, "StreamFloat");
  bind<double>(module, "StreamDouble");
}
