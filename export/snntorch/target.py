"""A module that a user names: FILE.py:NAME or package.module:NAME.

Naming it asks for its Python code to be run, as `python FILE.py` would.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import random
import sys
import sysconfig
import traceback
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType

import numpy as np
import torch
from torch import nn

from spikewright.errors import InputError, SpikewrightError
from spikewright.export.snntorch.record.arguments import unwrapped

_LOADED_AS = "__export__"
"""name of a file's module, as `__main__` is that of a script"""
_LIBRARIES = tuple(
    f"{sysconfig.get_path(each)}/" for each in ("stdlib", "purelib", "platlib")
)
_WANTED = "an nn.Module, or a class or function without arguments that gives one"
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Target:
    """What a user names."""

    where: str
    """FILE.py or package.module"""
    name: str
    """in it"""

    @property
    def file(self) -> Path | None:
        """The file, if it is one that is named."""
        return Path(self.where) if self.where.endswith(".py") else None

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"


def read_target(text: str) -> Target:
    """Take FILE.py:NAME or package.module:NAME apart.

    Raises:
        InputError: it is neither.
    """
    where, _, name = text.rpartition(":")
    is_file = where.endswith(".py")
    if not name.isidentifier() or not (
        is_file or all(part.isidentifier() for part in where.split("."))
    ):
        raise InputError(
            f"{text}: names no module; allowed: FILE.py:NAME or package.module:NAME"
        )
    return Target(where, name)


@dataclass
class UsersCode:
    """A block in which the code of a target runs.

    Inside, its folder comes first on the path and what it prints goes to stderr. What
    it raises becomes one line with the type, the message and the line of its file, and
    our own refusals say from which line they come.
    """

    target: Target
    _undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> UsersCode:
        file = self.target.file
        folder = str(Path.cwd() if file is None else file.resolve().parent)
        path, writes = list(sys.path), sys.dont_write_bytecode
        self._undo.callback(setattr, sys, "path", path)
        self._undo.callback(setattr, sys, "dont_write_bytecode", writes)
        self._undo.enter_context(redirect_stdout(sys.stderr))
        sys.path, sys.dont_write_bytecode = [folder, *path], True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()
        if isinstance(error, SpikewrightError):
            cause = error.__cause__.__traceback__ if error.__cause__ else None
            line = self._line(cause) or self._line(trace)
            error.args = (_one_line(error) + (f" ({line})" if line else ""),)
        elif isinstance(error, Exception | SystemExit):
            line = _line_of_syntax(error) or self._line_of_error(trace)
            if line:
                raise InputError(
                    f"{self.target}: raised {type(error).__name__}: "
                    f"{_one_line(error)} ({line}); correct it there"
                ) from error

    def _line_of_error(self, trace: TracebackType | None) -> str:
        """Return the line that raised, unless the error is one of ours."""
        frames = [frame for frame, _ in traceback.walk_tb(trace)]
        last = frames[-1].f_globals.get("__name__", "") if frames else ""
        return "" if last.startswith("spikewright.") else self._line(trace)

    def _line(self, trace: TracebackType | None) -> str:
        """Return the innermost line of the user's own."""
        for frame, number in reversed(list(traceback.walk_tb(trace))):
            module = str(frame.f_globals.get("__name__", ""))
            if self._is_users(module, frame.f_code.co_filename):
                return f"{_shown(frame.f_code.co_filename)}:{number}"
        return ""

    def _is_users(self, module: str, file: str) -> bool:
        top = module.partition(".")[0]
        if top in (_LOADED_AS, self.target.where.partition(".")[0]):
            return True
        is_library = file.startswith((*_LIBRARIES, "<"))
        return top != "spikewright" and not is_library


def load_module(target: Target, *, seed: int = 0) -> nn.Module:
    """Run the code of a target and return its module in eval mode.

    To be called inside `UsersCode`.

    Args:
        target: what is named.
        seed: of torch's, numpy's and Python's random numbers, for new weights.

    Raises:
        InputError: it is not there, or gives no module.
    """
    if not 0 <= seed <= _LARGEST_SEED:
        raise InputError(f"--seed {seed}: must be 0 to 2**32 - 1")
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    code = _import_package(target) if target.file is None else _import_file(target.file)
    if not hasattr(code, target.name):
        raise InputError(
            f"{target.where}: has no '{target.name}'; it has {_offered(code)}"
        )
    return unwrapped(_made(target, getattr(code, target.name)).eval())


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    spec = importlib.util.spec_from_file_location(_LOADED_AS, file)
    assert spec is not None and spec.loader is not None  # noqa: S101 - it ends in .py
    code = importlib.util.module_from_spec(spec)
    sys.modules[_LOADED_AS] = code  # where dataclasses look for it
    spec.loader.exec_module(code)
    return code


def _import_package(target: Target) -> ModuleType:
    try:
        return importlib.import_module(target.where)
    except ModuleNotFoundError as error:
        if error.name and f"{target.where}.".startswith(f"{error.name}."):
            raise InputError(
                f"{target}: there is no module '{error.name}' here or installed; for a "
                "file write FILE.py:NAME"
            ) from None
        raise


def _offered(code: ModuleType) -> str:
    """List the names that may be meant."""
    found = [
        name
        for name, value in vars(code).items()
        if isinstance(value, nn.Module)
        or (callable(value) and getattr(value, "__module__", "") == code.__name__)
    ]
    return ", ".join(found) or "nothing that could be one"


def _made(target: Target, found: object) -> nn.Module:
    if not isinstance(found, nn.Module) and callable(found):
        _check_needs_nothing(target, found)
        found = found()
    if not isinstance(found, nn.Module):
        raise InputError(
            f"{target}: gives {type(found).__name__}; allowed: {_WANTED}; return it"
        )
    return found


def _check_needs_nothing(target: Target, found: object) -> None:
    assert callable(found)  # noqa: S101 - checked by the caller
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{target}: {error}; allowed: {_WANTED}; write one that fills it in"
        ) from None


# --- what an error says --------------------------------------------------------------


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _line_of_syntax(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}"
    return ""


def _shown(file: str) -> str:
    """Return a path as seen from here, if it lies below."""
    path = Path(file).resolve()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
