"""The hostile, corrupt and merely awkward files. REJECT: (name, bytes or {file: bytes}, what the message must
contain); LOAD: (name, bytes or {file: bytes}, the tensors it must give as {name: (dtype, shape, bytes)})."""
from builders import *  # noqa: F403

GOOD = holding(tensor())
W = {"w": ("float32", [2, 3], SIX)}
SHELL = name("posix", "system") + tuple_of(text("touch SENTINEL")) + REDUCE
LARGE = 2**62
REJECT, LOAD = [], []


def reject(name_, data, error=""):
    REJECT.append((name_, data, error))


def load(name_, data, tensors):
    LOAD.append((name_, data, tensors))


def zip_cases():
    pickle, data = Entry("m/data.pkl", program(dict_of(w=tensor()))), Entry("m/data/0", SIX)
    reject("empty", b"", "empty")
    reject("one_byte", b"P", "not a checkpoint")
    reject("signature_only", b"PK\3\4", "too short")
    reject("lfs_pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull")
    reject("html", b"<!DOCTYPE html><html></html>", "web page")
    reject("json_error", b'{"error": "not found"}', "JSON")
    reject("preview_format", b"PYTORCH1" + bytes(64), "preview")
    reject("tar", bytes(257) + b"ustar" + bytes(300), "tar archive")
    reject("bare_pickle", program(DICT), "bare Python pickle")
    for i, cut in enumerate((10, 60, 120, len(GOOD) // 2, len(GOOD) - 100, len(GOOD) - 23, len(GOOD) - 1)):
        reject(f"cut_{i}", GOOD[:cut])
    reject("junk_before", b"PK\3\4junk" + GOOD, "")
    reject("junk_inside_before", archive([pickle, data], junk_before=b"PK\3\4" + bytes(60)), "before the first")
    reject("junk_after", GOOD + b"junk", "behind its end")
    reject("comment", archive([pickle, data], comment=b"PK\5\6" + bytes(18)), "")
    reject("count_too_large", archive([pickle, data], count=3))
    reject("count_too_small", archive([pickle, data], count=1), "goes on")
    reject("count_2_63", archive([pickle, data], count=0xFFFF, count64=2**63), "claims")
    reject("directory_past_end", archive([pickle, data], start=10**9))
    reject("directory_size_lies", archive([pickle, data], directory_size=7))
    reject("end_records_disagree", archive([pickle, data], start64=0), "contradict")
    reject("zip64_end_elsewhere", archive([pickle, data], end64=0))
    reject("several_disks", archive([pickle, data], disk=1, zip64=False), "several parts")
    reject("no_entries", archive([]), "")
    reject("offset_past_end", archive([pickle, Entry("m/data/0", SIX, offset=10**8)]), "reaches behind the end")
    reject("offset_in_other_entry", archive([pickle, Entry("m/data/0", SIX, offset=64)]))
    reject("same_offset", archive([pickle, Entry("m/data/0", SIX, offset=0)]), "share one place")
    reject("size_too_large", archive([pickle, Entry("m/data/0", SIX, size=4096, stored=4096)]))
    reject("overlap", archive([Entry("m/data.pkl", pickle.data, size=400, stored=400), data]), "overlap")
    reject("two_sizes", archive([pickle, Entry("m/data/0", SIX, size=25)]), "two sizes")
    reject("size_2_63", archive([pickle, Entry("m/data/0", SIX, size=0xFFFFFFFF, stored=0xFFFFFFFF,
                                               central_extra=u16(1) + u16(16) + u64(2**63) * 2)]))
    reject("zip64_extra_cut", archive([pickle, Entry("m/data/0", SIX, size=0xFFFFFFFF,
                                                     central_extra=u16(1) + u16(4) + u32(9))]), "zip64")
    reject("zip64_extra_missing", archive([pickle, Entry("m/data/0", SIX, size=0xFFFFFFFF, stored=0xFFFFFFFF)]))
    reject("local_signature", archive([pickle, Entry("m/data/0", SIX, local_signature=b"PK\3\5")]), "local header")
    reject("local_name", archive([pickle, Entry("m/data/0", SIX, local_name=b"m/data/1")]), "another name")
    reject("local_method", archive([pickle, Entry("m/data/0", SIX, local_method=8)]), "contradicts")
    reject("local_extra", archive([pickle, Entry("m/data/0", SIX, local_extra=60000)]))
    reject("duplicate_entry", archive([pickle, data, data]), "twice")
    reject("duplicate_by_case", archive([pickle, data, Entry("m/DATA/0", bytes(24))]), "twice")
    reject("two_pickles", archive([pickle, data, Entry("n/data.pkl", pickle.data)]), "two pickles")
    reject("no_pickle", archive([data]), "without")
    reject("torchscript", archive([pickle, data, Entry("m/constants.pkl", b"")]), "TorchScript")
    reject("torchscript_code", archive([pickle, data, Entry("m/code/__torch__.py", b"")]), "TorchScript")
    reject("bomb", archive(
        [Entry("m/data.pkl", program(dict_of(w=tensor((10**7,), (1,), held=storage("0", 10**7))))),
         Entry("m/data/0", bytes(4 * 10**7), method=8)]), "zip bomb")
    reject("deflate_garbage", archive([pickle, Entry("m/data/0", SIX, method=8, size=24, crc=1)]), "")
    reject("deflate_size", archive([pickle, Entry("m/data/0", SIX + SIX, method=8, size=24)]), "unpack")
    reject("method_unknown", archive([pickle, Entry("m/data/0", SIX, method=12)]), "method 12")
    reject("encrypted", archive([pickle, Entry("m/data/0", SIX, flags=0x0809)]), "encrypted")
    reject("encrypted_local", archive([pickle, Entry("m/data/0", SIX, local_flags=0x0809)]), "contradicts")
    for i, bad in enumerate((b"../../etc/passwd", b"/etc/passwd", b"m\\..\\x", b"m/\0", b"m/\xff\xfe", b"m/../x", b"")):
        reject(f"entry_name_{i}", archive([pickle, data, Entry(bad, b"x")]))
    reject("pickle_crc", archive([Entry("m/data.pkl", pickle.data, crc=1), data]), "checksum")
    reject("byteorder_unknown", model(pickle.data, {"data/0": SIX, "byteorder": b"middle"}), "byte order")
    reject("version_999", archive([pickle, data, Entry("m/version", b"999\n")]), "999")
    reject("version_no_number", archive([pickle, data, Entry("m/version", b"x")]))
    reject("storage_missing", holding(tensor(held=storage("7"))), "not in the file")
    reject("storage_smaller", holding(tensor(held=storage("0", 7))), "declared")
    reject("storage_larger", holding(tensor((1,), (1,), held=storage("0", 5))), "declared")
    reject("storage_two_types", model(program(dict_of(a=tensor(), b=tensor(held=storage("0", 6, "DoubleStorage"))))), "declared")


def pickle_cases():
    bad = lambda label, body, error="": reject("pickle_" + label, model(PROTO + body), error)
    bad("system_call", SHELL + TUPLE2 + STOP)
    for label, opcode in (("inst", b"(ios\nsystem\n"), ("obj", b"(cos\nsystem\no"), ("persid", b"P0\n"), ("ext1", b"\x82\1"),
                          ("dup", b"N2"), ("next_buffer", b"\x97"), ("text_int", b"I1\n"), ("text_string", b"S'a'\n"),
                          ("unknown", b"\xff")):
        bad("opcode_" + label, opcode + STOP, "not allowed")
    for label, opcode in (("reduce", REDUCE), ("tuple1", TUPLE1), ("setitem", SETITEM), ("tuple", TUPLE), ("append", APPEND),
                          ("persid", PERSID), ("build", BUILD), ("stop", STOP), ("newobj", NEWOBJ), ("pop", b"0")):
        bad("underflow_" + label, opcode + STOP)
    bad("mark_left", MARK + DICT + STOP)
    bad("two_values", DICT + DICT + STOP)
    bad("setitems_odd", DICT + MARK + text("a") + SETITEMS + STOP, "no value")
    bad("setitems_tuple", TUPLE0 + MARK + text("a") + NONE + SETITEMS + STOP, "not a dict")
    bad("setitems_tensor", tensor() + MARK + text("a") + NONE + SETITEMS + STOP, "not a dict")
    bad("append_dict", DICT + NONE + APPEND + STOP, "not a list")
    bad("build_int", number(1) + DICT + BUILD + STOP, "not an object")
    bad("no_stop", DICT)
    bad("behind_stop", DICT + STOP + b"junk", "behind its end")
    reject("protocol_0", model(b"\x80\x00}."), "protocol")
    reject("protocol_6", model(b"\x80\x06}."), "protocol")
    bad("protocol_twice", b"\x80\x02}.", "protocol")
    bad("memo_unset", get(9) + STOP, "memo")
    bad("memo_index", DICT + b"r" + u32(0xFFFFFFFF) + STOP, "memo")
    doubling = NONE + put(0) + b"0" + (get(0) + get(0) + TUPLE2 + put(0) + b"0") * 40 + get(0)
    bad("memo_bomb", doubling + STOP, "places")
    # Few bytes that would become hundreds of gigabytes of copies.
    everywhere = lambda value, places: LIST + MARK + value + put(0) + get(0) * places + APPENDS + STOP
    bad("text_everywhere", everywhere(text("t" * 1_000_000), 20_000), "names and texts")
    bad("bytes_everywhere", everywhere(text(b"t" * 1_000_000 + b"\xff"), 20_000), "names and texts")
    bad("class_everywhere", everywhere(name("m", "c" * 1_000_000), 50_000), "places")
    bad("none_flood", NONE * 1_500_000 + STOP, "1000000")
    bad("deep_tuples", NONE + TUPLE1 * 500_000 + STOP, "nested")
    bad("deep_lists", LIST * 300_000 + APPEND * 299_999 + STOP, "nested")
    bad("cycle_list", LIST + put(0) + get(0) + APPEND + STOP, "circle")
    bad("cycle_dict", DICT + put(0) + text("a") + get(0) + SETITEM + STOP, "circle")
    bad("persid_chain", NONE + PERSID * 1000 + STOP, "persistent id")
    bad("marks", MARK * 100_000 + STOP, "marks")
    bad("text_length", b"X" + u32(0xFFFFFFFF) + STOP, "truncated")
    bad("bytes_length", b"\x8e" + u64(2**63) + STOP, "truncated")
    bad("long4_negative", b"\x8b" + u32(0x80000000) + STOP, "truncated")
    bad("frame_length", b"\x95" + u64(10**6) + STOP, "frame")
    bad("frame_straddled", b"\x95" + u64(3) + text("abcdef") + STOP, "frame")
    bad("frame_nested", b"\x95" + u64(11) + b"\x95" + u64(1) + DICT + STOP, "frame")
    key = lambda k: DICT + k + tensor() + SETITEM + STOP
    bad("key_not_utf8", key(text(b"\xff\xfe")), "readable")
    bad("key_nul", key(text("a\0b")), "readable")
    bad("key_long", key(text("k" * 100_000)), "too long")
    bad("key_twice", DICT + text("w") + tensor() + SETITEM + text("w") + tensor() + SETITEM + STOP, "twice")
    bad("key_twice_by_path", dict_of(**{"a.b": tensor(), "a": dict_of(b=tensor())}) + STOP, "twice")
    bad("storage_no_tuple", text("storage") + PERSID + STOP, "persistent id")
    bad("storage_arity", tuple_of(text("storage"), text("0")) + PERSID + STOP, "persistent id")
    bad("storage_key_number", tuple_of(text("storage"), name("torch", "FloatStorage"), number(0), text("cpu"), number(6))
        + PERSID + STOP, "persistent id")
    for label, count in (("negative", -1), ("huge", LARGE)):
        reject("storage_count_" + label, holding(tensor(held=storage("0", count))))
    reject("storage_count_bool", holding(tensor(held=tuple_of(text("storage"), name("torch", "FloatStorage"), text("0"),
                                                              text("cpu"), TRUE) + PERSID)), "persistent id")


def tensor_cases():
    for label, arguments in {
            "size_negative": {"shape": (-2, 3)}, "stride_negative": {"strides": (-3, 1)}, "offset_negative": {"offset": -1},
            "offset_large": {"offset": LARGE}, "offset_one_too_far": {"offset": 1}, "size_large": {"shape": (LARGE, 3)},
            "size_wraps": {"shape": (2**32, 2**32)}, "stride_large": {"strides": (LARGE, 1)},
            "dimensions_differ": {"shape": (6,)}, "dimensions_65": {"shape": (1,) * 65, "strides": (1,) * 65},
            "last_element": {"shape": (7,), "strides": (1,)}, "stride_zero_bomb": {"shape": (2**21, 2**21), "strides": (0, 0)},
            "expanded": {"shape": (4, 6), "strides": (0, 1)}}.items():
        reject("tensor_" + label, holding(tensor(**arguments)), "the tensor")
    reject("tensor_size_float", holding(name("torch._utils", "_rebuild_tensor_v2") + tuple_of(
        storage(), number(0), tuple_of(b"G" + bytes(8)), tuple_of(number(1)), FALSE, NONE) + REDUCE), "whole number")


def legacy_cases():
    value = dict_of(w=tensor())
    reject("legacy_protocol", legacy(value, protocol=1000), "protocol")
    reject("legacy_big_endian", legacy(value, little=False), "big-endian")
    reject("legacy_no_keys", legacy(value, keys=(), payload=b""), "not stored")
    reject("legacy_extra_key", legacy(value, keys=("0", "1"), payload=(u64(6) + SIX) * 2), "belongs to nothing")
    reject("legacy_key_twice", legacy(value, keys=("0", "0"), payload=(u64(6) + SIX) * 2), "twice")
    reject("legacy_count", legacy(value, payload=u64(5) + SIX), "were declared")
    reject("legacy_count_huge", legacy(value, payload=u64(2**61) + SIX), "were declared")
    reject("legacy_cut", legacy(value)[:-1], "truncated")
    reject("legacy_trailing", legacy(value, end=b"x"), "behind the last")
    reject("legacy_declared_huge", legacy(dict_of(w=tensor(held=storage("0", 2**40))), payload=u64(2**40) + SIX), "")
    reject("legacy_header_only", MAGIC)
    view = storage("0", 6, "FloatStorage", "cpu", tuple_of(text("v"), number(4), number(3)))
    reject("legacy_view_out", legacy(dict_of(w=tensor((3,), (1,), held=view))), "a view of elements")
    reject("legacy_system_call", legacy(SHELL + TUPLE2), "")
    good = storage("0", 6, "FloatStorage", "cpu", tuple_of(text("v"), number(2), number(3)))
    load("legacy", legacy(value), W)
    load("legacy_view", legacy(dict_of(w=tensor((3,), (1,), held=good))), {"w": ("float32", [3], SIX[8:20])})
    load("legacy_two", legacy(dict_of(a=tensor(held=storage("7")), b=tensor((2,), (1,), held=storage("5", 2, "LongStorage"))),
                              keys=("5", "7"), payload=u64(2) + u64(3) + u64(4) + u64(6) + SIX),
         {"a": ("float32", [2, 3], SIX), "b": ("int64", [2], u64(3) + u64(4))})


def safetensors_cases():
    good = {"w": plain()}
    for label, size in (("0", 0), ("1", 1), ("2_63", 2**63), ("too_large", 100_000_001), ("past_end", 10**6), ("wraps", 2**64 - 1)):
        reject("st_length_" + label, safetensors(good, SIX, size))
    reject("st_not_utf8", safetensors(b'{"\xff": 1}'), "JSON")
    reject("st_nul_padded", safetensors(json.dumps(good).encode() + b"\0\0", SIX), "zero byte")
    reject("st_cut_json", safetensors(b'{"w": {"dtype": "F32"', SIX), "JSON")
    reject("st_deep", safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "nested")
    reject("st_array", safetensors(b"[]" + b" " * 20), "")
    for label, (begin, end) in {"negative": (-24, 0), "float": (0.5, 24.5), "text": ("0", "24"), "huge": (0, 2**64),
                                "reversed": (24, 0), "hole": (4, 28), "past_end": (0, 48), "short": (0, 20)}.items():
        reject("st_offsets_" + label, safetensors({"w": plain(begin=begin, end=end)}, SIX))
    reject("st_exponent", safetensors(b'{"w":{"dtype":"F32","shape":[6],"data_offsets":[0,2.4e1]}}', SIX), "whole number")
    reject("st_overlap", safetensors({"a": plain(), "b": plain()}, SIX), "overlap")
    reject("st_trailing", safetensors(good, SIX + bytes(4)), "behind the last")
    reject("st_wraps_to_zero", safetensors({"w": plain(shape=(2**32, 2**32), end=0)}), "counted")
    reject("st_sub_byte", safetensors({"w": plain("F4", (48,))}, SIX), "F4")
    reject("st_unknown_dtype", safetensors({"w": plain("Q8")}, SIX), "Q8")
    reject("st_shape_text", safetensors({"w": {"dtype": "F32", "shape": "6", "data_offsets": [0, 24]}}, SIX), "shape")
    reject("st_rank_70", safetensors({"w": plain(shape=(1,) * 69 + (6,))}, SIX), "shape")
    entry = json.dumps(plain())
    reject("st_twice", safetensors(f'{{"w":{entry},"w":{entry}}}'.encode(), SIX), "twice")
    reject("st_twice_escaped", safetensors(f'{{"w":{entry},"\\u0077":{entry}}}'.encode(), SIX), "twice")
    reject("st_field_twice", safetensors(b'{"w":{"dtype":"F32","dtype":"F32","shape":[6],"data_offsets":[0,24]}}', SIX), "twice")
    reject("st_metadata_number", safetensors({"__metadata__": {"a": 1}, **good}, SIX), "not a string")
    reject("st_metadata_tensor", safetensors({"__metadata__": plain()}, SIX), "not a string")
    reject("st_million_entries", safetensors(b'{"a":[' + b"{}," * 1_100_000 + b"{}]}"), "names")
    shard = {"a.safetensors": safetensors(good, SIX)}
    index = lambda where, tensor="w": {"model.safetensors.index.json": json.dumps({"weight_map": {tensor: where}}).encode(), **shard}
    for label, where in (("parent", "../a.safetensors"), ("absolute", "/etc/passwd"), ("number", 1), ("empty", "")):
        reject("index_" + label, index(where))
    reject("index_missing_shard", index("b.safetensors"), "no such file")
    reject("index_wrong_shard", index("a.safetensors", "v"), "is not in")
    reject("index_no_map", {"model.safetensors.index.json": b'{"metadata": {}}'}, "weight_map")
    load("index", index("a.safetensors"), {"w": ("float32", [6], SIX)})
    load("st_plain", safetensors(good, SIX), {"w": ("float32", [6], SIX)})
    load("st_leading_space", safetensors(b"  \n" + json.dumps(good).encode() + b"   ", SIX), {"w": ("float32", [6], SIX)})
    load("st_scalar", safetensors({"w": plain(shape=(), end=4)}, SIX[:4]), {"w": ("float32", [], SIX[:4])})
    load("st_unsorted", safetensors({"b": plain(shape=(3,), begin=12), "a": plain(shape=(3,), end=12)}, SIX),
         {"a": ("float32", [3], SIX[:12]), "b": ("float32", [3], SIX[12:])})
    for dtype, ours, count in (("F64", "float64", 3), ("F16", "float16", 12), ("BF16", "bfloat16", 12), ("I64", "int64", 3),
                               ("I8", "int8", 24), ("BOOL", "bool", 24), ("U16", "uint16", 12), ("U32", "uint32", 6),
                               ("U64", "uint64", 3), ("F8_E4M3", "float8_e4m3fn", 24), ("F8_E5M2", "float8_e5m2", 24),
                               ("C64", "complex64", 3)):
        load("st_" + dtype, safetensors({"w": plain(dtype, (count,))}, SIX), {"w": (ours, [count], SIX)})


def awkward_cases():
    load("good", GOOD, W)
    ordered = name("collections", "OrderedDict") + TUPLE0 + REDUCE
    load("ordered_with_metadata", model(program(ordered + MARK + text("w") + tensor() + SETITEMS
                                                + dict_of(_metadata=ordered) + BUILD)), W)
    load("parameter", holding(name("torch._utils", "_rebuild_parameter") + tuple_of(tensor(), TRUE, NONE) + REDUCE), W)
    load("tied", model(program(dict_of(a=tensor(), b=tensor()))), {"a": W["w"], "b": W["w"]})
    twice = DICT + put(5) + MARK + text("w") + tensor() + SETITEMS
    shared = DICT + put(7) + MARK + b"".join(text(f"k{i}") + number(i) for i in range(20)) + SETITEMS
    layers = DICT + MARK + b"".join(text(f"l{i}") + (get(7) if i else shared) for i in range(2000)) + SETITEMS
    load("settings_shared_by_2000", model(program(dict_of(w=tensor(), layers=layers))), W)
    load("same_dict_twice", model(program(dict_of(model=twice, ema=get(5)))), {"model.w": W["w"], "ema.w": W["w"]})
    swapped = struct.pack("<6f", 1, 4, 2, 5, 3, 6)
    load("transposed", holding(tensor((3, 2), (1, 3))), {"w": ("float32", [3, 2], swapped)})
    load("zero_dimensions", holding(tensor((), (), 2)), {"w": ("float32", [], SIX[8:12])})
    load("no_elements", holding(tensor((0, 3), (3, 1), 6)), {"w": ("float32", [0, 3], b"")})
    load("version_3_rebuild", model(program(dict_of(w=name("torch._utils", "_rebuild_tensor_v3") + tuple_of(
        tuple_of(text("storage"), name("torch.storage", "UntypedStorage"), text("0"), text("cpu"), number(24)) + PERSID,
        number(0), tuple_of(number(12)), tuple_of(number(1)), FALSE, ordered, name("torch", "uint16")) + REDUCE))),
         {"w": ("uint16", [12], SIX)})
    load("cuda_storage", model(program(dict_of(w=tensor(held=tuple_of(
        text("storage"), name("torch.cuda", "FloatStorage"), text("0"), text("cuda:3"), number(6)) + PERSID)))), W)
    namespace = (name("argparse", "Namespace") + TUPLE0 + NEWOBJ + dict_of(arch=text("hubert"), extra=tensor()) + BUILD)
    load("namespace", model(program(dict_of(args=namespace, w=tensor()))), {"w": W["w"], "args.extra": W["w"]})
    load("system_call_beside", model(program(dict_of(evil=SHELL, w=tensor()))), W)
    load("quantised_beside", model(program(dict_of(q=name("torch._utils", "_rebuild_qtensor") + TUPLE0 + REDUCE, w=tensor()))), W)
    load("big_integer", model(program(dict_of(n=number(1 << 70), w=tensor()))), W)
    load("python2_text", model(program(DICT + b"U\x01w" + tensor() + SETITEM)), W)
    load("odd_prefix", archive([Entry("mein modell.v1 \u4f60/data.pkl", program(dict_of(w=tensor()))),
                                Entry("mein modell.v1 \u4f60/data/0", SIX)]), W)
    load("crc_zero", archive([Entry("m/data.pkl", program(dict_of(w=tensor())), crc=0), Entry("m/data/0", SIX, crc=0)]), W)
    load("no_zip64_end", holding(tensor(), zip64=False), W)
    load("big_endian", model(program(dict_of(w=tensor())), {"data/0": struct.pack(">6f", 1, 2, 3, 4, 5, 6), "byteorder": b"big"}), W)
    load("little_endian", model(program(dict_of(w=tensor())), {"data/0": SIX, "byteorder": b"little"}), W)
    load("deflated", archive([Entry("m/data.pkl", program(dict_of(w=tensor())), method=8), Entry("m/data/0", SIX, method=8)]), W)
    load("zip64_sizes", archive([Entry("m/data.pkl", program(dict_of(w=tensor()))), Entry(
        "m/data/0", SIX, size=0xFFFFFFFF, stored=0xFFFFFFFF, central_extra=u16(1) + u16(16) + u64(24) * 2)]), W)
    load("protocol_4", model(b"\x80\x04\x95" + u64(len(dict_of(w=tensor())) + 1) + dict_of(w=tensor()) + STOP), W)
    load("root_tensor", model(program(tensor())), {"": W["w"]})


for group in (zip_cases, pickle_cases, tensor_cases, legacy_cases, safetensors_cases, awkward_cases):
    group()
