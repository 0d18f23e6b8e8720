"""What is wrong with one key of a profile, so that a reader can find its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spikewright.errors import ProfileError
from spikewright.suggest import did_you_mean


class FieldError(ProfileError):
    """A key of a profile is wrong; `path` leads to it from the top of the file."""

    def __init__(self, path: Iterable[str], complaint: str) -> None:
        self.path, self.complaint = tuple(path), complaint
        where = ".".join(self.path)
        super().__init__(f"{where}{complaint}" if where else complaint.lstrip(": "))

    def within(self, *path: str) -> FieldError:
        """Return the same error of the same key, seen from further up."""
        return FieldError((*path, *self.path), self.complaint)


def check_word(
    name: str, got: str, allowed: tuple[str, ...] | Mapping[str, object]
) -> None:
    """Raise `ProfileError` unless `got` is among `allowed`."""
    if got not in allowed:
        raise ProfileError(f"{name} '{got}' is unknown; {suggest(got, allowed)}")


def suggest(got: str, allowed: Iterable[str]) -> str:
    """Say what is allowed, and which of it was probably meant."""
    words = tuple(allowed)
    return f"allowed: {', '.join(words)}{did_you_mean(got, words)}"
