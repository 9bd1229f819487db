#include "checkpoint/pickle.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "base/error.h"
#include "checkpoint/byte_reader.h"

namespace greenroom::checkpoint {
namespace {

// The globals that mean something here. Everything else is foreign.
enum Known : int {
  kForeignGlobal,
  kMapping,           // OrderedDict and its kin: called with nothing or a list of pairs
  kRebuildTensor,     // (storage, offset, size, stride, requires_grad, hooks[, metadata])
  kRebuildTensorV3,   // (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
  kRebuildParameter,  // (tensor, ...)
  kRebuildFromType,   // (function, type, args, state)
  kSize,              // torch.Size: a tuple
  kStorageClass,
  kUntypedStorageClass,
  kDType,
  kEncode,  // _codecs.encode(text, "latin1"): Python 2 bytes
};

struct KnownGlobal {
  std::string_view name;
  Known known;
  DType dtype = DType::kFloat32;
};

constexpr std::array kKnownGlobals = {
    KnownGlobal{"collections.OrderedDict", kMapping},
    KnownGlobal{"collections.defaultdict", kMapping},
    KnownGlobal{"collections.Counter", kMapping},
    KnownGlobal{"torch._utils._rebuild_tensor_v2", kRebuildTensor},
    KnownGlobal{"torch._utils._rebuild_tensor", kRebuildTensor},
    KnownGlobal{"torch._utils._rebuild_tensor_v3", kRebuildTensorV3},
    KnownGlobal{"torch._utils._rebuild_parameter", kRebuildParameter},
    KnownGlobal{"torch._utils._rebuild_parameter_with_state", kRebuildParameter},
    KnownGlobal{"torch.nn.parameter.Parameter", kRebuildParameter},
    KnownGlobal{"torch._tensor._rebuild_from_type_v2", kRebuildFromType},
    KnownGlobal{"torch.tensor._rebuild_from_type_v2", kRebuildFromType},
    KnownGlobal{"torch.Size", kSize},
    KnownGlobal{"_codecs.encode", kEncode},
    KnownGlobal{"torch.DoubleStorage", kStorageClass, DType::kFloat64},
    KnownGlobal{"torch.FloatStorage", kStorageClass, DType::kFloat32},
    KnownGlobal{"torch.HalfStorage", kStorageClass, DType::kFloat16},
    KnownGlobal{"torch.BFloat16Storage", kStorageClass, DType::kBFloat16},
    KnownGlobal{"torch.LongStorage", kStorageClass, DType::kInt64},
    KnownGlobal{"torch.IntStorage", kStorageClass, DType::kInt32},
    KnownGlobal{"torch.ShortStorage", kStorageClass, DType::kInt16},
    KnownGlobal{"torch.CharStorage", kStorageClass, DType::kInt8},
    KnownGlobal{"torch.ByteStorage", kStorageClass, DType::kUInt8},
    KnownGlobal{"torch.BoolStorage", kStorageClass, DType::kBool},
    KnownGlobal{"torch.ComplexFloatStorage", kStorageClass, DType::kComplex64},
    KnownGlobal{"torch.ComplexDoubleStorage", kStorageClass, DType::kComplex128},
    KnownGlobal{"torch.storage.UntypedStorage", kUntypedStorageClass, DType::kUInt8},
    KnownGlobal{"torch.UntypedStorage", kUntypedStorageClass, DType::kUInt8},
};

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& what, const PickleLimits& limits)
      : reader_(bytes, what), base_(reinterpret_cast<const char*>(bytes.data())), limits_(limits) {}

  Pickle run();

 private:
  bool step(std::uint8_t opcode);            // false at STOP
  bool step_value(std::uint8_t opcode);      // false when the opcode is not one of these
  bool step_structure(std::uint8_t opcode);  // likewise
  bool step_memo(std::uint8_t opcode);       // likewise

