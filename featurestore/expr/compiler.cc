#include "featurestore/expr/compiler.h"

#include <algorithm>

namespace freshet::expr {
namespace {

using Kind = Node::Kind;

// Registers are a stack: what a step reads is free again once it was read, so a deep tree takes few.
class Compiler {
 public:
  explicit Compiler(Program& program) : program_(program) {}

  Operand Emit(const Node& node) {
    switch (node.kind) {
      case Kind::kConstant:
        return Constant(ConstantValue(node));
      case Kind::kColumn:
        return kColumnSpace | node.column;
      case Kind::kOperation:
        return Operation(node);
      case Kind::kCall:
        return EmitCall(node);
      case Kind::kAnd:
        return Logic(node, Opcode::kAndFirst, Opcode::kAndNext);
      case Kind::kOr:
        return Logic(node, Opcode::kOrFirst, Opcode::kOrNext);
      case Kind::kCase:
        return Case(node);
      case Kind::kCoalesce:
        return Coalesce(node);
      case Kind::kIn:
        return In(node);
      case Kind::kBetween:
        return Between(node);
      case Kind::kNullIf:
        return NullIf(node);
    }
    return 0;
  }

 private:
  uint16_t Take() {
    const auto taken = static_cast<uint16_t>(next_++);
    program_.register_count = std::max(program_.register_count, next_);
    return taken;
  }
  void Release(uint32_t mark) { next_ = mark; }
  static Operand Register(uint16_t r) { return kRegisterSpace | r; }

  void Step(Opcode op, uint16_t dst, Operand a, Operand b, uint32_t aux = 0) {
    program_.code.push_back({op, dst, a, b, aux});
  }
  void Step(Opcode op, uint16_t dst, Operand a) { Step(op, dst, a, a); }
  uint32_t Here() const { return static_cast<uint32_t>(program_.code.size()); }
  // The step at `from` jumps to where the next one will stand.
  void JumpToHere(uint32_t from) { program_.code[from].aux = Here(); }
  uint32_t Jump() {
    // Nothing is read, but an operand must name something that is there.
    Step(Opcode::kJump, 0, kRegisterSpace);
    program_.register_count = std::max(program_.register_count, 1U);
    return Here() - 1;
  }

  Operand Constant(const Value& value) {
    program_.constants.push_back(value);
    return kConstantSpace | static_cast<Operand>(program_.constants.size() - 1);
  }
  Value ConstantValue(const Node& node) {
    const bool is_text = node.type == ExprType::kText && node.value.kind() == Value::Kind::kText;
    return is_text ? Value::Text(program_.texts.emplace_back(node.text)) : node.value;
  }

  Operand Operation(const Node& node) {
    const uint32_t mark = next_;
    const Operand a = Emit(node.args[0]);
    const Operand b = node.args.size() > 1 ? Emit(node.args[1]) : a;
    Release(mark);
    const uint16_t dst = Take();
    Step(node.op, dst, a, b);
    return Register(dst);
  }

  // Evaluates into that register.
  void EmitTo(const Node& node, uint16_t dst) {
    const Operand value = Emit(node);
    const bool one_writer = node.kind == Kind::kOperation || node.kind == Kind::kCall;
    if (one_writer) {
      program_.code.back().dst = dst;
    } else if (value != Register(dst)) {
      Step(Opcode::kMove, dst, value);
    }
  }

  Operand EmitCall(const Node& node) {
    const uint32_t mark = next_;
    Operand first = 0;
    if (node.args.size() == 1) {
      first = Emit(node.args[0]);
    } else {
      // Arguments side by side, above which each is evaluated.
      first = Register(static_cast<uint16_t>(next_));
      for (const Node& arg : node.args) {
        const uint16_t place = Take();
        const uint32_t above = next_;
        EmitTo(arg, place);
        Release(above);
      }
    }
    Release(mark);
    const uint16_t dst = Take();
    Call call{node.kernel, static_cast<uint32_t>(node.args.size()), node.strict, nullptr};
    if (node.zone) call.zone = &program_.zones.emplace_back(*node.zone);
    program_.calls.push_back(call);
    Step(Opcode::kCall, dst, first, first, static_cast<uint32_t>(program_.calls.size() - 1));
    return Register(dst);
  }

  Operand Logic(const Node& node, Opcode first, Opcode other) {
    const uint16_t dst = Take();
    std::vector<uint32_t> exits;
    for (size_t i = 0; i < node.args.size(); ++i) {
      const uint32_t mark = next_;
      const Operand value = Emit(node.args[i]);
      Release(mark);
      exits.push_back(Here());
      Step(i == 0 ? first : other, dst, value);
    }
    for (const uint32_t from : exits) JumpToHere(from);
    return Register(dst);
  }

  Operand Case(const Node& node) {
    const uint16_t dst = Take();
    const uint32_t mark = next_;
    size_t i = 0;
    const Operand operand = node.has_operand ? Emit(node.args[i++]) : 0;
    std::vector<uint32_t> exits;
    for (size_t when = 0; i + 1 < node.args.size(); i += 2, ++when) {
      const uint32_t inner = next_;
      Operand condition = Emit(node.args[i]);
      if (node.has_operand) {
        Release(inner);
        const uint16_t equal = Take();
        Step(node.ops[when], equal, operand, condition);
        condition = Register(equal);
      }
      const uint32_t skip = Here();
      Step(Opcode::kJumpUnlessTrue, 0, condition);
      Release(inner);
      EmitTo(node.args[i + 1], dst);
      Release(inner);
      exits.push_back(Jump());
      JumpToHere(skip);
    }
    EmitTo(node.args[i], dst);
    Release(mark);
    for (const uint32_t from : exits) JumpToHere(from);
    return Register(dst);
  }

