"""Read what lies in a checkpoint folder, strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from spikewright.errors import InputError

Model = TypeVar("Model", bound=PreTrainedModel)

_RAISED = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)
"""what transformers raises on configurations and weights that are damaged (measured by
fuzzing)"""
_LAYERS = ("num_hidden_layers", "blocks")
_SHOWN = 400
"""characters of its words"""


def load_whole(folder: Path, kind: type[Model]) -> Model:
    """Load a model in evaluation mode, strictly: every weight must be there.

    Raises:
        InputError: it cannot be loaded, or a weight is missing or left over.
    """
    try:
        _check_layers(folder)
        loaded = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True
        )
    except _RAISED as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:_SHOWN]
        raise InputError(
            f"{folder}: cannot be loaded ({words}); export or train it again"
        ) from error
    model, info = loaded[0], loaded[1]  # type: ignore[index]  # a pair, with info
    wrong = {k: sorted(info[k]) for k in ("missing_keys", "unexpected_keys") if info[k]}
    if wrong:
        raise InputError(
            f"{folder}: model.safetensors does not fit config.json: {wrong}"
        )
    assert isinstance(model, kind)  # noqa: S101 - it loaded its own kind
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _check_layers(folder: Path) -> None:
    """Compare the layers with the weights: of each, modules are made before it fails.

    Raises:
        ValueError: the configuration has more layers than there are weights.
        InputError: it is no configuration.
        OSError, SafetensorError: the weights cannot be read.
    """
    path, config = folder / "model.safetensors", read_json(folder / "config.json")
    if not path.is_file():
        return  # there are several, or none, as transformers will tell
    with safe_open(path, framework="np") as file:
        weights = len(file.keys())
    for key in _LAYERS:
        if isinstance(layers := config.get(key), int) and layers > weights:
            raise ValueError(
                f"config.json has {key} {layers}, but {path.name} holds only {weights} "
                "weights"
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value
