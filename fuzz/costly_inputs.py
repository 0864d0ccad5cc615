"""Generators of model folders that are small and could cost much: long keys, many tensors, deep nesting, many layers, big
templates, many merges, repeated names. Each writes a folder from a few sizes; GENERATORS says how far a size may go."""

import json
import re
import struct
import zlib
from pathlib import Path

import make_corpus

MAMBA = {**make_corpus.MAMBA_HF, "hidden_size": 1, "intermediate_size": 2, "state_size": 1, "vocab_size": 2, "conv_kernel": 1, "time_step_rank": 1}
FAMILIES = re.findall(r'HS_ARCH\("(\w+)"', (Path(__file__).resolve().parents[1] / "src/arch/archs.def").read_text())


def write_model(folder, config=MAMBA, tensors=None, metadata=None):
    (folder / "config.json").write_text(json.dumps(config, separators=(",", ":")))
    header, end = {}, 0
    for name, (shape, values) in (tensors or {}).items():
        header[name] = make_corpus.tensor("U8" if values is None else "F16", shape, end, end + 2 * (values or 0))
        end += 2 * (values or 0)
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header, separators=(",", ":")).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def mamba_tensors(layers):
    yield "backbone.embeddings.weight", ([2, 1], 2)
    yield "backbone.norm_f.weight", ([1], 1)
    for i in range(layers):
        p = f"backbone.layers.{i}."
        yield p + "norm.weight", ([1], 1)
        for name, shape, n in (
            ("in_proj.weight", [4, 1], 4), ("conv1d.weight", [2, 1, 1], 2), ("conv1d.bias", [2], 2), ("x_proj.weight", [3, 2], 6),
            ("dt_proj.weight", [2, 1], 2), ("dt_proj.bias", [2], 2), ("A_log", [2, 1], 2), ("D", [2], 2), ("out_proj.weight", [1, 2], 2),
        ):  # fmt: skip
            yield p + "mixer." + name, (shape, n)


def layers_that_exist(folder, rng, layers):
    write_model(folder, {**MAMBA, "num_hidden_layers": layers}, dict(mamba_tensors(layers)))


def layers_that_do_not(folder, rng, layers, width, family, experts):
    config = {**MAMBA, "model_type": FAMILIES[family % len(FAMILIES)], "num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": 1, "num_heads": 1, "num_experts": experts, "num_local_experts": experts, "num_key_value_heads": 1, "head_dim": width, "intermediate_size": width}
    write_model(folder, config, dict(mamba_tensors(1)))


def config_keys(folder, rng, key, items, depth):
    value = [0] * items
    for _ in range(depth):
        value = {"k" * key: value}
    write_model(folder, {**MAMBA, "x" * key: value}, dict(mamba_tensors(2)))


def config_members(folder, rng, members, nested):
    many = {f"{i}": {f"{j}": i for j in range(nested)} for i in range(members)}
    write_model(folder, {**MAMBA, **many}, dict(mamba_tensors(2)))


def json_lists(folder, rng, items, each, where):
    text = "[" + ",".join(["[" + ",".join(["0"] * each) + "]"] * items) + "]"
    write_model(folder, MAMBA, dict(mamba_tensors(2)))
    if where % 2:
        (folder / "tokenizer.json").write_text(text)
    else:
        (folder / "config.json").write_text(json.dumps(MAMBA)[:-1] + ',"lists":' + text + "}")


def tensor_names(folder, rng, tensors, length, dimensions):
    write_model(folder, MAMBA, {f"{i}".rjust(length, "x"): ([0] * dimensions, None) for i in range(tensors)})


def metadata(folder, rng, texts, length):
    write_model(folder, MAMBA, dict(mamba_tensors(2)), {f"{i}": "v" * length for i in range(texts)})


def shard_index(folder, rng, tensors, shards, length):
    write_model(folder)
    (folder / "model.safetensors").unlink()
    weights = {f"{i}".rjust(length, "w"): f"{i % shards}.safetensors" for i in range(tensors)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}, separators=(",", ":")))


def write_tokenizer(folder, **sections):
    write_model(folder, {**MAMBA, "num_hidden_layers": 1}, dict(mamba_tensors(1)))
    (folder / "tokenizer.json").write_text(json.dumps(make_corpus.tokenizer_json(**sections), separators=(",", ":"), ensure_ascii=False))


def symbol(i):
    text = ""
    while not text or i:
        text, i = text + chr(0x21 + i % 90), i // 90
    return text


def tokenizer_vocabulary(folder, rng, tokens, length, sparse):
    write_tokenizer(folder, model={"vocab": {symbol(i).rjust(length, "!"): i * (1 + sparse % 2) for i in range(tokens)}, "merges": [], "unk_token": None})


