"""Writes the seed inputs of the fuzz targets to the folder given as argument, one sub-folder per target."""

import json
import struct
import sys
from pathlib import Path

MAMBA_HF = {
    "model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100, "state_size": 16, "expand": 2,
    "conv_kernel": 4, "time_step_rank": "auto", "use_bias": False, "use_conv_bias": True, "layer_norm_epsilon": 1e-5,
    "residual_in_fp32": True, "tie_word_embeddings": True, "hidden_act": "silu", "intermediate_size": 128,
}
FALCON = {**MAMBA_HF, "model_type": "falcon_mamba", "mixer_rms_eps": 1e-6, "time_step_rank": 4}
MAMBA_SSM = {
    "d_model": 64, "n_layer": 2, "vocab_size": 100, "d_intermediate": 0,
    "ssm_cfg": {"layer": "Mamba1", "d_state": 16, "expand": 2, "dt_rank": "auto"}, "attn_layer_idx": [], "attn_cfg": {},
    "rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8, "tie_embeddings": True,
}
JSON_TEXTS = [
    '{"a":[1,-2,18446744073709551615,1.5e-3,true,false,null],"b":{"c":"x\\u00e9\\ud83d\\ude00\\n"}}', "[]", "{}", '"s"', "0",
    "[[[[[[[[[[]]]]]]]]]]", '{"k":1,"k":2}', "[1e999]", "[-0.0,5e-324,1.7976931348623157e308]", '["\\ud800"]', "nul", "[1,",
    '{"":{"":{"":""}}}', "[9223372036854775807,-9223372036854775808,9223372036854775808]", '["\\u2028<>&\\""]',
]


# The published classes, and what only some configurations have: lists of layers, blocks by name, floats without digits.
def published_configs():
    for entry in json.loads((Path(__file__).parent.parent / "tests/golden/configs.json").read_text()):
        keys = {key: value for key, value in entry["keys"].items() if value is not None}
        yield json.dumps({"model_type": entry["model_type"], **keys}).encode()
    blocks = {"ssm": {"model_type": "mamba2", "head_dim": 16, "n_groups": 1}, "attn": {"model_type": "attention", "num_attention_heads": 2}, "mlp": {"model_type": "mlp", "intermediate_size": 8}}
    hybrid = {"model_type": "hybrid", "hidden_size": 32, "vocab_size": 24, "layers": ["ssm", "mlp", "attn", "ssm+attn"], "blocks": blocks}
    yield json.dumps(hybrid).encode()
    yield b'{"model_type": "mamba2", "hidden_size": 64, "num_heads": 8, "head_dim": 16, "n_groups": 2, "time_step_limit": [0.0, Infinity], "x": {"__float__": "NaN"}}'


def st_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    one = {"a": tensor("F32", [2], 0, 8)}
    two = {"__metadata__": {"format": "pt"}, "b.w": tensor("BF16", [2, 2], 8, 16), **one}
    yield st_file({}), st_file(one, bytes(8)), st_file(two, bytes(16))
    for dtype, size in {"F64": 8, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}.items():
        yield (st_file({"t": tensor(dtype, [3], 0, 3 * size)}, bytes(3 * size)),)
    yield st_file({"s": tensor("F32", [], 0, 4), "e": tensor("F32", [0, 3], 4, 4)}, bytes(4)), b"", bytes(8)
    yield st_file(one, bytes(7)), st_file(one, bytes(9)), st_file({"a": tensor("F32", [2**62, 4], 0, 8)}, bytes(8))
    yield st_file({"a": tensor("F32", [1], 0, 4), "b": tensor("F32", [1], 0, 4)}, bytes(4)), struct.pack("<Q", 2**63)
    yield st_file(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), b"{}"
    yield st_file(b'{"\\u00e9\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}  ', b"x"), st_file(b" \n{ } ")
    yield json.dumps(two).encode(), b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    index = {"metadata": {"total_size": 8}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    yield json.dumps(index).encode(), b'{"weight_map":{"a":"../x.safetensors"}}', b'{"weight_map":{"a":1}}'


def byte_symbols():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) if b in printable else chr(0x100 + others.index(b)) for b in range(256)}


