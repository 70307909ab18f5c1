"""Files as typed records and as arrays: what is wrong is one sentence with the file and the field."""

import io
import os
import struct
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

from hwqat.arrays import narrow, npz, read_npz
from hwqat.decode import decode_json, encode_json, read_bytes, read_json, read_toml
from hwqat.errors import HwqatError


@dataclass
class Inner:
    width: int


@dataclass
class Record:
    name: str
    inner: Inner
    numbers: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "text, said",
    [
        (b'{"name": 3, "inner": {"width": 1}}', "f.json, name: expected `str`, got `int`; do this"),
        (b'{"name": "a", "inner": {"width": 1.5}}', "f.json, inner.width: expected `int`, got `float`; do this"),
        (b'{"name": "a", "inner": {}}', "f.json, inner: object missing required field `width`; do this"),
        (b'{"name": "a", "inner": {"width": 1}, "numbers": [1, "2"]}', "f.json, numbers[1]: expected `int`, got `str`"),
        (b"[]", "f.json: expected `object`, got `array`; do this"),
        (b"", "f.json is damaged (Input data was truncated); do this"),
        (b'{"name": "a"', "f.json is damaged (Input data was truncated); do this"),
        (b'{"name": NaN}', "f.json is damaged (JSON is malformed"),
        (b'{"name": "\xff\xfe"}', "f.json is damaged ("),
        (b'{"name": "a", "inner": {"width": 1e999}}', "f.json, inner.width: number out of range; do this"),
        (b'{"other": ' + b"[" * 100_000, "f.json is nested deeper than any file of hwqat; do this"),
    ],
)
def test_what_is_no_such_record_is_one_sentence(text, said):
    with pytest.raises(HwqatError) as caught:
        decode_json(text, Record, "f.json", "do this")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_one_sentence(tmp_path):
    for path, said in (
        (tmp_path / "gone", "does not exist"),
        (tmp_path, "cannot be read (Is a directory)"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\0b", "cannot be read (embedded null byte)"),
    ):
        with pytest.raises(HwqatError, match="do this$") as caught:
            read_bytes(path, "do this")
        assert said in str(caught.value)
    os.mkfifo(tmp_path / "pipe")  # nobody writes: not waited for
    with pytest.raises(HwqatError, match="is no file"):
        read_json(tmp_path / "pipe", dict, "do this")
    (tmp_path / "big").write_bytes(b" " * 101)
    with pytest.raises(HwqatError, match="has 101 bytes, more than the 100"):
        read_bytes(tmp_path / "big", "do this", most=100)


def test_toml_is_held_to_its_types_too(tmp_path):
    (tmp_path / "c.toml").write_text('name = "a"\n[inner]\nwidth = "wide"\n')
    with pytest.raises(HwqatError, match="c.toml, inner.width: expected `int`, got `str`; do this"):
        read_toml(tmp_path / "c.toml", Record, "do this")
    (tmp_path / "c.toml").write_text('name = "a"\nnumbers = [1, 2]\n[inner]\nwidth = 3\n')
    assert read_toml(tmp_path / "c.toml", Record, "do this") == Record("a", Inner(3), (1, 2))


def test_records_come_back_and_nan_never_leaves():
    record = Record("a", Inner(3), (1, 2))
    assert decode_json(encode_json(record), Record, "f", "x") == record
    with pytest.raises(ValueError):
        encode_json({"accuracy": float("nan")})


ARRAYS = {"a": narrow(np.arange(-3, 300)), "empty": narrow(np.zeros((0, 4), int)), "real": np.linspace(0, 1, 7)}


def test_arrays_come_back_and_equal_ones_give_equal_bytes(tmp_path):
    assert [str(array.dtype) for array in ARRAYS.values()] == ["int16", "int8", "float64"]
    (tmp_path / "a.npz").write_bytes(npz(ARRAYS))
    found = read_npz(tmp_path / "a.npz", "do this")
    assert list(found) == list(ARRAYS)
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert npz(found) == npz(ARRAYS)


def test_an_archive_that_unpacks_to_more_than_it_may_is_not_unpacked(tmp_path):
    (tmp_path / "bomb.npz").write_bytes(npz({"zeros": np.zeros(1 << 24, np.int8)}))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 16
    with pytest.raises(HwqatError, match="unpacks to 16777344 bytes, more than the 1048576"):
        read_npz(tmp_path / "bomb.npz", "do this", most=1 << 20)


def with_entry(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", content)
    return buffer.getvalue()


def entry(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        npz(ARRAYS)[:-30],
        with_entry(b"no array"),
        with_entry(entry("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x" * 8)),
        with_entry(entry("{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000,)}", b"x" * 8)),
        with_entry(entry("{'descr': '|i1', 'fortran_order': False, 'shape': (-8,)}", b"x" * 8)),
        with_entry(entry("{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", b"x" * 16)),
        with_entry(entry("__import__('os').system('touch executed')")),
    ],
)
def test_bytes_that_are_no_archive_of_numbers_are_one_sentence(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(HwqatError, match=r"a.npz is damaged \(.*\); do this$"):
        read_npz(tmp_path / "a.npz", "do this")
    assert not (tmp_path / "executed").exists()


def test_any_flipped_byte_is_one_sentence_or_no_change(tmp_path):
    whole = npz(ARRAYS)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 300):
        broken = bytearray(whole)
        broken[at] ^= int(rng.integers(1, 256))
        (tmp_path / "a.npz").write_bytes(bytes(broken))
        try:
            found = read_npz(tmp_path / "a.npz", "do this")
        except HwqatError:
            continue
        assert all(np.array_equal(array, ARRAYS[name]) for name, array in found.items() if name in ARRAYS)
