"""Who may import whom, and what is heavy; and the rules of the house."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import spikewright
from spikewright.homes import HOMES

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "spikewright"
MAY_IMPORT = {
    "core": {"core"},
    "plots": {"core", "plots"},
    # plots: a report's page has pictures
    "hardware_profiles": {"core", "plots", "hardware_profiles"},
    # simulate: an exporter proves itself with the judge
    "export": {"core", "hardware_profiles", "simulate", "export"},
    "train": {"core", "train"},
    "simulate": {"core", "simulate"},
    "cli": {
        *("core", "plots", "hardware_profiles", "export", "train", "simulate"),
        "cli",
    },
}
FOLDERS = ("train", "export", "simulate", "hardware_profiles")
LAVA = ("simulate/lava_backend/engine/", "simulate/lava_backend/child.py")
SNNTORCH = ("export/from_snntorch.py", "export/to_snntorch.py", "export/snntorch/")
MAY_BE_IMPORTED_BY = {
    "accelerate": ("train/",),
    "cryptography": ("simulate/cluster/dask.py",),
    "dask": ("simulate/cluster/dask.py",),
    "datasets": ("train/texts/sources.py",),
    "distributed": ("simulate/cluster/dask.py",),
    "google": ("export/onnx/file.py",),
    "h5py": ("export/netx/", "export/nir/"),
    "lava": LAVA,
    "matplotlib": ("src/spikewright/plots/",),
    "nir": ("export/nir/",),
    "numpy": ("",),
    "onnx": ("export/onnx/",),
    "onnxruntime": ("export/onnx/export.py",),
    "rich": ("src/spikewright/cli/",),
    "safetensors": ("train/", "export/snntorch/files.py"),
    "scipy": ("src/spikewright/linear.py", "export/", "simulate/"),
    "shtab": ("src/spikewright/cli/verbs/completion.py",),
    "snntorch": ("train/", *SNNTORCH),
    "tokenizers": ("export/deployment/",),
    "torch": ("train/", "export/onnx/export.py", *SNNTORCH),
    "transformers": ("train/", "export/onnx/export.py"),
}
"""every package that is not Python's own -> where paths may start"""
LONGEST_FUNCTION, LONGEST_FILE = 40, 300
MOST_MODULES, MOST_IN_A_ROOM = 40, 25
CLI, INIT = "src/spikewright/cli", "__init__.py"
WITH_ROOMS = ("export", "hardware_profiles", "train", CLI)
"""folders whose sub-folders are rooms, each for one topic"""
BROAD_EXCEPT = {"export/deployment/encoder.py"}
"""tokenizers raises Exception itself, so nothing narrower can be caught"""


def _modules() -> list[str]:
    core = [path for path in CORE.rglob("*.py") if not _is_in_folder(path)]
    others = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in [*core, *others])


def _is_in_folder(path: Path) -> bool:
    """rglob may follow the four symlinks."""
    return path.relative_to(CORE).parts[0] in FOLDERS


MODULES = _modules()
every_module = pytest.mark.parametrize("module", MODULES)


def _room(module: str) -> str:
    parts = Path(module).parts
    if parts[0] in FOLDERS:
        return parts[0]
    if parts[2] in ("cli", "plots"):
        return parts[2]
    return "root" if parts[2] == "__init__.py" else "core"


def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def _imports(module: str) -> Iterator[str]:
    """Every module that is imported, also inside functions and by name."""
    for node in ast.walk(_tree(module)):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(name, names, 0):
                yield from (f"{name}.{alias.name}" for alias in names)
            case ast.ImportFrom():
                yield "."
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(name)]):
                yield str(name)


def test_the_modules_were_found() -> None:
    assert {_room(module) for module in MODULES} == {*MAY_IMPORT, "root"}


@every_module
def test_imports_go_down_the_ladder(module: str) -> None:
    room = _room(module)
    for imported in _imports(module):
        assert imported != ".", f"{module}: relative import"
        top, _, rest = imported.partition(".")
        if top != "spikewright" or room == "root":
            continue
        first = rest.partition(".")[0]
        is_module = first in MAY_IMPORT or (CORE / f"{first}.py").is_file()
        assert is_module, f"{module} imports {imported} from the root: a cycle"
        target = first if first in MAY_IMPORT else "core"
        assert target in MAY_IMPORT[room], f"{module} imports {imported}"


@every_module
def test_heavy_packages_stay_where_they_belong(module: str) -> None:
    for imported in _imports(module):
        top = imported.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("spikewright", ""):
            continue
        assert top in MAY_BE_IMPORTED_BY, f"{module} imports {imported}: undeclared"
        places = MAY_BE_IMPORTED_BY[top]
        assert module.startswith(places), f"{module} imports {imported}"


# --- rooms inside a folder -----------------------------------------------------------


def _inner_room(path: Path, folder: str) -> str:
    """Return the sub-folder of a module; one that lies on top is a room of its own."""
    on_top = path.parent == Path(folder)
    return str(path.with_suffix("") if on_top else path.parent)