  Handle add(Node node);
  void push(Handle handle);
  void push(Node node) { push(add(std::move(node))); }
  void push_plain(NodeKind kind, std::int64_t integer = 0);
  Handle pop();
  Handle top();
  std::vector<Handle> pop_to_mark();
  Node& node(Handle handle) { return pickle_.nodes[handle]; }

  void push_sequence(NodeKind kind, std::vector<Handle> items);
  void push_last(NodeKind kind, std::size_t count);
  void push_text(std::string_view text);
  void push_long(std::uint64_t length);
  void push_float();
  void push_global(std::string_view module, std::string_view name, std::size_t begin);
  void stack_global();
  void append(std::vector<Handle> items);
  void set_items(std::vector<Handle> items);
  void build();
  void persistent_id();
  void reduce();
  Handle call(Handle callable, Handle args);
  Handle make_mapping(Handle args);
  Handle make_tensor(const Node& function, const std::vector<Handle>& args);
  void frame();
  void count_items(std::size_t count);
  void put_memo(std::uint64_t index);
  void get_memo(std::uint64_t index);
  [[noreturn]] void fail(const std::string& problem) const { reader_.fail(problem); }

  ByteReader reader_;
  const char* base_;
  PickleLimits limits_;
  Pickle pickle_;
  std::vector<Handle> stack_;
  std::vector<std::size_t> marks_;
  std::vector<std::optional<Handle>> memo_;
  std::size_t items_ = 0;
  std::size_t frame_end_ = 0;  // 0 outside of a frame
};

void Machine::count_items(std::size_t count) {
  items_ += count;
  if (items_ > limits_.max_items)
    fail(fmt::format("lists and dicts of more than {} values", limits_.max_items));
}

Handle Machine::add(Node node) {
  if (pickle_.nodes.size() >= limits_.max_nodes) fail(fmt::format("more than {} values", limits_.max_nodes));
  pickle_.nodes.push_back(std::move(node));
  return static_cast<Handle>(pickle_.nodes.size() - 1);
}

void Machine::push(Handle handle) {
  if (stack_.size() >= limits_.max_stack)
    fail(fmt::format("the stack grows beyond {} values", limits_.max_stack));
  stack_.push_back(handle);
}

void Machine::push_plain(NodeKind kind, std::int64_t integer) {
  Node made;
  made.kind = kind;
  made.integer = integer;
  push(std::move(made));
}

Handle Machine::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
  return stack_.back();
}

Handle Machine::pop() {
  const Handle handle = top();
  stack_.pop_back();
  return handle;
}

