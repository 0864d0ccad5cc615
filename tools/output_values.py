"""What a file or the standard output of the program says, as (place, value), and where two of them differ first."""

import io
import json
import re
import struct
import zipfile

TIMED_KEYS = {"seconds", "prefill_seconds", "decode_seconds", "peak_bytes", "tok_s"}
TIMED_TEXT = re.compile(r'(?m)^time  .*$|   [\dhms ]+s$|(?<="seconds":)[^,}]+|(?<="peak_bytes":)[^,}]+')
TENSOR_CODES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i"}
NO_VALUE = object()


def explain_2(document):
    """hindscan.explain/2 with its methods and their maps by name instead of by order; the version is no result."""
    methods = {}
    for m in document["methods"]:
        maps = {f"{map['fidelity']} {key}": map[key] for map in m["maps"] for key in ("scores", "layers") if key in map}
        methods[m["name"]] = {key: value for key, value in m.items() if key not in ("name", "maps")} | maps
    return document | {"methods": methods, "schema": "hindscan.explain"}


def explain_3(document):
    """The places of explain_2. What it did not say is left out: words, units, and the paths by layer."""
    methods = {}
    for m in document["methods"]:
        mine = [a for a in document["arrays"] if a["method"] == m["name"]]
        named = {(a["name"], len(a["axes"])): a["values"] for a in mine if "part_of" not in a}
        first = next(a for a in mine if "sum" in a and a["name"] != "selection")
        whole = first["completeness"] or {"target": None, "residual": None}
        methods[m["name"]] = {key: value for key, value in m.items() if key not in ("name", "words")} | {
            "fidelity": first["name"],
            "scores": first["values"],
            "target_value": whole["target"],
            "sum": first["sum"],
            "initial_state_share": first["state"],
            "bias_share": first["no_token"],
            "residual": whole["residual"],
            **{
                name if name == "selection" else f"{name} {'scores' if axes == 1 else 'layers'}": values
                for (name, axes), values in named.items()
                if (name, axes) != (first["name"], 1)
            },
        }
    target = {key: value for key, value in document["target"].items() if key != "unit"}
    kept = {key: value for key, value in document.items() if key != "arrays"}
    return kept | {"methods": methods, "target": target, "schema": "hindscan.explain"}


# A document that changes its shape gets a line for each of its schemas, old and new: all give the same places.
MEANING = {"hindscan.explain/2": explain_2, "hindscan.explain/3": explain_3}


def safetensors_header(data):
    """(tensors by name, where their bytes begin)"""
    size = struct.unpack_from("<Q", data)[0]
    return json.loads(data[8 : 8 + size]), 8 + size


def is_safetensors(data):
    return data[8:9] == b"{" and 8 + struct.unpack_from("<Q", data)[0] <= len(data)


def tensor_values(data, dtype):
    """Numbers, or the bytes of a type that Python has not."""
    code = TENSOR_CODES.get(dtype)
    return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data) if code else (data,)


def json_values(value, place=""):
    if isinstance(value, dict):
        value = MEANING.get(value.get("schema"), dict)(value)
        pairs = [(f"{place}.{key}", v) for key, v in value.items() if key not in TIMED_KEYS]
    elif isinstance(value, list):
        pairs = [(f"{place}[{i}]", v) for i, v in enumerate(value)]
    else:
        yield place, value
        return
    yield place, f"{type(value).__name__} of {len(pairs)}"
    for inner, v in pairs:
        yield from json_values(v, inner)


def npy_values(data):
    end = 10 + struct.unpack_from("<H", data, 8)[0]
    yield "header", data[10:end].strip().decode()
    dtype = re.search(rb"'descr': '([^']+)'", data)[1].decode()
    yield from ((f"[{i}]", v) for i, v in enumerate(tensor_values(data[end:], dtype)))


def safetensors_values(data):
    header, start = safetensors_header(data)
    yield from json_values(header)
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            numbers = tensor_values(data[start + begin : start + end], tensor["dtype"])
            yield from ((f"{name}[{i}]", v) for i, v in enumerate(numbers))


def npz_values(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.namelist():
            yield from ((f"{member} {place}", v) for place, v in values(member, archive.read(member)))


def text_values(data):
    try:
        lines = TIMED_TEXT.sub("", data.decode()).split("\n")
    except UnicodeDecodeError:
        yield "bytes", data
        return
    yield from ((f"line {i}", line) for i, line in enumerate(lines, 1))


def values(name, data):
    if data.startswith(b"PK"):
        yield from npz_values(data)
    elif data.startswith(b"\x93NUMPY"):
        yield from npy_values(data)
    elif is_safetensors(data):
        yield from safetensors_values(data)
    elif name.endswith(".jsonl"):
        yield from json_values([json.loads(line) for line in data.splitlines()])
    elif data.startswith(b"{"):
        yield from json_values(json.loads(data))
    else:
        yield from text_values(data)


def same(a, b):
    """To the bit: -0.0 is not 0.0, NaN is NaN, 1 is not 1.0."""
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    return type(a) is type(b) and a == b


def counted(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def differ(count, word=""):
    """3 places differ, 1 place differs."""
    return f"{counted(count, word) if word else count} differ{'s' if count == 1 else ''}"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shown(value):
    if value is NO_VALUE:
        return "nothing"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def distance(a, b):
    """By how much two values differ, in words; empty where that has no meaning."""
    if is_number(a) and is_number(b):
        return f" (by {abs(b - a):.3g})"
    if isinstance(a, (str, bytes)) and isinstance(b, type(a)):
        place = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        return f" (from {'byte' if isinstance(a, bytes) else 'letter'} {place})"
    return ""


def difference(name, before, after):
    """Where two outputs first differ, by how much, and in how many places; empty if they say the same."""
    if before == after:
        return ""
    a, b = dict(values(name, before)), dict(values(name, after))
    pairs = {place: (a.get(place, NO_VALUE), b.get(place, NO_VALUE)) for place in [*a, *b]}
    differing = {place: pair for place, pair in pairs.items() if not same(*pair)}
    if not differing:
        return ""
    place, (x, y) = next(iter(differing.items()))
    sizes = [abs(y - x) for x, y in differing.values() if is_number(x) and is_number(y)]
    most = f", at most by {max(sizes):.3g}" if len(sizes) > 1 else ""
    return f"{name} {place}: {shown(x)} -> {shown(y)}{distance(x, y)}; {differ(len(differing), 'place')}{most}"
