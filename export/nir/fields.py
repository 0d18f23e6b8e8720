"""The fields of every kind of NIR node, and whether those in a file can be read.

Everything here looks at names, types and shapes; no value is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import h5py

from spikewright.errors import GraphError
from spikewright.export.graphs.shapes import check_alike
from spikewright.export.nir.stored import check_stored

Datasets = dict[str, Any]
"""the fields of a node, as h5py datasets"""
_LONGEST_WORD = 4096
"""bytes that a string of a fixed length may declare"""


@dataclass(frozen=True)
class _Fields:
    """What a node of one kind holds; arrays of `alike` share one shape."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    alike: bool = False


_CONVOLUTION = _Fields(
    ("weight", "bias", "stride", "padding", "dilation", "groups"), ("input_shape",)
)
_POOL = _Fields(("kernel_size", "stride", "padding"))
FIELDS: Mapping[str, _Fields] = MappingProxyType(
    {
        "Input": _Fields(("shape",)),
        "Output": _Fields(("shape",)),
        "Affine": _Fields(("weight", "bias")),
        "Linear": _Fields(("weight",)),
        "Conv1d": _CONVOLUTION,
        "Conv2d": _CONVOLUTION,
        "SumPool2d": _POOL,
        "AvgPool2d": _POOL,
        "Scale": _Fields(("scale",)),
        "Flatten": _Fields(("start_dim", "end_dim"), ("input_type",)),
        "Delay": _Fields(("delay",)),
        "LIF": _Fields(("tau", "r", "v_leak", "v_threshold"), ("v_reset",), alike=True),
        "IF": _Fields(("r", "v_threshold"), ("v_reset",), alike=True),
        "LI": _Fields(("tau", "r", "v_leak"), alike=True),
        "I": _Fields(("r",)),
        "CubaLIF": _Fields(
            ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"),
            ("v_reset", "w_in"),
            alike=True,
        ),
        "CubaLI": _Fields(("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",), alike=True),
        "Threshold": _Fields(("threshold",)),
    }
)
"""every kind of node with values that spikewright reads and writes"""
KINDS = (*FIELDS, "NIRGraph")

OPTIONS = frozenset(
    {
        *("stride", "padding", "dilation", "groups", "kernel_size"),
        *("start_dim", "end_dim", "input_shape"),
    }
)
"""fields of one or two whole numbers; the padding may be a word"""
SHAPES = frozenset({"shape", "input_type"})
"""fields that are a shape"""
_INFERRED = frozenset({"input_shape", "input_type"})
"""what a file may leave open: it follows from what arrives"""
_AXES = MappingProxyType({"Conv1d": 1, "Conv2d": 2})


def open_fields(name: str, kind: str, group: Any) -> Datasets:
    """Open the fields of a node that hold a value, after looking at all of them.

    Raises:
        GraphError: a field is missing, unknown, of a wrong type or of a wrong shape.
    """
    fields = FIELDS[kind]
    found = set(group) - {"type", "metadata"}
    allowed = {*fields.needed, *fields.optional}
    if not set(fields.needed) <= found <= allowed:
        raise GraphError(
            f"node '{name}': a {kind} has the fields {', '.join(sorted(allowed))}, "
            f"got {', '.join(sorted(found)) or 'none'}; export the model again"
        )
    if stray := stray_link(group):
        raise GraphError(
            f"node '{name}': {stray}; allowed: values in the file itself; export the "
            "model again"
        )
    opened = {field: group[field] for field in sorted(found)}
    for field in sorted(found & _INFERRED):
        if getattr(opened[field], "shape", ()) is None:
            del opened[field]
    for field, dataset in opened.items():
        _check_type(name, kind, field, dataset)
        _check_extent(name, kind, field, dataset)
    _check_weight(name, kind, opened)
    if fields.alike:
        check_alike(name, kind, _shapes(opened))
    return opened


def stray_link(group: Any) -> str:
    """Describe the first member of a group that is a link elsewhere, or return "".

    h5py would follow it, out of the file, too.
    """
    for member in group:
        link = group.get(member, getlink=True)
        if not isinstance(link, h5py.HardLink):
            return f"{member} is a link to {link.path}"
    return ""


def is_text(dataset: Any) -> bool:
    """Tell whether a dataset holds strings; its type alone is looked at."""
    return h5py.check_string_dtype(dataset.dtype) is not None


def is_word(dataset: Any) -> bool:
    """Tell whether a dataset is one string of its file, and not a huge one."""
    return (
        isinstance(dataset, h5py.Dataset)
        and dataset.shape == ()
        and is_text(dataset)  # HDF5 crashes on reading some damaged types
        and dataset.dtype.itemsize <= _LONGEST_WORD
        and not (dataset.is_virtual or dataset.external)
    )


def _check_type(name: str, kind: str, field: str, dataset: Any) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise GraphError(
            f"node '{name}': {field} holds no value; export the model again"
        )
    if field == "padding" and kind in _AXES and is_word(dataset):
        return
    if dataset.dtype.kind not in "iuf" or dataset.dtype.itemsize > 8:
        raise GraphError(
            f"node '{name}': {field} is of type {dataset.dtype}; allowed: integer or "
            "floating point of up to 64 bits; convert it and export again"
        )
    check_stored(f"node '{name}': {field}", dataset)


def _check_extent(name: str, kind: str, field: str, dataset: Any) -> None:
    shape = dataset.shape
    if field in OPTIONS:
        most = 2 if "2d" in kind else 1
        if len(shape) > 1 or not 1 <= dataset.size <= most:
            raise GraphError(
                f"node '{name}': {field} of a {kind} has shape {shape}; allowed: one "
                f"number{', or one for rows and one for columns' * (most > 1)}; "
                "export the model again"
            )
    elif field == "w_in" and shape == ():
        return  # as nir itself reads it
    elif not shape or 0 in shape:
        raise GraphError(
            f"node '{name}': {field} has shape {shape}; allowed: one dimension "
            "or more, none of them 0; write parameters at the full shape of the node"
        )


def _check_weight(name: str, kind: str, datasets: Datasets) -> None:
    weight = datasets.get("weight")
    if weight is None:
        return
    if kind in {"Affine", "Linear"} and weight.ndim < 2:
        raise GraphError(
            f"node '{name}': weight has shape {weight.shape}; allowed: "
            "(…, targets, sources); export the model again"
        )
    axes = _AXES.get(kind)
    if axes and weight.ndim != axes + 2:
        taps = ", rows, columns" if axes == 2 else ", taps"
        raise GraphError(
            f"node '{name}': weight has shape {weight.shape}; allowed: (target "
            f"channels, source channels / groups{taps}); export the model again"
        )


def _shapes(datasets: Datasets) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays; a single `w_in` stands for all neurons."""
    shapes: Iterable[tuple[str, tuple[int, ...]]] = (
        (field, dataset.shape) for field, dataset in datasets.items()
    )
    return {field: shape for field, shape in shapes if shape or field != "w_in"}