def tokenizer_json(**sections):
    space = byte_symbols()[0x20]
    words = ["I", "t", "'", "s", "1", "2", "a", "b", "c", "<unk>", space, byte_symbols()[0x0A], "\u00c3", "\u00a9", "\u00ff"]
    merges = ["a b", "ab c", f"{space} a", f"{space} {space}", "1 2"]
    vocab = {word: i for i, word in enumerate(words + [m.replace(" ", "") for m in merges])}
    model = {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": merges}
    pre = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    base = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": pre, "decoder": pre, "model": model}
    options = sections.pop("model", {})
    result = {**base, **sections}
    result["model"] = {**model, **options}
    return result


def tokenizer_seeds():
    level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}

    def steps(*first):
        return {"type": "Sequence", "pretokenizers": [*first, level]}

    def split(pattern, behavior, invert=False):
        return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}

    def added(i, content, **flags):
        return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, **flags}

    extra = [added(20, "<s>", special=True), added(21, "abz", normalized=True, single_word=True), added(22, "\u00e9", normalized=True)]
    extra += [added(23, "x", lstrip=True, rstrip=True), added(0, "I")]
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [20], "tokens": ["<s>"]}},
    }
    files = [
        tokenizer_json(),
        tokenizer_json(normalizer={"type": "NFC"}, added_tokens=extra, post_processor={"type": "Sequence", "processors": [level, template]}),
        tokenizer_json(pre_tokenizer=steps(split({"Regex": r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|[\s]+(?!\S)|\s"}, "Isolated")), model={"ignore_merges": True}),
        tokenizer_json(pre_tokenizer=steps(split({"Regex": r"\s+"}, "Removed"), split({"String": "a"}, "Contiguous", True))),
        tokenizer_json(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Contiguous"}, {**level, "use_regex": True}, {"type": "Digits", "individual_digits": False}, split({"Regex": "[0-9][0-9]"}, "Isolated")]}),
        tokenizer_json(pre_tokenizer=steps({"type": "Digits", "individual_digits": True}, {"type": "Punctuation"})),
        tokenizer_json(pre_tokenizer={**level, "add_prefix_space": True}, model={"merges": [["a", "b"], ["ab", "c"]], "unk_token": None}),
        tokenizer_json(pre_tokenizer=steps(split({"Regex": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"}, "Removed", True)), normalizer={"type": "Sequence", "normalizers": []}),
        tokenizer_json(model={"byte_fallback": True}), tokenizer_json(model={"type": "Unigram"}), tokenizer_json(model={"vocab": {"a": -1}}),
        tokenizer_json(model={"merges": ["a"]}), tokenizer_json(model={"merges": ["x y"]}), tokenizer_json(pre_tokenizer=None),
        tokenizer_json(pre_tokenizer=steps(split({"Regex": "("}, "Isolated"))), tokenizer_json(pre_tokenizer=steps(split({"Regex": "(a+)+$"}, "Isolated"))),
        tokenizer_json(added_tokens=[added(3, "zz")]), tokenizer_json(model={"dropout": 0.1, "fuse_unk": True}),
    ]
    texts = ["", "<s> abz abzs x  \u00e9\u0640abz_ \u30a2abz\u24d0  x", "It's 12 abc\n", "<s>ab \u00e9e\u0301x  x", "a" * 100, "\u1100\u1161\u11a8 \u0301\u0323", "abc12.!?\u3000\u00a0 \r\n\n  "]
    for i, file in enumerate(files):
        yield json.dumps(file, ensure_ascii=i % 2 == 0).encode() + b"\0" + texts[i % len(texts)].encode()
    for text in texts:
        yield b"T" + text.encode()
        yield b"N" + text.encode()
    yield b"T\xff\xfe a\xcc\x81\xed\xa0\x80\xf0\x9f"
    yield b"T" + b"aab <s>  " * 30
    yield json.dumps({"bos_token": "<q>", "eos_token": {"content": "<s>", "rstrip": True}, "add_prefix_space": False, "a_new_key": 1,
                      "added_tokens_decoder": {"300": {"content": "ab", "lstrip": True, "normalized": True}, "7": {"content": "<s>"}},
                      "extra_special_tokens": {"image_token": "<i>"}, "additional_special_tokens": ["x", {"content": " y"}]}).encode()
    yield json.dumps({"<q>": 265, "<r>": 266}).encode()


def pickle_seeds():
    """The pickles of torch.save by hand: a state_dict, a nested checkpoint, tied and turned views, lists, a memo beyond 255."""
    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s

    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x10tQ"

    def view(offset, shape, stride, hooks=b"ccollections\nOrderedDict\n)R"):
        def dims(v):
            return b"(" + b"".join(b"K" + bytes([d]) for d in v) + b"t"
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K" + bytes([offset]) + dims(shape) + dims(stride) + b"\x89" + hooks + b"tR"

    w = text(b"w") + view(0, [4, 4], [4, 1])
    ordered = b"ccollections\nOrderedDict\n)R"
    metadata = b"}" + text(b"_metadata") + ordered + b"sb"
    bodies = [
        b"}(" + w + b"u", ordered + b"(" + w + text(b"t") + view(0, [4, 4], [1, 4]) + b"u" + metadata, b"}" + text(b"model") + b"}(" + w + b"us",
        b"}(" + text(b"l") + b"](" + view(3, [2], [2]) + view(0, [0], [1]) + b"eu", b"}(" + text(b"p") + b"ctorch._utils\n_rebuild_parameter\n(" + view(0, [2], [1]) + b"\x88" + ordered + b"tRu",
        b"}q\x01(" + text(b"a") + b"N" + text(b"b") + b"G" + bytes(8) + text(b"c") + b"\x8a\x05" + bytes(5) + text(b"d") + b"J" + bytes(4) + text(b"e") + b"M\x01\x02u",
        b"}r\x2c\x01\x00\x00" + text(b"x") + view(0, [1], [1]) + b"q\x02s" + text(b"y") + b"h\x02s" + text(b"z") + b"j\x02\x00\x00\x00s", b"]q\x01h\x01a", b"N\x85N\x89\x86NNN\x87",
    ]
    yield (Path(__file__).resolve().parents[1] / "tests/golden/torch/plain_dict.pth").read_bytes()
    yield from (b"\x80\x02" + body + b"." for body in bodies)
    yield from (body[2:-1] if body.startswith(b"}(") else body for body in bodies)


def rwkv_bin_seeds():
    def tensor(name, dims, kind, data):
        return struct.pack(f"<3I{len(dims)}I", len(dims), len(name), kind, *dims) + name + data

    header = struct.pack("<6I", 0x67676D66, 100, 256, 8, 1, 0)
    half = b"blocks.0.att."
    v4 = tensor(half + b"time_decay", [2], 0, struct.pack("<2f", -1, -0.5)) + tensor(half + b"time_first", [2], 0, bytes(8))
    v5 = tensor(half + b"ln_x.weight", [2], 0, bytes(8)) + tensor(half + b"time_decay", [1, 1, 2], 0, struct.pack("<2f", 0.5, 1)) + tensor(half + b"time_first", [1, 1, 2], 0, bytes(8))
    v6 = tensor(half + b"time_maa_x", [1], 0, bytes(4)) + tensor(half + b"time_maa_w2", [2, 3, 1], 0, bytes(24)) + tensor(half + b"time_decay_w1", [2, 2], 1, bytes(8))
    v7 = tensor(half + b"x_rwkvag", [2, 1, 6], 0, bytes(48)) + tensor(half + b"w1", [2, 1], 0, bytes(8)) + tensor(half + b"r_k", [2, 1], 0, bytes(8))
    sizes = tensor(b"emb.weight", [2, 2], 0, bytes(16)) + tensor(half + b"key.weight", [2, 2], 0, bytes(16)) + tensor(b"blocks.0.ffn.key.weight", [2, 2], 0, bytes(16))
    blocks = tensor(b"q", [32], 7, bytes(22)) + tensor(b"p", [32, 2], 8, bytes(48))
    low = b"".join(tensor(half + n, [2, 1], 0, bytes(8)) for n in (b"a1", b"g1")) + tensor(b"blocks.1.att.v1", [2, 1], 0, bytes(8))
    reverser = b"".join(tensor(n, [2], 0, bytes(8)) for n in (b"e.weight", b"rwkv1.x_r", b"rosa1.o.bias", b"rosa1.rosa_qkv.emb", b"lno.bias", b"ln1a.bias", b"ffn1.x_k"))
    gated = tensor(half + b"gate.weight", [2], 0, bytes(8))
    empty = tensor(b"emb.weight", [2, 2], 0, bytes(16)) + tensor(half + b"key.weight", [0, 1 << 25], 0, b"") + tensor(b"blocks.0.ffn.key.weight", [2, 2], 0, bytes(16))
    for body in (v4 + sizes, v5 + sizes, v5 + sizes + gated, v5 + empty + gated, v6 + sizes, v7 + sizes + low, blocks, reverser):
        yield header + body
        yield body


def rwkv_vocab_seeds():
    world = b"1 'a' 1\n2 'ab' 2\n3 \"'\" 1\n5 '\\n' 1\n6 '\\x01' 1\n7 '\\u20ac' 3\n9 b'\\xe2\\x82' 2\n10 '\\\\' 1\n11 '\\U0001f600' 4\n"
    files = [world, b"abc", b"a\nb\n\xc3\xa9\n", b'["a","b"]', b'{"a":0,"b":1}', b'{"0":"a","1":"b"}', b'{"model":{"type":"LongestMatch","vocab":{"a":0}}}', b"1 'a' 2", b'["ab"]']
    for i, file in enumerate(files):
        yield file + b"\0" + [b"ab", b"aab'", b"", b"ba\xe2\x82\xac<|endoftext|>"][i % 4]
    yield from (b"abcdab  the the\n\n\n", b"\xff\xfe<|endoftext|>ab")


def npy_file(descr, shape, data, extra=""):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, {extra}}}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + data


def npy_seeds():
    for descr, size in {"<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8, "|u1": 1}.items():
        yield npy_file(descr, "(2, 3)", bytes(6 * size))
    yield from (npy_file("<f4", "()", bytes(4)), npy_file("<f4", "(3,)", bytes(12)), npy_file("<f4", "(0, 5)", b""), npy_file(">f4", "(1,)", bytes(4)))
    yield from (npy_file("<U3", "()", "a/2".encode("utf-32-le")), npy_file("<U0", "()", b""), npy_file("<U201", "()", bytes(804)))
    yield from (npy_file("<f4", "(4294967296, 4294967296, 4)", b""), b"{'descr': '|u1', 'fortran_order': False, 'shape': (48,), }", b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }")


def state_seeds():
    def member(name, shape, begin, count, dtype="F32"):
        return json.dumps({name: tensor(dtype, shape, begin, begin + count * (4 if dtype == "F32" else 8))})[1:-1]

    conv, ssm = member("layers.0.conv", [8, 3], 0, 24), member("layers.0.ssm", [8, 2], 96, 16)
    yield f"{conv},{ssm}".encode() + b"\0" + bytes(160)
    yield from (b"", conv.encode() + b"\0" + bytes(96), member("x", [1], 0, 1, "F64").encode() + b"\0" + bytes(8), st_file({}), st_file({"__metadata__": {"format": "x", "model": "0", "tokens": "-1"}}))


def checkpoint_seeds():
    options = {"config": "c.json", "data": ["d.txt"], "valid": "v.txt", "out": "runs/a", "log": "", "steps": 12, "sequences": 2, "length": 8, "lr": 1e-3, "schedule": "cosine", "gemm": "f32", "save_dtype": "bf16", "carry": True, "seed": 3}
    meta = {"version": "hindscan.checkpoint/2", "step": 3, "rng": {"seed": 3, "step": 3}, "updates": 3, "tokens": 48, "skipped": 0, "skipped_in_row": 0, "state_tokens": [24, 24], "data_hash": "0123456789abcdef", "options": options}
    text = json.dumps(meta).encode()
    yield from (text, json.dumps({**meta, "options": {}}).encode(), json.dumps({**meta, "options": {**options, "schedule": "x"}}).encode(), b"{}")
    for entry in ({"name": "train.json", "bytes": 2, "xxh64": "0" * 16}, {"name": "../x", "bytes": 2, "xxh64": ""}, {"name": "train.json", "bytes": -1}):
        yield json.dumps({"step": 3, "files": [entry]}).encode() + b"\0{}"


def labelled_seeds():
    for first, texts in ((b"\0", [b"good\tfine words\nbad\tother words\nbad\tmore\n", b"label\ttext\na\tx\nb\ty\na\tz\n", b"0.5\tx\n1.25\ty\n0.5\tz\n", b"\xef\xbb\xbfa\tb\tc\r\nd\tb\tf\r\n", b"a\n"]),
                         (b"\1", [b'label,text\na,"x, ""y"""\nb,z\na,w\n', b'"a\nb",c\n']), (b"\2", [b'{"text":"a","label":1}\n{"text":"b","label":0}\n', b'{"text":"a","label":1.5}\n{"text":"b","label":true}', b"[]\n"]),
                         (b"\3", [npy_file("<i8", "(3,)", struct.pack("<3q", 0, 1, 2)), npy_file("<f4", "(2, 3)", struct.pack("<6f", *range(6))), npy_file("<f4", "(1, 2, 1)", struct.pack("<2f", 1, float("nan"))), npy_file("|u1", "(2, 2)", b"abcd")])):
        for text in texts:
            yield first + text


def main():
    root = Path(sys.argv[1])
    configs = [json.dumps(c).encode() for c in (MAMBA_HF, FALCON, MAMBA_SSM)] + [t.encode() for t in JSON_TEXTS]
    configs += list(published_configs())
    targets = {"safetensors": [s for group in safetensors_seeds() for s in group], "config": configs, "tokenizer": list(tokenizer_seeds()),
               "torch_file": list(pickle_seeds()), "rwkv_bin": list(rwkv_bin_seeds()), "rwkv_vocab": list(rwkv_vocab_seeds()),
               "npy": list(npy_seeds()), "state_file": list(state_seeds()), "checkpoint": list(checkpoint_seeds()), "labelled": list(labelled_seeds())}
    for target, seeds in targets.items():
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(seeds):
            (folder / f"{i:03d}").write_bytes(seed)


if __name__ == "__main__":
    main()