  Operand Coalesce(const Node& node) {
    const uint16_t dst = Take();
    std::vector<uint32_t> exits;
    for (const Node& arg : node.args) {
      const uint32_t mark = next_;
      const Operand value = Emit(arg);
      Release(mark);
      exits.push_back(Here());
      Step(Opcode::kMoveJumpIfNotNull, dst, value);
    }
    for (const uint32_t from : exits) JumpToHere(from);
    return Register(dst);
  }

  Operand In(const Node& node) {
    const bool constant = std::all_of(node.args.begin() + 1, node.args.end(),
                                      [](const Node& n) { return n.kind == Kind::kConstant; });
    return constant ? InConstants(node) : InValues(node);
  }

  Operand InConstants(const Node& node) {
    const bool as_double =
        std::find(node.ops.begin(), node.ops.end(), Opcode::kEqD) != node.ops.end();
    ConstantSet set;
    for (auto item = node.args.begin() + 1; item != node.args.end(); ++item) {
      const Value value = ConstantValue(*item);
      if (value.is_null()) {
        set.has_null = true;
      } else {
        set.values.push_back(as_double ? Value::Double(value.number()) : value);
      }
    }
    std::sort(set.values.begin(), set.values.end(),
              [](const Value& a, const Value& b) { return CompareValues(a, b) < 0; });
    const uint32_t mark = next_;
    Operand value = Emit(node.args[0]);
    Release(mark);
    const uint16_t dst = Take();
    if (as_double && node.args[0].type == ExprType::kInt64) {
      Step(Opcode::kIntToDouble, dst, value);
      value = Register(dst);
    }
    program_.sets.push_back(std::move(set));
    Step(Opcode::kInSet, dst, value, value, static_cast<uint32_t>(program_.sets.size() - 1));
    return Register(dst);
  }

  Operand InValues(const Node& node) {
    const uint16_t dst = Take();
    const uint32_t mark = next_;
    const Operand value = Emit(node.args[0]);
    std::vector<uint32_t> exits;
    for (size_t i = 1; i < node.args.size(); ++i) {
      const uint32_t inner = next_;
      const Operand item = Emit(node.args[i]);
      Release(inner);
      const uint16_t equal = Take();
      Step(node.ops[i - 1], equal, value, item);
      exits.push_back(Here());
      Step(i == 1 ? Opcode::kOrFirst : Opcode::kOrNext, dst, Register(equal));
      Release(inner);
    }
    Release(mark);
    for (const uint32_t from : exits) JumpToHere(from);
    return Register(dst);
  }

  // low ≤ value and value ≤ high; symmetric: or the other way round.
  Operand Between(const Node& node) {
    const uint16_t dst = Take();
    const uint32_t mark = next_;
    const Operand value = Emit(node.args[0]);
    const Operand low = Emit(node.args[1]);
    const uint16_t test = Take();
    const auto compare = [&](size_t op, Operand bound) {
      Step(node.ops[op], test, value, bound);
      return Register(test);
    };
    if (!node.symmetric) {
      const uint32_t exit = Here() + 1;
      Step(Opcode::kAndFirst, dst, compare(0, low));
      const Operand high = Emit(node.args[2]);
      const uint32_t second = Here() + 1;
      Step(Opcode::kAndNext, dst, compare(3, high));
      JumpToHere(exit);
      JumpToHere(second);
    } else {
      const Operand high = Emit(node.args[2]);
      const uint16_t other = Take();
      const auto both = [&](uint16_t into, size_t least, Operand from, size_t most, Operand to) {
        const uint32_t first = Here() + 1;
        Step(Opcode::kAndFirst, into, compare(least, from));
        const uint32_t second = Here() + 1;
        Step(Opcode::kAndNext, into, compare(most, to));
        JumpToHere(first);
        JumpToHere(second);
      };
      both(dst, 0, low, 3, high);
      both(other, 2, high, 1, low);
      const uint32_t first = Here();
      Step(Opcode::kOrFirst, dst, Register(dst));
      const uint32_t second = Here();
      Step(Opcode::kOrNext, dst, Register(other));
      JumpToHere(first);
      JumpToHere(second);
    }
    Release(mark);
    return Register(dst);
  }

  Operand NullIf(const Node& node) {
    const uint32_t mark = next_;
    const Operand value = Emit(node.args[0]);
    const Operand other = Emit(node.args[1]);
    const uint16_t equal = Take();
    Step(node.ops[0], equal, value, other);
    Release(mark);
    const uint16_t dst = Take();
    Step(Opcode::kNullIf, dst, value, Register(equal));
    return Register(dst);
  }

  Program& program_;
  uint32_t next_ = 0;
};

}  // namespace

void CompileInto(const Node& node, Program& program) {
  program.result = Compiler(program).Emit(node);
}

}  // namespace freshet::expr