def tokenizer_merges(folder, rng, merges, repeated, as_lists):
    vocab = {c: i for i, c in enumerate("ab")}
    rules, word = [], "a"
    for i in range(merges):
        left, right = (word, "a") if repeated % 3 == 0 and len(word) < 200 else (symbol(i // 300), symbol(i % 300))
        for part in (left, right, left + right):
            vocab.setdefault(part, len(vocab))
        word = left + right if repeated % 3 == 0 and len(word) < 200 else "a"
        rules.append([left, right] if as_lists % 2 else f"{left} {right}")
    write_tokenizer(folder, model={"vocab": vocab, "merges": rules, "unk_token": None})


def tokenizer_added(folder, rng, tokens, length, normalized):
    added = [{"id": 100 + i, "content": symbol(i) + chr(0x41 + i % 26) * length, "normalized": bool(normalized % 2)} for i in range(tokens)]
    write_tokenizer(folder, added_tokens=added, **({"normalizer": {"type": "NFC"}} if normalized % 3 == 0 else {}))


def tokenizer_template(folder, rng, items, ids, names, processors):
    special = {f"s{i}": {"ids": [0] * ids} for i in range(names)}
    single = [{"Sequence": {"id": "A"}}, *({"SpecialToken": {"id": f"s{i % names}"}} for i in range(items - 1))]
    template = {"type": "TemplateProcessing", "single": single, "special_tokens": special}
    write_tokenizer(folder, post_processor={"type": "Sequence", "processors": [template] * processors})


def tokenizer_patterns(folder, rng, steps, length, repeat):
    level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    atoms = [r"\p{L}", "(a|b)", f"(x{{{repeat}}})", "[a-z]", r"(?i:k)", f"(\\p{{L}}{{1,{repeat}}})", "(?:(?:a{9}){9})"]
    pattern = "".join(atoms[(i + repeat) % len(atoms)] for i in range(length))
    steps = [{"type": "Split", "pattern": {"Regex": pattern + str(i)}, "behavior": "Isolated"} for i in range(steps)]
    write_tokenizer(folder, pre_tokenizer={"type": "Sequence", "pretokenizers": [*steps, level]})


def tokenizer_depth(folder, rng, depth, items):
    inner = {"type": "ByteLevel"}
    for _ in range(depth):
        inner = {"type": "Sequence", "processors": [inner] * items if len(json.dumps(inner)) * items < 2_000_000 else [inner]}
    write_tokenizer(folder, post_processor=inner)


def vocabulary_lines(folder, rng, lines, length, characters):
    write_model(folder, {**MAMBA, "num_hidden_layers": 1}, dict(mamba_tensors(1)))
    if characters % 2:
        (folder / "vocab.txt").write_text("\n".join(chr(0x4E00 + i % 35000) for i in range(lines)))
    words = (symbol(i).replace("\\", "_").replace("'", "_") + f"~{i}" + "x" * length for i in range(lines))
    (folder / "rwkv_vocab_v.txt").write_text("".join(f"{i + 1} '{w}' {len(w)}\n" for i, w in enumerate(words)))


def rwkv_tensor(name, dims, kind=0):
    count = 1
    for d in dims:
        count *= d
    size = {0: 4 * count, 1: 2 * count, 7: count // 32 * 22, 8: count // 32 * 24}[kind]
    return struct.pack(f"<3I{len(dims)}I", len(dims), len(name), kind, *dims) + name.encode() + bytes(size)


def rwkv_layers(folder, rng, layers, version, width):
    out = [struct.pack("<6I", 0x67676D66, 101, 2, width, min(max(layers, 1), 10000), 0), rwkv_tensor("emb.weight", [width, 2]), rwkv_tensor("head.weight", [width, 2])]
    kinds = {4: ["time_first"], 5: ["ln_x.weight", "time_decay", "time_first", "gate.weight"], 6: ["time_maa_x", "time_faaaa"], 7: ["r_k", "w1"]}
    for i in range(layers):
        for name in ["key.weight", *kinds[4 + version % 4]]:
            out.append(rwkv_tensor(f"blocks.{i}.att.{name}", [width, width] if name in ("key.weight", "gate.weight") else [1]))
        out.append(rwkv_tensor(f"blocks.{i}.ffn.key.weight", [width, width]))
    path = folder / "model.bin"
    path.write_bytes(b"".join(out))
    return path


def rwkv_quantised(folder, rng, tensors, blocks):
    out = struct.pack("<6I", 0x67676D66, 101, 2, 1, 1, 0)
    path = folder / "model.bin"
    path.write_bytes(out + b"".join(rwkv_tensor(f"t{i}", [32 * blocks], 7) for i in range(tensors)))
    return path


def zip_of(entries):
    parts, directory, at = [], [], 0
    for name, data in entries:
        fields = struct.pack("<HHHIIIIHH", 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
        directory.append(struct.pack("<IH", 0x02014B50, 0) + fields + struct.pack("<HHHII", 0, 0, 0, 0, at) + name)
        parts.append(struct.pack("<I", 0x04034B50) + fields + name + data)
        at += len(parts[-1])
    out, central, count = b"".join(parts), b"".join(directory), min(len(entries), 0xFFFF)
    return out + central + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(central), len(out), 0)


def write_torch(folder, body, entries=()):
    write_model(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(zip_of([(b"a/data.pkl", b"\x80\x02" + body + b"."), (b"a/data/0", bytes(64)), *entries]))


def pickle_values(folder, rng, values, group, opcode):
    op = [b"N", b"}", b"]", b")", b"K\0", b"X\0\0\0\0", b"G" + bytes(8)][opcode % 7]
    write_torch(folder, b"](" + (b"(" + op * group + b"t") * (values // max(group, 1)) + b"e")


def pickle_tensors(folder, rng, tensors, length, shared):
    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s

    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x10tQ"
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0(K\x01t(K\x01t\x89ccollections\nOrderedDict\n)RtR"
    names = [text(str(i).rjust(length, "n").encode()) for i in range(tensors)]
    if shared % 2:
        write_torch(folder, b"}(" + text(b"first") + view + b"q\0" + b"".join(n + b"h\0" for n in names) + b"u")
    else:
        write_torch(folder, b"}(" + b"".join(n + view for n in names) + b"u")


def pickle_doubling(folder, rng, levels, width):
    body = b"]q\0"
    for i in range(levels):
        body += b"](" + (b"h" + bytes([i])) * width + b"eq" + bytes([i + 1])
    write_torch(folder, b"](" + body + b"e")


def zip_entries(folder, rng, entries, length):
    write_torch(folder, b"}", [(f"a/{i}".ljust(length, "e").encode(), b"") for i in range(entries)])


GENERATORS = {
    layers_that_exist: {"layers": (1, 4000)},
    layers_that_do_not: {"layers": (1, 1 << 62), "width": (1, 1 << 40), "family": (0, 1000), "experts": (1, 1 << 40)},
    config_keys: {"key": (1, 1_500_000), "items": (1, 1_500_000), "depth": (1, 60)},
    config_members: {"members": (1, 400_000), "nested": (0, 1000)},
    json_lists: {"items": (1, 900_000), "each": (0, 900_000), "where": (0, 1)},
    tensor_names: {"tensors": (1, 80_000), "length": (1, 1100), "dimensions": (1, 9)},
    metadata: {"texts": (1, 400_000), "length": (0, 1_000_000)},
    shard_index: {"tensors": (1, 200_000), "shards": (1, 12_000), "length": (1, 100_000)},
    tokenizer_vocabulary: {"tokens": (1, 500_000), "length": (1, 100_000), "sparse": (0, 1)},
    tokenizer_merges: {"merges": (1, 200_000), "repeated": (0, 2), "as_lists": (0, 1)},
    tokenizer_added: {"tokens": (1, 60_000), "length": (1, 520), "normalized": (0, 5)},
    tokenizer_template: {"items": (1, 100_000), "ids": (1, 1_500_000), "names": (1, 200_000), "processors": (1, 100_000)},
    tokenizer_patterns: {"steps": (1, 18), "length": (1, 2000), "repeat": (1, 60_000)},
    tokenizer_depth: {"depth": (1, 70), "items": (1, 100_000)},
    vocabulary_lines: {"lines": (1, 400_000), "length": (0, 4200), "characters": (0, 1)},
    rwkv_layers: {"layers": (0, 12_000), "version": (0, 3), "width": (1, 8)},
    rwkv_quantised: {"tensors": (1, 100_000), "blocks": (1, 150_000)},
    pickle_values: {"values": (1, 4_000_000), "group": (1, 4_000_000), "opcode": (0, 6)},
    pickle_tensors: {"tensors": (1, 500_000), "length": (1, 1100), "shared": (0, 1)},
    pickle_doubling: {"levels": (1, 250), "width": (1, 20_000)},
    zip_entries: {"entries": (1, 60_000), "length": (1, 1100)},
}

# Sizes whose product is about the number of bytes or items: kept within what a small file can hold.
PRODUCTS = {
    config_keys: [("key", "depth")],
    config_members: [("members", "nested")],
    json_lists: [("items", "each")],
    tensor_names: [("tensors", "length")],
    metadata: [("texts", "length")],
    shard_index: [("tensors", "length")],
    tokenizer_vocabulary: [("tokens", "length")],
    tokenizer_added: [("tokens", "length")],
    tokenizer_template: [("ids", "names", "processors"), ("items", "processors")],
    tokenizer_patterns: [("steps", "length")],
    vocabulary_lines: [("lines", "length")],
    rwkv_quantised: [("tensors", "blocks")],
    pickle_tensors: [("tensors", "length")],
    pickle_doubling: [("levels", "width")],
    zip_entries: [("entries", "length")],
}