std::vector<Handle> Machine::pop_to_mark() {
  if (marks_.empty()) fail("there is no mark on the stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Handle> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void Machine::push_sequence(NodeKind kind, std::vector<Handle> items) {
  count_items(items.size());
  Node made;
  made.kind = kind;
  made.items = std::move(items);
  push(std::move(made));
}

void Machine::push_last(NodeKind kind, std::size_t count) {
  std::vector<Handle> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push_sequence(kind, std::move(items));
}

void Machine::push_text(std::string_view text) {
  Node made;
  made.kind = NodeKind::kText;
  made.text = text;
  push(std::move(made));
}

void Machine::push_long(std::uint64_t length) {
  const auto digits = reader_.take(length);
  if (digits.size() > 8) {
    Node big;
    big.kind = NodeKind::kForeign;
    big.text = "integer of more than 64 bits";
    push(std::move(big));
    return;
  }
  std::uint64_t value = 0;
  for (std::size_t i = digits.size(); i-- > 0;)
    value = (value << 8) | std::to_integer<std::uint64_t>(digits[i]);
  const unsigned bits = static_cast<unsigned>(digits.size()) * 8;
  if (bits > 0 && bits < 64 && (value >> (bits - 1)) != 0) value |= ~std::uint64_t{0} << bits;
  push_plain(NodeKind::kInteger, static_cast<std::int64_t>(value));
}

void Machine::push_float() {
  std::uint64_t bits = 0;
  for (const std::byte byte : reader_.take(8))
    bits = (bits << 8) | std::to_integer<std::uint64_t>(byte);  // big-endian
  Node made;
  made.kind = NodeKind::kFloat;
  made.real = std::bit_cast<double>(bits);
  push(std::move(made));
}

void Machine::push_global(std::string_view module, std::string_view name, std::size_t begin) {
  std::string full = fmt::format("{}.{}", module, name);
  constexpr std::string_view kCuda = "torch.cuda.";
  if (full.starts_with(kCuda) && full.ends_with("Storage")) full = "torch." + full.substr(kCuda.size());
  Node made;
  made.kind = NodeKind::kGlobal;
  // Borrowed text cannot hold "module.name", which are two lines of the input: name it by where they stand.
  made.text = std::string_view(base_ + begin, reader_.position() - begin);
  for (const auto& known : kKnownGlobals) {
    if (known.name != full) continue;
    made.global = known.known;
    made.dtype = known.dtype;
    made.untyped = known.known == kUntypedStorageClass;
  }
  if (module == "torch" && made.global == kForeignGlobal) {
    if (const auto dtype = parse_dtype(name)) {
      made.global = kDType;
      made.dtype = *dtype;
    }
  }
  push(std::move(made));
}

void Machine::stack_global() {
  const Handle name = pop();
  const Handle module = pop();
  if (node(name).kind != NodeKind::kText || node(module).kind != NodeKind::kText)
    fail("STACK_GLOBAL needs two strings");
  const auto name_text = node(name).text;
  push_global(node(module).text, name_text, reader_.position());
  node(stack_.back()).text = name_text;
}

void Machine::append(std::vector<Handle> items) {
  count_items(items.size());
  const Handle target = top();
  if (node(target).kind == NodeKind::kForeign) {
    Node list;
    list.kind = NodeKind::kList;
    list.items = std::move(items);
    const Handle part = add(std::move(list));
    return node(target).items.push_back(part);
  }
  if (node(target).kind != NodeKind::kList) fail("APPEND to something that is not a list");
  node(target).items.insert(node(target).items.end(), items.begin(), items.end());
}

void Machine::set_items(std::vector<Handle> items) {
  if (items.size() % 2 != 0) fail("SETITEMS with a key that has no value");
  count_items(items.size());
  const Handle target = top();
  if (node(target).kind == NodeKind::kForeign) {
    Node dict;
    dict.kind = NodeKind::kDict;
    dict.items = std::move(items);
    const Handle part = add(std::move(dict));
    return node(target).items.push_back(part);
  }
  if (node(target).kind != NodeKind::kDict) fail("SETITEM on something that is not a dict");
  node(target).items.insert(node(target).items.end(), items.begin(), items.end());
}

// The attributes of an object. Those of a dict are no items of it (OrderedDict's _metadata), those of a
// tensor say nothing about its values; a foreign object's are kept to be looked at.
void Machine::build() {
  const Handle state = pop();
  Node& target = node(top());
  switch (target.kind) {
    case NodeKind::kForeign: {
      const NodeKind kind = node(state).kind;
      if (kind == NodeKind::kDict || kind == NodeKind::kTuple) {
        count_items(1);
        target.items.push_back(state);
      }
      return;
    }
    case NodeKind::kDict:
    case NodeKind::kTensor:
    case NodeKind::kList:
      return;
    default:
      fail("BUILD on something that is not an object");
  }
}

// ("storage", storage class, key, location, element count), and in a legacy stream the view it is of another
// storage: None or (key, offset, element count).
void Machine::persistent_id() {
  const Handle handle = pop();
  const std::size_t arity = node(handle).kind == NodeKind::kTuple ? node(handle).items.size() : 0;
  if (arity < 1 || arity > 6) fail("a persistent id that is not a storage");
  const std::vector<Handle> id = node(handle).items;
  const auto is = [&](std::size_t i, NodeKind kind) { return i < arity && node(id[i]).kind == kind; };
  Node made;
  made.kind = NodeKind::kForeign;
  if (is(0, NodeKind::kText) && node(id[0]).text == "module") {
    made.text = "module";
    return push(std::move(made));
  }
  const bool well_formed = is(0, NodeKind::kText) && node(id[0]).text == "storage" &&
                           is(1, NodeKind::kGlobal) && is(2, NodeKind::kText) && is(4, NodeKind::kInteger) &&
                           (arity == 5 || is(5, NodeKind::kNone) || is(5, NodeKind::kTuple));
  if (!well_formed) fail("a persistent id that is not a storage");
  const Node& storage_class = node(id[1]);
  if (storage_class.global != kStorageClass && storage_class.global != kUntypedStorageClass) {
    made.text = storage_class.text;
    return push(std::move(made));
  }
  made.kind = NodeKind::kStorage;
  made.dtype = storage_class.dtype;
  made.untyped = storage_class.untyped;
  made.text = node(id[2]).text;
  made.integer = node(id[4]).integer;
  if (made.integer < 0) fail(fmt::format("a storage of {} elements", made.integer));
  if (arity == 6 && is(5, NodeKind::kTuple)) {
    const auto& view = node(id[5]).items;
    const bool is_view = view.size() == 3 && node(view[0]).kind == NodeKind::kText &&
                         node(view[1]).kind == NodeKind::kInteger && node(view[2]).kind == NodeKind::kInteger;
    if (!is_view) fail("a storage that is a view of nothing");
    made.items = view;
  }
  push(std::move(made));
}

Handle Machine::make_mapping(Handle args) {
  Node made;
  made.kind = NodeKind::kDict;
  const Node& arguments = node(args);
  const bool has_pairs = arguments.items.size() == 1 && node(arguments.items[0]).kind == NodeKind::kList;
  if (has_pairs) {
    const auto& pairs = node(arguments.items[0]).items;
    count_items(2 * pairs.size());
    for (const Handle pair : pairs) {
      const auto& items = node(pair).items;
      if (items.size() != 2) fail("OrderedDict from something that is not a list of pairs");
      made.items.insert(made.items.end(), items.begin(), items.end());
    }
  }
  return add(std::move(made));
}

// A tensor, or a foreign node when the arguments are not those torch.save writes.
Handle Machine::make_tensor(const Node& function, const std::vector<Handle>& args) {
  const auto is = [&](std::size_t i, NodeKind kind) { return i < args.size() && node(args[i]).kind == kind; };
  const bool with_dtype = function.global == kRebuildTensorV3;
  const std::size_t metadata = with_dtype ? 7 : 6;
  Node made;
  made.kind = NodeKind::kForeign;
  made.text = function.text;
  const bool well_formed = is(0, NodeKind::kStorage) && is(1, NodeKind::kInteger) &&
                           is(2, NodeKind::kTuple) && is(3, NodeKind::kTuple) &&
                           args.size() <= metadata + 1 &&
                           (!with_dtype || (is(6, NodeKind::kGlobal) && node(args[6]).global == kDType));
  // Metadata marks a view that is to be conjugated or negated when read.
  const bool is_lazy = is(metadata, NodeKind::kDict) && !node(args[metadata]).items.empty();
  if (!well_formed || is_lazy || (!with_dtype && node(args[0]).untyped)) return add(std::move(made));
  made.kind = NodeKind::kTensor;
  made.dtype = with_dtype ? node(args[6]).dtype : node(args[0]).dtype;
  made.items.assign(args.begin(), args.begin() + 4);
  return add(std::move(made));
}

Handle Machine::call(Handle callable, Handle args_handle) {
  Node foreign;
  foreign.kind = NodeKind::kForeign;
  foreign.text = node(callable).text;
  constexpr std::size_t kMostArguments = 16;
  const bool is_call = node(callable).kind == NodeKind::kGlobal &&
                       node(args_handle).kind == NodeKind::kTuple &&
                       node(args_handle).items.size() <= kMostArguments;
  if (!is_call) return add(std::move(foreign));
  // Copies: adding nodes may move the arena.
  const Node function = node(callable);
  const std::vector<Handle> args = node(args_handle).items;
  const auto is = [&](std::size_t i, NodeKind kind) { return i < args.size() && node(args[i]).kind == kind; };
  switch (function.global) {
    case kMapping:
      return make_mapping(args_handle);
    case kRebuildTensor:
    case kRebuildTensorV3:
      return make_tensor(function, args);
    case kRebuildParameter:
      if (is(0, NodeKind::kTensor)) return args[0];
      break;
    case kRebuildFromType:
      // One level only: the function it names is one of the above, or the result is foreign.
      if (is(0, NodeKind::kGlobal) && node(args[0]).global != kRebuildFromType && is(2, NodeKind::kTuple)) {
        return call(args[0], args[2]);
      }
      break;
    case kSize:
      if (is(0, NodeKind::kTuple)) return args[0];
      if (is(0, NodeKind::kList)) {
        count_items(node(args[0]).items.size());
        Node size = node(args[0]);
        size.kind = NodeKind::kTuple;
        return add(std::move(size));
      }
      break;
    case kEncode:
      if (is(0, NodeKind::kText)) return args[0];
      break;
    default:
      break;
  }
  return add(std::move(foreign));
}

void Machine::reduce() {
  const Handle args = pop();
  const Handle callable = pop();
  push(call(callable, args));
}

void Machine::put_memo(std::uint64_t index) {
  if (index >= limits_.max_nodes)
    fail(fmt::format("the memo index {} is beyond {}", index, limits_.max_nodes));
  // Writers count up from 0, so an index far beyond what was read so far is no writer's.
  if (index > reader_.position())
    fail(fmt::format("the memo index {} is larger than any writer would use here", index));
  if (memo_.size() <= index) memo_.resize(static_cast<std::size_t>(index) + 1);
  memo_[static_cast<std::size_t>(index)] = top();
}

void Machine::get_memo(std::uint64_t index) {
  if (index >= memo_.size() || !memo_[static_cast<std::size_t>(index)])
    fail(fmt::format("the memo has no entry {}", index));
  push(*memo_[static_cast<std::size_t>(index)]);
}

bool Machine::step_value(std::uint8_t opcode) {
  switch (opcode) {
    case 'N':
      return push_plain(NodeKind::kNone), true;
    case 0x88:
      return push_plain(NodeKind::kBool, 1), true;
    case 0x89:
      return push_plain(NodeKind::kBool, 0), true;
    case 'J':
      return push_plain(NodeKind::kInteger, static_cast<std::int32_t>(reader_.u32())), true;
    case 'K':
      return push_plain(NodeKind::kInteger, reader_.u8()), true;
    case 'M':
      return push_plain(NodeKind::kInteger, reader_.u16()), true;
    case 0x8a:  // LONG1
      return push_long(reader_.u8()), true;
    case 0x8b:  // LONG4
      return push_long(reader_.u32()), true;
    case 'G':
      return push_float(), true;
    case 'U':   // SHORT_BINSTRING
    case 'C':   // SHORT_BINBYTES
    case 0x8c:  // SHORT_BINUNICODE
      return push_text(reader_.text(reader_.u8())), true;
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
      return push_text(reader_.text(reader_.u32())), true;
    case 0x8d:  // BINUNICODE8
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      return push_text(reader_.text(reader_.u64())), true;
    case 'c': {
      const std::size_t begin = reader_.position();
      const auto module = reader_.line();
      const auto name = reader_.line();
      return push_global(module, name, begin), true;
    }
    case 0x93:
      return stack_global(), true;
    default:
      return false;
  }
}

bool Machine::step_structure(std::uint8_t opcode) {
  switch (opcode) {
    case '(':
      if (marks_.size() >= limits_.max_marks) fail(fmt::format("more than {} marks", limits_.max_marks));
      return marks_.push_back(stack_.size()), true;
    case ')':
      return push_sequence(NodeKind::kTuple, {}), true;
    case 't':
      return push_sequence(NodeKind::kTuple, pop_to_mark()), true;
    case 0x85:
      return push_last(NodeKind::kTuple, 1), true;
    case 0x86:
      return push_last(NodeKind::kTuple, 2), true;
    case 0x87:
      return push_last(NodeKind::kTuple, 3), true;
    case ']':
    case 0x8f:  // EMPTY_SET
      return push_sequence(NodeKind::kList, {}), true;
    case '}':
      return push_sequence(NodeKind::kDict, {}), true;
    case 0x91:  // FROZENSET
      return push_sequence(NodeKind::kList, pop_to_mark()), true;
    case 'a': {
      const Handle item = pop();
      return append({item}), true;
    }
    case 'e':
    case 0x90:  // ADDITEMS
      return append(pop_to_mark()), true;
    case 's': {
      const Handle value = pop();
      const Handle key = pop();
      return set_items({key, value}), true;
    }
    case 'u':
      return set_items(pop_to_mark()), true;
    case 'Q':
      return persistent_id(), true;
    case 'R':
    case 0x81:  // NEWOBJ: cls.__new__(cls, *args)
      return reduce(), true;
    case 0x92: {  // NEWOBJ_EX: the same with keyword arguments
      const Handle keywords = pop();
      if (node(keywords).kind != NodeKind::kDict) fail("NEWOBJ_EX without keyword arguments");
      return reduce(), true;
    }
    case 'b':
      return build(), true;
    case '0':
      return pop(), true;
    case '1':
      return pop_to_mark(), true;
    default:
      return false;
  }
}

bool Machine::step_memo(std::uint8_t opcode) {
  switch (opcode) {
    case 'q':
      return put_memo(reader_.u8()), true;
    case 'r':
      return put_memo(reader_.u32()), true;
    case 0x94:  // MEMOIZE
      return put_memo(memo_.size()), true;
    case 'h':
      return get_memo(reader_.u8()), true;
    case 'j':
      return get_memo(reader_.u32()), true;
    case 0x95:
      return frame(), true;
    case 0x80: {
      const bool is_first = reader_.position() == 1;
      const auto protocol = reader_.u8();
      if (!is_first) fail("a pickle protocol in the middle");
      if (protocol < 2 || protocol > 5) fail(fmt::format("pickle protocol {}, known are 2 to 5", protocol));
      return true;
    }
    default:
      return false;
  }
}

// A hint for buffered readers: so many bytes follow that hold whole opcodes only.
void Machine::frame() {
  const std::uint64_t length = reader_.u64();
  if (frame_end_ != 0) fail("a frame within a frame");
  if (length > reader_.remaining()) fail("a frame that is longer than the file");
  frame_end_ = reader_.position() + static_cast<std::size_t>(length);
}

bool Machine::step(std::uint8_t opcode) {
  if (opcode == '.') return false;
  const bool is_known = step_value(opcode) || step_structure(opcode) || step_memo(opcode);
  if (frame_end_ != 0 && reader_.position() > frame_end_) fail("an opcode reaches over the end of its frame");
  if (reader_.position() == frame_end_) frame_end_ = 0;
  if (is_known) return true;
  fail(fmt::format("the pickle opcode 0x{:02x} is not allowed here", opcode));
}

Pickle Machine::run() {
  while (step(reader_.u8())) {
  }
  if (stack_.size() != 1 || !marks_.empty()) fail("the pickle ends with more or less than one value");
  pickle_.root = stack_.back();
  pickle_.length = reader_.position();
  return std::move(pickle_);
}

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, const std::string& what, const PickleLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: the pickle has {} bytes, more than the {} allowed", what, bytes.size(),
                                  limits.max_bytes));
  }
  return Machine(bytes, what, limits).run();
}

}  // namespace greenroom::checkpoint
