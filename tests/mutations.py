"""Files changed at random, by seed: bytes, values of JSON and TOML, tensors' headers, arrays, nodes of ONNX."""

import io
import json
import random
import re
import zipfile

import numpy as np

#: Where one value is put in place of another.
VALUES = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, 1e-320, 0.5, "", "a", "os:system",
    "$(touch canary)", '"); system("touch canary', "a\n[exec touch canary]", "\x00", "\ud800", "é" * 400, "../../canary",
    "/dev/zero", "file.py:Net", [], {}, [[[[]]]], {"a": 1}, [0] * 2000, [1, 2], ["a"], [[1, 2], [3]], "1e999",
]  # fmt: skip


def mutated(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Another content; kind: json, lines (of JSON), toml, tensors, npz, onnx, text."""
    if rng.random() < 0.3:
        return of_bytes(content, rng)
    try:
        return {
            "json": of_json,
            "lines": of_lines,
            "toml": of_toml,
            "tensors": of_tensors,
            "npz": of_npz,
            "onnx": of_onnx,
            "text": of_text,
        }[kind](content, rng)
    except (ValueError, KeyError, IndexError, TypeError):
        return of_bytes(content, rng)


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    at, size = rng.randrange(len(data)), rng.choice([1, 2, 8, 100, len(data) // 2])
    how = rng.randrange(6)
    if how == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[at:]
    elif how == 2:
        del data[at : at + size]
    elif how == 3:
        data[at:at] = rng.randbytes(size)
    elif how == 4:
        data[at:at] = data[at : at + size]
    else:
        data[at : at + size] = bytes(min(size, len(data) - at))
    return bytes(data)


def places(value, here=()):
    """Paths of all values within a value."""
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*here, key))


def changed(values, rng: random.Random):
    """JSON values, of which one is another, or left out, or twice."""
    path = rng.choice([p for p in places(values) if p] or [()])
    if not path:
        return rng.choice(VALUES)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    old, how = inner[path[-1]], rng.randrange(6)
    if how == 0:
        del inner[path[-1]]
    elif how == 1 and isinstance(old, int | float):
        inner[path[-1]] = rng.choice([old + 1, -old, old * 2, old * 1000, old / 3])
    elif how == 2 and isinstance(inner, dict):
        inner[rng.choice(["new", "", "__class__", "\n"])] = old
    elif how == 2 and isinstance(inner, list):
        inner.insert(path[-1], old)
    elif how == 3 and isinstance(old, str):
        inner[path[-1]] = old[: len(old) // 2] + rng.choice(["", "\n", "'", "/", "\\", "é"]) + old[len(old) // 2 :]
    else:
        inner[path[-1]] = rng.choice(VALUES)
    return values


def of_json(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return b"[" * 100_000
    return json.dumps(changed(json.loads(content), rng)).encode()


def of_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    lines[at] = of_json(lines[at], rng)
    return b"\n".join(lines)


def of_toml(content: bytes, rng: random.Random) -> bytes:
    lines = content.decode().splitlines()
    at = rng.choice([n for n, line in enumerate(lines) if "=" in line])
    key, how = lines[at].partition("=")[0], rng.randrange(4)
    value = rng.choice(VALUES)
    word = json.dumps(value) if value is not None and not isinstance(value, dict) else "{ a = 1 }"
    lines[at] = {0: f"{key}= {word}", 1: f"x{key}= {word}", 2: f"{key}.x.y = {word}", 3: f"{lines[at]}\n{lines[at]}"}[
        how
    ]
    return "\n".join(lines).encode()


def of_text(content: bytes, rng: random.Random) -> bytes:
    words = re.split(rb"(\s)", content)
    at = rng.randrange(len(words))
    words[at] = rng.choice([b"", b"x", b"1e9", b"99999999999999999999999", b"-1", b"0.5", b"\xff", b"\n", b" "])
    return b"".join(words)


def of_tensors(content: bytes, rng: random.Random) -> bytes:
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(changed(json.loads(content[8 : 8 + size]), rng)).encode()
    if rng.random() < 0.1:
        return rng.choice([0, 1 << 40, (1 << 64) - 1]).to_bytes(8, "little") + content[8:]
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def of_npz(content: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name, how = rng.choice([*files]), rng.randrange(5)
    if how == 0:
        del files[name]
    elif how == 1:
        files["other.npy"] = files.pop(name)
    elif how == 2:
        files[name] = of_bytes(files[name], rng)
    else:
        array = np.load(io.BytesIO(files[name]))
        new = [array[:-1], array.T, array + 1, array.astype(np.float32), array.astype(np.uint64), array.ravel(),
               np.zeros((0, 3)), np.full(array.shape, np.nan), np.full(array.shape, 2**62), array[..., None]]  # fmt: skip
        if array.size > 1:
            swapped = array.ravel().copy()
            swapped[[0, -1]] = swapped[[-1, 0]]
            new.append(swapped.reshape(array.shape))
        entry = io.BytesIO()
        np.save(entry, rng.choice(new))
        files[name] = entry.getvalue()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in files.items():
            archive.writestr(zipfile.ZipInfo(key), value)
    return made.getvalue()


def of_onnx(content: bytes, rng: random.Random) -> bytes:
    import onnx

    model = onnx.ModelProto.FromString(content)
    graph, how = model.graph, rng.randrange(12)
    node = rng.choice(graph.node)
    if how == 0:
        node.op_type = rng.choice(["Relu", "Loop", "If", "Mul", "Quant", "Nothing", "Transpose", "Constant"])
    elif how == 1:
        node.input[rng.randrange(len(node.input))] = rng.choice([*rng.choice(graph.node).output, "nobody", ""])
    elif how == 2 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice([0, 2, -1, 1 << 40, -(1 << 62)])
        attribute.f = rng.choice([0.0, float("nan"), 1e38])
        attribute.s = rng.choice([b"", b"ROUND", b"\xff", b"FLOOR"])
        attribute.ints[:] = [rng.choice([0, 1, 3, -5, 1 << 40]) for _ in attribute.ints]
    elif how == 3:
        node.attribute.append(onnx.helper.make_attribute(rng.choice(["axis", "x", "group", "alpha"]), 7))
    elif how == 4 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        tensor.dims[:] = [rng.choice([0, 1, 1 << 40, -1, 3]) for _ in range(rng.randrange(5))]
    elif how == 5 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        tensor.data_type = rng.randrange(30)
    elif how == 6:
        dims = rng.choice([*graph.input, *graph.output]).type.tensor_type.shape.dim
        if dims:
            rng.choice(dims).dim_value = rng.choice([0, 1, -1, 100_000, 1 << 40])
    elif how == 7:
        node.name = rng.choice(['$(touch canary)"); system("touch canary")', "int", "", "\n"])
        node.metadata_props.add(
            key="pkg.torch.onnx.name_scopes", value=str(rng.choice(VALUES)).encode("utf8", "ignore").decode()
        )
    elif how == 8:
        graph.node.remove(node)
    elif how == 9:
        graph.node.add().CopyFrom(node)
    elif how == 10 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        tensor.raw_data = of_bytes(tensor.raw_data or b"\0", rng)
    else:
        model.opset_import[0].version = rng.choice([0, 5, 9, 11, 30])
    return model.SerializeToString()
