"""What no module of ours may do: run what it reads, or reach for the network."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
_RUNS, _MAKES = "runs code of what it reads", "makes objects of what it reads"
_REACHES, _STARTS, _SHELL = "reaches for the network", "runs code", "is a shell"
FORBIDDEN_IMPORTS = {
    **dict.fromkeys(("pickle", "_pickle", "cloudpickle", "dill", "joblib"), _RUNS),
    **dict.fromkeys(("marshal", "shelve"), _RUNS),
    **dict.fromkeys(("yaml", "ruamel"), _MAKES),
    **dict.fromkeys(("aiohttp", "ftplib", "http.client", "httpx"), _REACHES),
    **dict.fromkeys(("huggingface_hub", "requests", "smtplib", "socket"), _REACHES),
    **dict.fromkeys(("urllib.request", "urllib3", "webbrowser"), _REACHES),
    **dict.fromkeys(("code", "codeop", "pty", "runpy"), _STARTS),
}
FORBIDDEN_CALLS = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), _STARTS),
    **dict.fromkeys(("os.system", "os.popen"), _SHELL),
    **dict.fromkeys(("subprocess.getoutput", "subprocess.getstatusoutput"), _SHELL),
    "asyncio.create_subprocess_shell": _SHELL,
    "tempfile.mktemp": "names a file that another may make first",
    "torch.save": "pickles; take safetensors",
}
FORBIDDEN_METHODS = {
    "extractall": "writes where the archive says",
    "read_pickle": _RUNS,
    "to_pickle": "pickles",
}
MUST_SAY = {
    "torch.load": "weights_only",
    "numpy.load": "allow_pickle",
    "numpy.save": "allow_pickle",
    "numpy.lib.format.write_array": "allow_pickle",
    "numpy.lib.format.read_array": "allow_pickle",
}
"""calls that are safe only if they say so: what a library does by default may change"""
ONLY_VALUE = {
    "allow_pickle": False,
    "shell": False,
    "trust_remote_code": False,
    "use_safetensors": True,
    "weights_only": True,
}
"""keywords -> the one value that may be given, by any call"""


def _house() -> ModuleType:
    path = Path(__file__).with_name("test_architecture.py")
    spec = spec_from_file_location("modules_of_the_house", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES: list[str] = _house().MODULES
SCRIPTS = [
    str(path.relative_to(ROOT))
    for folder in ("benchmarks", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


# --- what a module calls -------------------------------------------------------------


def _names(tree: ast.AST) -> dict[str, str]:
    """Names in a module -> what they are called where they come from."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                for each in names:
                    top = each.name.partition(".")[0]
                    found[each.asname or top] = each.name if each.asname else top
            case ast.ImportFrom(str(module), names):
                for each in names:
                    found[each.asname or each.name] = f"{module}.{each.name}"
            case ast.Assign([ast.Name(name)], ast.Call(_, [ast.Constant(str(module))])):
                if _last(node.value.func) == "import_module":  # type: ignore[attr-defined]
                    found[name] = module
    return found


def _last(node: ast.expr) -> str:
    match node:
        case ast.Attribute(_, attribute):
            return attribute
        case ast.Name(name):
            return name
    return ""


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return `numpy.load` for `np.load`; empty for a method of a value."""
    match node:
        case ast.Name(name):
            return names.get(name, name)
        case ast.Attribute(value, attribute):
            owner = _dotted(value, names)
            return f"{owner}.{attribute}" if owner else ""
    return ""


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from ((node.lineno, each.name) for each in names)
            case ast.ImportFrom(str(module), names):
                yield from ((node.lineno, f"{module}.{each.name}") for each in names)
            case ast.Call(func, [ast.Constant(str(module)), *_]):
                if _last(func) == "import_module":
                    yield node.lineno, module


def breaches(text: str) -> list[str]:
    """Return every breach of the rules in a module's text."""
    tree = ast.parse(text)
    found = [
        f"line {line}: import {name}: {why}"
        for line, name in _imported(tree)
        for forbidden, why in FORBIDDEN_IMPORTS.items()
        if f"{name}.".startswith(f"{forbidden}.")
    ]
    names = _names(tree)
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    for call in calls:
        found += (f"line {call.lineno}: {each}" for each in _wrong(call, names))
    return found


def _wrong(call: ast.Call, names: dict[str, str]) -> Iterator[str]:
    called, method = _dotted(call.func, names), _last(call.func)
    said = {each.arg: each.value for each in call.keywords if each.arg}
    if called in FORBIDDEN_CALLS:
        yield f"{called}: {FORBIDDEN_CALLS[called]}"
    if isinstance(call.func, ast.Attribute) and method in FORBIDDEN_METHODS:
        yield f"{method}: {FORBIDDEN_METHODS[method]}"
    for keyword, value in said.items():
        if keyword in ONLY_VALUE and not _is(value, ONLY_VALUE[keyword]):
            yield f"{keyword}= must be {ONLY_VALUE[keyword]}"
    for keyword in _needed(called, method):
        if keyword not in said:
            yield f"{called or method} must say {keyword}={ONLY_VALUE[keyword]}"
    if called.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
        yield f"{called}: starts a program; take subprocess"
    if called.startswith("subprocess.") and call.args and _is_text(call.args[0]):
        yield f"{called}: give a list of words"