def _file_of(imported: str, folder: str) -> Path | None:
    """Return the file of the module in `spikewright.FOLDER.ROOM.MODULE.NAME`."""
    top, *parts = imported.split(".")
    if top != "spikewright" or parts[:1] != [Path(folder).name]:
        return None
    ends = range(len(parts), 0, -1)
    inside = (Path(folder, *parts[1:end]) for end in ends)
    places = (p for each in inside for p in (each.with_suffix(".py"), each / INIT))
    return next((place for place in places if (ROOT / place).is_file()), None)


def _inner_arrows(folder: str) -> Mapping[str, set[str]]:
    arrows: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        here = Path(module)
        if Path(folder) not in here.parents:
            continue
        for imported in _imports(module):
            there = _file_of(imported, folder)
            if there is not None:
                arrows[_inner_room(here, folder)].add(_inner_room(there, folder))
    return {room: others - {room} for room, others in arrows.items()}


@pytest.mark.parametrize("folder", WITH_ROOMS)
def test_rooms_inside_a_folder_import_each_other_in_no_circle(folder: str) -> None:
    arrows = _inner_arrows(folder)
    assert any(arrows.values())
    TopologicalSorter(arrows).prepare()  # a CycleError names the rooms of the circle


@pytest.mark.parametrize("folder", WITH_ROOMS)
def test_a_room_says_what_it_is_for_in_a_line_and_no_more(folder: str) -> None:
    for place in (ROOT / folder).rglob("*/__init__.py"):
        (only,) = _tree(str(place.relative_to(ROOT))).body
        assert only.lineno == only.end_lineno, place


def test_folders_hold_few_modules() -> None:
    folders = Counter(str(Path(module).parent) for module in MODULES)
    for folder, modules in folders.items():
        is_room = folder.startswith(WITH_ROOMS)
        assert modules <= (MOST_IN_A_ROOM if is_room else MOST_MODULES), folder


# --- house rules ---------------------------------------------------------------------


@every_module
def test_functions_are_short(module: str) -> None:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
            assert lines <= LONGEST_FUNCTION, f"{module}: {node.name} has {lines} lines"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


@every_module
def test_files_are_short(module: str) -> None:
    lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE


@every_module
def test_errors_are_caught_by_name(module: str) -> None:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ExceptHandler) and module not in BROAD_EXCEPT:
            names = ast.walk(node.type) if node.type else []
            caught = {each.id for each in names if isinstance(each, ast.Name)}
            assert node.type is not None, f"{module}:{node.lineno}: bare except"
            assert not caught & {"Exception", "BaseException"}, (
                f"{module}:{node.lineno}"
            )


@every_module
def test_modules_say_what_they_hold(module: str) -> None:
    assert Path(module).stem not in {"utils", "util", "helpers", "misc", "common"}
    assert ast.get_docstring(_tree(module)), f"{module}: no docstring"


# --- the package root ----------------------------------------------------------------


def _loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout))


def test_importing_spikewright_loads_nothing_heavy() -> None:
    heavy = {*MAY_BE_IMPORTED_BY, "scipy"} - {"numpy"}
    assert not heavy & _loaded_by("import spikewright")


def test_the_command_line_starts_light() -> None:
    heavy = {*MAY_BE_IMPORTED_BY, "scipy"}
    assert not heavy & _loaded_by(
        "import spikewright.cli.parser as p; p.build_parser()"
    )


def test_no_public_name_loads_torch_or_lava() -> None:
    names = "import spikewright as sw; [getattr(sw, name) for name in sw.__all__]"
    heavy = {"torch", "snntorch", "transformers", "accelerate", "lava", "rich"}
    assert not heavy & _loaded_by(names)


def test_no_public_name_hides_a_module() -> None:
    here = {path.stem for path in CORE.iterdir()} | {*FOLDERS, "cli"}
    assert not here & set(spikewright.__all__)


@pytest.mark.parametrize("name", spikewright.__all__)
def test_public_names_exist_and_say_what_they_are(name: str) -> None:
    value = getattr(spikewright, name)
    if not name.isupper():  # a constant has no name of its own
        assert value.__name__ == name
    assert value.__doc__


def test_the_root_lists_its_names_once_and_where_they_live() -> None:
    homes = {f"{module}.{name}" for module, names in HOMES.items() for name in names}
    imported = {
        f"{(node.module or '').removeprefix('spikewright.')}.{alias.name}"
        for node in ast.walk(_tree("src/spikewright/__init__.py"))
        if isinstance(node, ast.ImportFrom) and "spikewright" in (node.module or "")
        for alias in node.names
    }
    assert imported == homes | {"homes.HOME_OF"}
    assert sorted(name.rpartition(".")[2] for name in homes) == spikewright.__all__
    assert set(spikewright.__all__) <= set(dir(spikewright))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no 'simulat_e'; it has .* read_nir"):
        _ = spikewright.simulat_e
