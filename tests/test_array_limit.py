"""Arrays that declare more than they hold; each case once broke the reader."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from spikewright.array_limit import MAX_ARRAY_BYTES, VARIABLE
from spikewright.errors import InputError
from spikewright.files import read_arrays

MIB = 2**20


def npy(shape: str, dtype: str = "'<f8'", body: bytes = bytes(24)) -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def refuse(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "declared"),
    [("(4,)", 4 * 8), ("(2**40,)", None), ("(1099511627776,)", 2**40 * 8)],
)
def test_refuses_a_shape_beyond_the_bytes(
    tmp_path: Path, shape: str, declared: int | None
) -> None:
    (tmp_path / "x.npy").write_bytes(npy(shape))  # 24 bytes: three numbers
    wanted = f"{declared} bytes, but 24 are stored" if declared else "damaged"
    refuse(tmp_path / "x.npy", wanted)


def test_reads_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy("(3,)"))
    assert read_arrays(tmp_path / "x.npy")["inputs"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("shape", ["(-1,)", "(-1, -3)"])
def test_refuses_negative_lengths(tmp_path: Path, shape: str) -> None:
    (tmp_path / "x.npy").write_bytes(npy(shape))
    refuse(tmp_path / "x.npy", "it is damaged")


def test_refuses_texts_of_no_width_in_huge_numbers(tmp_path: Path) -> None:
    # 2**60 empty texts take no byte, and for ever to go through
    (tmp_path / "x.npy").write_bytes(npy("(1152921504606846976,)", "'<U0'"))
    refuse(tmp_path / "x.npy", "24 are stored")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_refuses_python_objects_before_they_are_read(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"x.{suffix}"
    held = np.array([print], dtype=object)
    if suffix == "npy":
        np.save(path, held, allow_pickle=True)
    else:
        np.savez(path, x=held)
    refuse(path, "holds Python objects; save it as an array of numbers")


def test_refuses_a_small_file_that_unpacks_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(2 * MIB, np.uint8))
    assert (tmp_path / "x.npz").stat().st_size < MIB // 100
    assert read_arrays(tmp_path / "x.npz")["x"].size == 2 * MIB
    monkeypatch.setenv(VARIABLE, str(MIB))
    # 2 MiB and a header of 128 bytes
    refuse(
        tmp_path / "x.npz",
        f"take {2 * MIB + 128} bytes of memory; allowed: {MIB} for .*{VARIABLE}",
    )


def test_many_members_count_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"x{i}": np.zeros(MIB // 2, np.uint8) for i in range(3)}
    np.savez_compressed(tmp_path / "x.npz", **members)  # type: ignore[arg-type]
    monkeypatch.setenv(VARIABLE, str(MIB))
    refuse(tmp_path / "x.npz", f"allowed: {MIB} for a file")


def test_the_limit_is_four_gibibytes(tmp_path: Path) -> None:
    assert MAX_ARRAY_BYTES == 4 * 2**30
    packed = zlib.compress(bytes(100))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", packed)
        archive.infolist()[0].file_size = 2**32 + 1  # said in the directory alone
    refuse(tmp_path / "x.npz", "allowed: 4294967296 for a file")


@pytest.mark.parametrize("said", ["", "x", "-1", "0", "1e9", "9" * 19])
def test_a_limit_is_a_number_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    monkeypatch.setenv(VARIABLE, said)
    if said:
        refuse(tmp_path / "x.npy", f"{VARIABLE} is '.*'; allowed: a number of bytes")
    else:
        assert len(read_arrays(tmp_path / "x.npy")["inputs"]) == 3


def test_refuses_a_name_that_is_there_twice(tmp_path: Path) -> None:
    content = npy("(3,)")
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("x.npy", content)
        archive.writestr("x.npy", content)
    refuse(tmp_path / "x.npz", r"'x\.npy' is in it twice")


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_refuses_other_packing(tmp_path: Path, way: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", way) as archive:
        archive.writestr("x.npy", npy("(3,)"))
    refuse(tmp_path / "x.npz", f"packed in way {way} of zip; allowed: stored or defl")


def test_refuses_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("notes.txt", "no array")
    refuse(tmp_path / "x.npz", "damaged .*magic")


def test_refuses_a_header_of_the_third_version(tmp_path: Path) -> None:
    file = io.BytesIO(npy("(3,)"))
    content = bytearray(file.getvalue())
    content[6] = 3
    (tmp_path / "x.npy").write_bytes(content)
    refuse(tmp_path / "x.npy", r"has version \(3, 0\) of \.npy; allowed: 1 and 2")