def _needed(called: str, method: str) -> Iterator[str]:
    if called in MUST_SAY:
        yield MUST_SAY[called]
    if method == "from_pretrained":
        owner = called.rpartition(".")[0].rpartition(".")[2]
        if "Tokenizer" not in owner:
            yield "use_safetensors"  # a model's weights may be a pickle
        if owner.startswith("Auto"):
            yield "trust_remote_code"  # else a terminal is asked


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_text(node: ast.expr) -> bool:
    is_constant = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return is_constant or isinstance(node, ast.JoinedStr)


# --- the rules -----------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_no_module_runs_what_it_reads(module: str) -> None:
    assert breaches((ROOT / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_benchmark_or_tutorial_does_either(script: str) -> None:
    found = breaches((ROOT / script).read_text(encoding="utf-8"))
    # they read arrays that they made themselves, and numpy's default refuses pickles
    assert [each for each in found if "allow_pickle=False" not in each] == []


def test_what_a_training_resumes_from_makes_weights_only() -> None:
    """Its Trainer reads optimizer.pt, scheduler.pt and rng_state.pth by torch."""
    found = find_spec("transformers")
    if found is None or found.origin is None:
        pytest.skip("needs transformers")
    text = Path(found.origin).with_name("trainer.py").read_text(encoding="utf-8")
    assert text.count("torch.load(") > 5
    assert [each for each in breaches(text) if "torch.load" in each] == []
    assert [each for each in breaches(text) if "weights_only" in each] == []


def test_torch_is_none_whose_weights_only_ran_code() -> None:
    """Before 2.6 it did: CVE-2025-32434."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (torch,) = (
        each
        for each in project["optional-dependencies"]["train"]
        if each.startswith("torch")
    )
    major, minor = torch.removeprefix("torch>=").split(".")
    assert (int(major), int(minor)) >= (2, 6)


BAD = [
    "import pickle",
    "from pickle import loads",
    "import pickle as p",
    "import joblib",
    "from importlib import import_module\nimport_module('marshal')",
    "import importlib\nimportlib.import_module('cloudpickle')",
    "import yaml",
    "import socket",
    "import urllib.request",
    "from urllib import request",
    "from http import client",
    "from http.client import HTTPConnection",
    "import requests",
    "from huggingface_hub import snapshot_download",
    "eval('1')",
    "exec(text)",
    "compile(text, '', 'exec')",
    "__import__(name)",
    "import os\nos.system('ls')",
    "from os import system\nsystem('ls')",
    "import os as o\no.popen('ls')",
    "import os\nos.execvp('ls', ['ls'])",
    "import subprocess\nsubprocess.run('ls', shell=True)",
    "import subprocess\nsubprocess.run(words, shell=is_shell)",
    "import subprocess\nsubprocess.run('ls')",
    "from subprocess import Popen\nPopen(f'ls {name}')",
    "import subprocess\nsubprocess.getoutput('ls')",
    "import torch\ntorch.load(path)",
    "import torch\ntorch.load(path, weights_only=False)",
    "from torch import load\nload(path)",
    "from importlib import import_module\nt = import_module('torch')\nt.load(path)",
    "import torch\ntorch.save(x, path)",
    "import numpy as np\nnp.load(path)",
    "import numpy as np\nnp.load(path, allow_pickle=True)",
    "import numpy as np\nnp.save(path, x)",
    "from numpy import load\nload(path)",
    "read(path, allow_pickle=True)",
    "Kind.from_pretrained(name)",
    "Kind.from_pretrained(name, use_safetensors=False)",
    "Kind.from_pretrained(name, use_safetensors=True, trust_remote_code=True)",
    "from transformers import AutoModel\n"
    "AutoModel.from_pretrained(name, use_safetensors=True)",
    "from transformers import AutoTokenizer\nAutoTokenizer.from_pretrained(name)",
    "import tempfile\ntempfile.mktemp()",
    "from tempfile import mktemp\nmktemp()",
    "archive.extractall(folder)",
    "frame.to_pickle(path)",
]
GOOD = [
    "from urllib.parse import quote",
    "import re\nre.compile('x')",
    "import torch\ntorch.compile(model)",
    "import torch\ntorch.load(path, weights_only=True)",
    "import numpy as np\nnp.load(path, allow_pickle=False)",
    "import subprocess\nsubprocess.run(['ls', name])",
    "import tempfile\ntempfile.mkstemp()",
    "model.eval()",
    "Kind.from_pretrained(name, use_safetensors=True)",
    "from transformers import AutoTokenizer\n"
    "AutoTokenizer.from_pretrained(name, trust_remote_code=False)",
]


@pytest.mark.parametrize("text", BAD)
def test_the_rules_see(text: str) -> None:
    assert breaches(text)


@pytest.mark.parametrize("text", GOOD)
def test_the_rules_let_be(text: str) -> None:
    assert breaches(text) == []
