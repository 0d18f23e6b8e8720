"""The wheel holds all of the checkout (a new sub-package is easily missed)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("train", "export", "simulate", "hardware_profiles")
STUDENT = "spikewright/train/students/sst2_chip"
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _sources() -> set[str]:
    """Names in the wheel of every module and data file of the checkout."""
    core = ROOT / "src" / "spikewright"
    inside = [path for room in ("cli", "plots") for path in (core / room).rglob("*")]
    ours = [*core.glob("*.py"), *(p for p in inside if p.suffix in {".py", ".toml"})]
    wanted = {f"spikewright/{path.relative_to(core)}" for path in ours}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".toml"} or "students" in path.parts:
                wanted.add(f"spikewright/{path.relative_to(ROOT)}")
    return {name for name in wanted if (_place(name)).is_file()}


def _place(name: str) -> Path:
    inside = Path(name).relative_to("spikewright")
    return (ROOT if inside.parts[0] in FOLDERS else ROOT / "src/spikewright") / inside


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel, built from a copy: pip writes build/ into the tree it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    ignore = shutil.ignore_patterns(".*", "build", "tests", "runs", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignore)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "-w", str(folder), str(copy)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    assert _sources() - set(wheel.namelist()) == set()


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "card.json"]
)
def test_the_wheel_holds_the_shipped_student(wheel: zipfile.ZipFile, name: str) -> None:
    path = f"{STUDENT}/{name}"
    assert wheel.read(path) == _place(path).read_bytes()


def test_the_wheel_marks_itself_as_typed(wheel: zipfile.ZipFile) -> None:
    assert "spikewright/py.typed" in wheel.namelist()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    ours = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert ours - _sources() <= {"spikewright/py.typed"}


def test_the_script_is_the_command_line(wheel: zipfile.ZipFile) -> None:
    (entry,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "spikewright = spikewright.cli:main" in wheel.read(entry).decode()


def test_every_package_is_listed() -> None:
    listed = set(CONFIG["tool"]["setuptools"]["packages"])
    found = {str(Path(name).parent).replace("/", ".") for name in _modules_of_sources()}
    assert found == listed


def _modules_of_sources() -> set[str]:
    return {name for name in _sources() if name.endswith(".py")}


def test_every_folder_on_top_is_mapped() -> None:
    mapped = CONFIG["tool"]["setuptools"]["package-dir"]
    assert mapped == {
        "spikewright": "src/spikewright",
        **{f"spikewright.{folder}": folder for folder in FOLDERS},
    }
