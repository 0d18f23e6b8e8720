"""A node of an ONNX graph whose shapes are known, and what its inputs are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, TypeAlias

import onnx

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.export.onnx.roles import Roles, bits_of, type_name
from spikewright.export.onnx.shapes import Tensors, attributes
from spikewright.values import Shape

FACTORS: Mapping[str, tuple[int, int]] = MappingProxyType(
    dict.fromkeys(("QLinearMatMul", "QLinearConv", "QGemm", "QLinearAdd"), (0, 3))
)
"""where the two operands are, if they are not the first two inputs"""


@dataclass(frozen=True)
class Call:
    """A node and the tensors around it."""

    node: onnx.NodeProto
    tensors: Tensors
    roles: Roles

    def given(self, index: int) -> bool:
        """Say whether there is such an input."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def shape(self, index: int) -> Shape:
        """Return the shape of an input.

        Raises:
            InputError: it does not follow from the shapes of the inputs.
        """
        return self._known(self.node.input[index])

    @property
    def out(self) -> int:
        """How many numbers the first output has."""
        return prod(self._known(self.node.output[0]))

    @property
    def options(self) -> Mapping[str, Any]:
        """The attributes of the node."""
        return attributes(self.node)

    @property
    def signals(self) -> list[str]:
        """The inputs that are signals, one as often as it is an input."""
        return [name for name in self.node.input if name in self.roles.signals]

    @property
    def weight(self) -> str | None:
        """The operand that is a weight, None if there is none."""
        for index in reversed(FACTORS.get(self.node.op_type, (0, 1))):
            if self.given(index) and self.node.input[index] in self.roles.weights:
                return str(self.node.input[index])
        return None

    def product(self, macs: int, biases: int = 0) -> OperationCount:
        """Count a product, whose weights are read once a MAC."""
        weight = self.weight
        bits = self.roles.stored_bits(weight) if weight is not None else 0
        return OperationCount(
            macs=macs, bias_additions=biases, weight_bits_read=macs * bits
        )

    @property
    def read(self) -> int:
        """Bits of the signals that go in."""
        return sum(self._bits(name) for name in self.signals)

    @property
    def written(self) -> int:
        """Bits of the first output."""
        return self._bits(self.node.output[0])

    def multiplied(self, count: OperationCount) -> Mapping[str, int]:
        """Return the MACs of this node by the types that are multiplied.

        A weight has the type in which it is stored; so a graph that dequantizes its
        weights before it multiplies them has MACs of float32 x int8.
        """
        if not count.macs:
            return {}
        weight = self.weight
        first = self.signals[0] if self.signals else self.node.input[0]
        is_rounded = self.node.op_type == "DynamicQuantizeMatMul"
        ours = "uint8" if is_rounded else type_name(self._kind(first))
        if weight is None:
            return {f"{ours} x {ours}": count.macs}
        fetched = count.weight_bits_read // self.roles.stored_bits(weight)
        found = {f"{ours} x {type_name(self.roles.weights[weight])}": fetched}
        inside = {f"{ours} x {ours}": count.macs - fetched}
        return found if fetched == count.macs else found | inside

    def _bits(self, name: str) -> int:
        return bits_of(self._kind(name)) * prod(self._known(name))

    def _kind(self, name: str) -> int:
        """Return the type of a tensor; unknown ones are float32."""
        return self.tensors.kinds.get(name, onnx.TensorProto.FLOAT)

    def _known(self, name: str) -> Shape:
        if name not in self.tensors.shapes:
            raise InputError(
                f"node '{self.node.name}' ({self.node.op_type}): the shape of '{name}' "
                "does not follow from batch and tokens; export the model without "
                "operators whose shape depends on the data, or with a fixed size"
            )
        return self.tensors.shapes[name]


Rule: TypeAlias = Callable[[Call], OperationCount]


def exponential(call: Call) -> OperationCount:
    """Count an exponential, or a function as costly, for each result."""
    return OperationCount(exp_elements=call.out)


def softmax(call: Call) -> OperationCount:
    """Count an exponential and a division for each result."""
    return OperationCount(exp_elements=call.out, divisions=call.out)
