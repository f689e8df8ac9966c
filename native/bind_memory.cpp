// Kept memory as a Python object with the buffer protocol: tensors are made on it.
#include <nanobind/nanobind.h>

#include <cstddef>

#include "bind.h"
#include "memory.h"

namespace nb = nanobind;

namespace {

class Block {
 public:
  explicit Block(std::size_t bytes) : at_(unrolled::take_block(bytes)), bytes_(bytes) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { unrolled::give_block(at_); }

  int fill(PyObject* self, Py_buffer* view, int flags) const {
    return PyBuffer_FillInfo(view, self, at_, static_cast<Py_ssize_t>(bytes_), 0, flags);
  }

 private:
  void* at_;
  std::size_t bytes_;
};

int buffer(PyObject* self, Py_buffer* view, int flags) { return nb::inst_ptr<Block>(self)->fill(self, view, flags); }

PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(&buffer)}, {0, nullptr}};

}  // namespace

void bind_memory(nb::module_& module) {
  nb::class_<Block>(module, "Block", nb::type_slots(slots), "Memory for a large tensor; freed memory is kept for the next.")
      .def(nb::init<std::size_t>(), nb::arg("bytes"));
}
