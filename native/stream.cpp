#include "stream.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace unrolled {

template <class T>
Stream<T>::Stream(std::int64_t rows, int threads)
    : rows_(rows), threads_(threads), most_(std::max<std::int64_t>(1, kAtOnce / std::max<std::int64_t>(1, rows))) {}

template <class T>
void Stream<T>::add(StreamLayer<T> layer) {
  if (layers_.empty()) read_limit(*layer.program);
  counts_.assign(most_, rows_);
  give_sequences(layer);
  layer.call.counts = counts_.data();
  layer.call.time = most_;
  layer.call.rows = rows_;
  layer.call.threads = threads_;
  auto kept = std::make_unique<Layer>(Layer{std::move(layer), {}, nullptr});
  if (!kept->given.program->periods.empty()) {
    kept->clock.resize(most_ * rows_);
    kept->given.call.clock = kept->clock.data();
  }
  check(*kept->given.program, kept->given.call);
  for (const Matrix& matrix : kept->given.program->matrices) work_ += matrix.rows * matrix.columns * rows_;
  kept->runner = std::make_unique<Runner<T>>(*kept->given.program, kept->given.call);
  kept->runner->prepare();
  layers_.push_back(std::move(kept));
}

template <class T>
void Stream<T>::read_limit(const Program& program) {
  limit_ = std::numeric_limits<std::int64_t>::max();
  for (const auto& group : program.groups)
    for (const Stage& stage : group)
      for (const Gate& gate : stage.gates)
        for (const Factor& factor : gate.factors)
          if (factor.lookup >= 0) limit_ = std::min(limit_, program.matrices[factor.matrix].columns);
}

// Memory for the sequences that a call brings; a layer reads what the one below wrote, in its place.
template <class T>
void Stream<T>::give_sequences(StreamLayer<T>& layer) {
  const Program& program = *layer.program;
  std::vector<T*>& buffers = layer.call.buffers;
  auto names = [&](int buffer) { return buffer >= 0 && buffer < static_cast<int>(program.buffers.size()); };
  if (buffers.size() != program.buffers.size() || !names(layer.output) || (layer.input >= 0 && !names(layer.input)))
    throw std::runtime_error("the layer does not fit its program");
  if (layer.clock == nullptr) throw std::runtime_error("the layer brings no clock");
  if (!layer.call.histories.empty()) throw std::runtime_error("a stream keeps no histories");
  if (layer.input >= 0 && !layers_.empty()) {
    const StreamLayer<T>& below = layers_.back()->given;
    if (below.program->buffers[below.output].width != program.buffers[layer.input].width)
      throw std::runtime_error("the layer does not fit the one below");
    buffers[layer.input] = below.call.buffers[below.output];
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.home == Home::ring && (i >= layer.call.rings.size() || layer.call.rings[i].initial == nullptr))
      throw std::runtime_error("the layer brings no state");
    if (buffer.inside || buffers[i] != nullptr) continue;
    if (buffer.home != Home::sequence) throw std::runtime_error("the layer does not bring what its program reads");
    owned_.push_back(reserve<T>(most_ * rows_ * buffer.step));
    std::fill_n(owned_.back().get(), most_ * rows_ * buffer.step, T(0));
    buffers[i] = owned_.back().get();
  }
}

template <class T>
void Stream<T>::run(const void* x, T* out, std::int64_t time) {
  if (layers_.empty()) throw std::runtime_error("the stream has no layers");
  const StreamLayer<T>& last = layers_.back()->given;
  const std::int64_t width = last.program->buffers[last.output].width;
  if (!layers_.front()->given.call.lookups.empty()) {
    const std::int64_t* numbers = static_cast<const std::int64_t*>(x);
    if (std::any_of(numbers, numbers + time * rows_, [&](std::int64_t n) { return n < 0 || n >= limit_; }))
      throw std::out_of_range("a number that stands for a one-hot vector is out of range");
  }
  for (std::int64_t done = 0; done < time;) {
    const std::int64_t now = std::min(most_, time - done);
    read(x, done, now);
    for (auto& layer : layers_) step(*layer, now);
    write(out + done * rows_ * width, now);
    done += now;
  }
}

template <class T>
void Stream<T>::read(const void* x, std::int64_t begin, std::int64_t steps) {
  StreamLayer<T>& first = layers_.front()->given;
  for (const std::int64_t*& lookup : first.call.lookups)
    lookup = static_cast<const std::int64_t*>(x) + begin * rows_;
  if (first.input < 0) return;
  const Buffer& buffer = first.program->buffers[first.input];
  const T* from = static_cast<const T*>(x) + begin * rows_ * buffer.width;
  T* to = first.call.buffers[first.input];
  for (std::int64_t i = 0; i < steps * rows_; ++i) std::copy_n(from + i * buffer.width, buffer.width, to + i * buffer.step);
}

template <class T>
void Stream<T>::step(Layer& layer, std::int64_t steps) {
  if (layer.given.call.time != steps) {
    layer.given.call.time = steps;
    layer.runner->measure();
  }
  if (!layer.clock.empty())
    for (std::int64_t i = 0; i < steps * rows_; ++i) layer.clock[i] = layer.given.clock[i % rows_] + i / rows_;
  layer.runner->run();
  for (std::int64_t row = 0; row < rows_; ++row) layer.given.clock[row] += steps;
}

template <class T>
void Stream<T>::write(T* out, std::int64_t steps) const {
  const StreamLayer<T>& last = layers_.back()->given;
  const Buffer& buffer = last.program->buffers[last.output];
  const T* from = last.call.buffers[last.output];
  for (std::int64_t i = 0; i < steps * rows_; ++i) std::copy_n(from + i * buffer.step, buffer.width, out + i * buffer.width);
}

template class Stream<float>;
template class Stream<double>;

}  // namespace unrolled
