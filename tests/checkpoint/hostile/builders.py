"""Builds zip archives, pickles and safetensors files that may lie about any of their fields."""
import json
import struct
import zlib


def u16(n):
    return struct.pack("<H", n & 0xFFFF)


def u32(n):
    return struct.pack("<I", n & 0xFFFFFFFF)


def u64(n):
    return struct.pack("<Q", n & 0xFFFFFFFFFFFFFFFF)


class Entry:
    """One zip entry. Whatever is given in `lies` replaces the true value of a field."""

    def __init__(self, name, data=b"", method=0, flags=0x0808, **lies):
        self.name = name if isinstance(name, bytes) else name.encode()
        self.data, self.method, self.flags, self.lies = data, method, flags, lies

    def packed(self):
        if self.method != 8:
            return self.data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.data) + packer.flush()


def archive(entries, junk_before=b"", junk_after=b"", comment=b"", **lies):
    """A zip archive as torch.save lays it out: sizes only in the directory, payloads aligned to 64 bytes."""
    out, directory = bytearray(junk_before), bytearray()
    for entry in entries:
        offset = entry.lies.get("offset", len(out))
        packed = entry.packed()
        local_name = entry.lies.get("local_name", entry.name)
        padding = -(len(out) + 30 + len(local_name) + 4) % 64
        extra = b"FB" + u16(padding) + b"Z" * padding
        out += (entry.lies.get("local_signature", b"PK\3\4") + u16(0) + u16(entry.lies.get("local_flags", entry.flags))
                + u16(entry.lies.get("local_method", entry.method)) + bytes(16) + u16(len(local_name))
                + u16(entry.lies.get("local_extra", len(extra))) + local_name + extra)
        out += packed
        crc = entry.lies.get("crc", zlib.crc32(entry.data))
        if entry.flags & 8:
            out += b"PK\7\x08" + u32(crc) + u32(len(packed)) + u32(len(entry.data))
        size, stored = entry.lies.get("size", len(entry.data)), entry.lies.get("stored", len(packed))
        central_extra = entry.lies.get("central_extra", b"")
        directory += (entry.lies.get("signature", b"PK\1\2") + u16(0) + u16(0) + u16(entry.flags) + u16(entry.method) + bytes(4)
                      + u32(crc) + u32(stored) + u32(size) + u16(len(entry.name)) + u16(len(central_extra)) + u16(0)
                      + bytes(8) + u32(offset) + entry.name + central_extra)
    start = lies.get("start", len(out))
    directory_size = lies.get("directory_size", len(directory))
    count = lies.get("count", len(entries))
    out += directory
    if lies.get("zip64", True):
        end64 = len(out)
        out += (b"PK\6\6" + u64(44) + u16(0) * 2 + u32(0) * 2 + u64(lies.get("count64", count)) * 2
                + u64(lies.get("directory_size64", directory_size)) + u64(lies.get("start64", start)))
        out += b"PK\6\7" + u32(0) + u64(lies.get("end64", end64)) + u32(1)
    out += (b"PK\5\6" + u16(lies.get("disk", 0)) * 2 + u16(count) * 2 + u32(directory_size) + u32(start)
            + u16(len(comment)) + comment)
    return bytes(out) + junk_after


# Pickle opcodes as functions of what they carry.
STOP, MARK, NONE, TRUE, FALSE = b".", b"(", b"N", b"\x88", b"\x89"
DICT, LIST, TUPLE0, TUPLE, TUPLE1, TUPLE2, TUPLE3 = b"}", b"]", b")", b"t", b"\x85", b"\x86", b"\x87"
REDUCE, NEWOBJ, BUILD, SETITEM, SETITEMS, APPEND, APPENDS, PERSID = b"R", b"\x81", b"b", b"s", b"u", b"a", b"e", b"Q"
PROTO = b"\x80\x02"


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return b"X" + u32(len(value)) + value


def number(value):
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    size = (value.bit_length() + 8) // 8
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def name(module, what):
    return b"c" + module.encode() + b"\n" + what.encode() + b"\n"


def put(index):
    return b"q" + bytes([index])


def get(index):
    return b"h" + bytes([index])


def tuple_of(*items):
    return MARK + b"".join(items) + TUPLE


def storage(key="0", count=6, kind="FloatStorage", location="cpu", *more):
    return tuple_of(text("storage"), name("torch", kind), text(key), text(location), number(count), *more) + PERSID


def tensor(shape=(2, 3), strides=(3, 1), offset=0, held=None, function="_rebuild_tensor_v2", more=b""):
    held = storage() if held is None else held
    return (name("torch._utils", function)
            + tuple_of(held, number(offset), tuple_of(*map(number, shape)), tuple_of(*map(number, strides)), FALSE,
                       name("collections", "OrderedDict") + TUPLE0 + REDUCE, more) + REDUCE)


def dict_of(**items):
    return DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + SETITEMS


def program(value):
    return PROTO + value + STOP


SIX = struct.pack("<6f", 1, 2, 3, 4, 5, 6)


def model(pickle, records=None, **lies):
    """An archive around a pickle, with one storage of six floats unless told otherwise."""
    records = {"data/0": SIX} if records is None else records
    entries = [Entry("m/data.pkl", pickle)] + [Entry("m/" + key, data) for key, data in records.items()]
    return archive(entries + [Entry("m/version", b"3\n")], **lies)


def holding(value, records=None, **lies):
    """An archive whose pickle is a dict with that one value under "w"."""
    return model(program(dict_of(w=value)), records, **lies)


MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")


def legacy(value, keys=("0",), payload=None, protocol=1001, little=True, end=b""):
    """The stream that torch.save wrote before 1.6."""
    system = PROTO + dict_of(protocol_version=number(protocol), little_endian=TRUE if little else FALSE) + STOP
    listed = PROTO + LIST + MARK + b"".join(text(key) for key in keys) + APPENDS + STOP
    payload = u64(6) + SIX if payload is None else payload
    return MAGIC + program(number(protocol)) + system + program(value) + listed + payload + end


def safetensors(header, data=b"", size=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return u64(len(header) if size is None else size) + header + data


def plain(dtype="F32", shape=(6,), begin=0, end=24):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
