"""Holds on files and folders: they last as long as their process, however it ends.

A hold is a lock of the kernel (`flock`), so a dead process holds nothing, and no pid
that was given anew is mistaken for it. Where there is none (Windows, some drives of a
network) nothing counts as held by us, and nothing is swept.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import stat
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spikewright.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: two runs are not kept apart
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""in a run's folder; says who is at work there, and is empty when nobody is"""
_WORK = ".work"
_MOST_BYTES = 4096


# --- a run's folder ------------------------------------------------------------------


@contextmanager
def folder_for_one(folder: Path, cure: str) -> Iterator[None]:
    """Hold a folder against every other run; a killed one lets go of it.

    Args:
        folder: exists.
        cure: what the second one is told to do instead.

    Raises:
        InputError: another process holds it, or it cannot be locked.
    """
    if fcntl is None:
        yield
        return
    lock = _open_lock(folder)
    try:
        _take(lock, folder, cure)
        _say_who(lock)
        try:
            yield
        finally:
            os.ftruncate(lock, 0)  # the same run leaves the same bytes
    finally:
        os.close(lock)


@contextmanager
def wait_for(lock: Path) -> Iterator[None]:
    """Hold a lock file; wait while another process holds it.

    Raises:
        InputError: it cannot be made or locked.
    """
    if fcntl is None:
        yield
        return
    try:
        way = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        handle = os.open(lock, way, 0o600)
    except OSError as error:
        raise InputError(f"{lock}: cannot be locked: {error.strerror}") from error
    try:
        _wait(handle, lock)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, lock: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise InputError(
            f"{lock}: its drive knows no locks ({error.strerror}); choose a folder on "
            "another drive"
        ) from error


def _open_lock(folder: Path) -> int:
    try:
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written: {error.strerror}; choose another folder"
        ) from error


def _take(lock: int, folder: Path, cure: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"{folder}: another run is at work here ({_who(lock)}); {cure}"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: its drive knows no locks ({error.strerror}), so two runs could "
            "spoil each other's files; choose a folder on another drive"
        ) from error


def _say_who(lock: int) -> None:
    who = {"pid": os.getpid(), "host": platform.node()}
    os.ftruncate(lock, 0)
    with suppress(OSError):  # a full disk; the lock holds all the same
        os.pwrite(lock, (json.dumps(who) + "\n").encode(), 0)


def _who(lock: int) -> str:
    """Return who says to hold a lock."""
    try:
        who = json.loads(os.pread(lock, _MOST_BYTES, 0))
        return f"process {int(who['pid'])} on {who['host']}"
    except (KeyError, OSError, TypeError, ValueError):
        return "a process that has not said which"


# --- what a dead process left --------------------------------------------------------


def make_held(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """Make a file or folder, and hold it until its descriptor is closed.

    Returns:
        Its path and the descriptor; None where nothing can be held.
    """
    while True:
        path = make()
        handle = _hold(path, wait=True)  # for a sweep that came between
        if handle is not None or path.exists():
            return path, handle


def sweep(paths: Iterable[Path]) -> None:
    """Remove files and folders that nobody holds: whoever made them is dead."""
    for path in paths:
        handle = _hold(path, wait=False)
        if handle is None:
            continue
        with suppress(OSError):  # not ours to remove
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        os.close(handle)


def _hold(path: Path, *, wait: bool) -> int | None:
    """Return a descriptor that holds a thing; None if it cannot, or it is gone."""
    if fcntl is None:
        return None
    with suppress(OSError):
        way = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR
        handle = os.open(path, way | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            _lock(handle, wait=wait)
            if os.fstat(handle).st_nlink:
                return handle
        except OSError:
            pass
        os.close(handle)
    return None


def _lock(handle: int, *, wait: bool) -> None:
    """Lock a folder by `flock`; a file not, since HDF5 locks by it what it writes."""
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise OSError(errno.ENOLCK, "no locks of open files")
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    # struct flock: kind, whence, start, length (0: all of it), no pid
    whole = struct.pack("@hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(handle, command, whole)


@contextmanager
def work_folder(purpose: str) -> Iterator[Path]:
    """Yield a private folder for temporary files; those of dead processes go first.

    Args:
        purpose: becomes part of its name.
    """
    before = f"spikewright-{purpose}-"
    sweep(Path(tempfile.gettempdir()).glob(f"{before}*{_WORK}"))
    path, handle = make_held(lambda: Path(tempfile.mkdtemp(_WORK, before)))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if handle is not None:
            os.close(handle)
