"""Files are private until they are whole, and no link leads a write astray."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikewright.errors import InputError
from spikewright.whole_files import private_folder, usual_mode, whole_file, write_json


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# --- who may read --------------------------------------------------------------------


def test_a_file_is_private_until_it_is_whole(tmp_path: Path, umask: int) -> None:
    with whole_file(tmp_path / "x.txt") as temporary:
        assert _mode(temporary) == 0o600
        temporary.write_text("whole")
        assert _mode(temporary) == 0o600
    # 0o666 & ~0o027 = 0o640
    assert _mode(tmp_path / "x.txt") == 0o666 & ~umask


def test_a_folder_is_private_until_it_is_whole(tmp_path: Path, umask: int) -> None:
    with private_folder(tmp_path / "x") as temporary:
        assert _mode(temporary) == 0o700
        assert temporary.parent == tmp_path
        temporary.chmod(usual_mode(0o777))
        temporary.rename(tmp_path / "x")
    assert _mode(tmp_path / "x") == 0o777 & ~umask


def test_the_umask_stays_as_it_was(umask: int) -> None:
    assert usual_mode(0o777) == 0o777 & ~umask
    assert os.umask(umask) == umask


def test_a_file_that_replaces_another_takes_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.touch(0o600)
    before = os.umask(0o022)
    write_json(path, 1)
    os.umask(before)
    assert _mode(path) == 0o644


def test_a_folder_that_is_given_up_is_gone(tmp_path: Path) -> None:
    with pytest.raises(KeyError), private_folder(tmp_path / "x") as temporary:
        (temporary / "half").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []


# --- names and links -----------------------------------------------------------------


def test_nobody_can_know_the_name_before(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with whole_file(tmp_path / "x.txt") as temporary:
            names.add(temporary.name)
    assert len(names) == 20
    assert all(each.startswith(".x.txt.") for each in names)
    assert all(each.endswith(".part") for each in names)


def test_a_link_where_a_temporary_file_could_be_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, place = tmp_path / "victim", tmp_path / "place"
    victim.write_text("precious")
    place.mkdir()
    # the first name that is tried is a link; the second is free
    tried = iter(("guessed", "free"))
    monkeypatch.setattr("tempfile._get_candidate_names", lambda: tried)
    (place / ".x.json.guessed.part").symlink_to(victim)
    write_json(place / "x.json", 1)
    assert next(tried, None) is None
    assert victim.read_text() == "precious"
    assert (place / "x.json").read_text() == "1\n"


def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "x.json"
    victim.write_text("precious")
    path.symlink_to(victim)
    write_json(path, 1)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_text() == "1\n"


def test_a_link_to_nowhere_is_replaced_and_its_end_not_made(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to(tmp_path / "nowhere")
    write_json(tmp_path / "x.json", 1)
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]
    assert not (tmp_path / "x.json").is_symlink()


def test_a_link_to_a_device_or_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to(os.devnull)
    with pytest.raises(InputError, match="exists and is no file"):
        write_json(tmp_path / "x.json", 1)
    (tmp_path / "y.json").symlink_to(tmp_path)
    with pytest.raises(InputError, match="exists and is no file"):
        write_json(tmp_path / "y.json", 1)


def test_a_name_of_many_letters_has_a_temporary_one(tmp_path: Path) -> None:
    name = "é" * 127  # 254 bytes of the 255 that a name may have
    write_json(tmp_path / name, 1)
    assert [each.name for each in tmp_path.iterdir()] == [name]
