#include "program.h"

#include <stdexcept>

#include "kernels.h"

namespace unrolled {
namespace {

class Reader {
 public:
  explicit Reader(const std::vector<std::int64_t>& code) : code_(code) {}

  std::int64_t number() {
    if (at_ >= code_.size()) throw std::runtime_error("the program ends too early");
    return code_[at_++];
  }

  int index(std::size_t below, bool optional = false) {
    const std::int64_t value = number();
    if (value == -1 && optional) return -1;
    if (value < 0 || value >= static_cast<std::int64_t>(below)) throw std::runtime_error("the program names something that is not there");
    return static_cast<int>(value);
  }

  int count() {
    const std::int64_t value = number();
    if (value < 0 || value > 1'000'000) throw std::runtime_error("the program has an impossible count");
    return static_cast<int>(value);
  }

  std::int64_t size() {
    const std::int64_t value = number();
    if (value < 0 || value > std::int64_t{1} << 40) throw std::runtime_error("the program has an impossible size");
    return value;
  }

  bool done() const { return at_ == code_.size(); }

 private:
  const std::vector<std::int64_t>& code_;
  std::size_t at_ = 0;
};

Buffer read_buffer(Reader& in) {
  Buffer buffer{};
  buffer.home = static_cast<Home>(in.index(5));
  buffer.inside = in.number() != 0;
  buffer.width = in.size();
  buffer.step = whole_vectors(buffer.width);
  buffer.slots = in.count();
  return buffer;
}

Stage read_stage(Reader& in, const Program& program) {
  const std::size_t operands = program.operands.size();
  Stage stage{};
  stage.work = static_cast<Work>(in.index(8));
  stage.width = in.size();
  stage.by_row = in.number() != 0;
  if (stage.work != Work::tiles) {
    stage.to = in.index(operands);
    stage.a = in.index(operands, true);
    stage.b = in.index(operands, true);
    stage.history = in.index(1'000'000, true);
    return stage;
  }
  stage.gates.resize(in.count());
  for (Gate& gate : stage.gates) {
    gate.to = in.index(operands);
    gate.start = in.index(operands, true);
    gate.factors.resize(in.count());
    for (Factor& factor : gate.factors) {
      factor.matrix = in.index(program.matrices.size());
      factor.vector = in.index(operands, true);
      factor.lookup = in.index(1'000'000, true);
      if (factor.vector < 0 && factor.lookup < 0) throw std::runtime_error("the program multiplies nothing");
    }
  }
  stage.instructions.resize(in.count());
  for (Instruction& instruction : stage.instructions) {
    instruction.op = in.count();
    if (instruction.op > static_cast<int>(Op::spread) && instruction.op != kEvery)
      throw std::runtime_error("the program has an unknown operation");
    instruction.to = in.index(operands);
    const std::size_t first = instruction.op == kEvery ? program.periods.size() : operands;
    instruction.a = in.index(first);
    instruction.b = in.index(operands, true);
    instruction.c = in.index(operands, true);
  }
  return stage;
}

void check_operand(const Program& program, const Operand& operand) {
  const std::size_t sizes[] = {static_cast<std::size_t>(program.temporaries), program.buffers.size(), program.numbers.size()};
  if (operand.index < 0 || static_cast<std::size_t>(operand.index) >= sizes[static_cast<int>(operand.source)])
    throw std::runtime_error("the program names something that is not there");
  if (operand.source == Source::buffer && program.buffers[operand.index].home == Home::ring &&
      (operand.delay < 0 || operand.delay > program.buffers[operand.index].slots))
    throw std::runtime_error("the program reads further back than a state is kept");
}

}  // namespace

Program read_program(const std::vector<std::int64_t>& code, const std::vector<double>& numbers) {
  Reader in(code);
  Program program;
  program.numbers = numbers;
  program.temporaries = in.count();
  program.buffers.resize(in.count());
  for (Buffer& buffer : program.buffers) buffer = read_buffer(in);
  program.operands.resize(in.count());
  for (Operand& operand : program.operands) {
    operand.source = static_cast<Source>(in.index(3));
    operand.index = in.count();
    operand.column = in.size();
    operand.delay = in.count();
    check_operand(program, operand);
  }
  program.matrices.resize(in.count());
  for (Matrix& matrix : program.matrices) {
    matrix.rows = in.size();
    matrix.columns = in.size();
    matrix.negative = in.number() != 0;
  }
  program.periods.resize(in.count());
  for (Periods& table : program.periods) {
    table.block = in.size();
    table.periods.resize(in.count());
    for (std::int64_t& period : table.periods)
      if ((period = in.number()) < 1) throw std::runtime_error("the program has a period below 1");
  }
  for (auto& group : program.groups) {
    group.resize(in.count());
    for (Stage& stage : group) stage = read_stage(in, program);
  }
  program.outers.resize(in.count());
  for (Outer& outer : program.outers) {
    outer.vector = in.index(program.operands.size(), true);
    outer.history = in.index(1'000'000, true);
    outer.lookup = in.index(1'000'000, true);
    outer.columns = in.size();
    outer.deltas.resize(in.count());
    for (Delta& delta : outer.deltas) {
      delta.operand = in.index(program.operands.size());
      delta.rows = in.size();
      delta.out = in.count();
    }
  }
  program.totals.resize(in.count());
  for (Total& total : program.totals) {
    total.operand = in.index(program.operands.size());
    total.width = in.size();
    total.out = in.count();
  }
  if (!in.done()) throw std::runtime_error("the program goes on after its end");
  return program;
}

}  // namespace unrolled
