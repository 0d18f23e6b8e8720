"""Spikewright: from a trained spiking model to an energy report.

    graph = sw.lower(sw.read_nir("student.nir"), dt_s=1e-4).graph
    trace = sw.run(graph, spikes, backend="lava")
    counts, profile = sw.count_operations(graph, trace), sw.load_profile("loihi1")
    sw.estimate_energy(counts, profile, arithmetic="fixed", samples=len(spikes))

Names are loaded when they are first used: `import spikewright` itself costs nothing.
What needs torch is not here but in `spikewright.train`, and for snnTorch modules in
`spikewright.export.from_snntorch` (export_snntorch) and `.to_snntorch` (import_nir).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikewright.counting import count_operations, row_of_nodes
    from spikewright.counts import OperationCount
    from spikewright.errors import (
        BackendMissingError,
        ConfigError,
        ExportMismatchError,
        GraphError,
        InputError,
        LavaRunError,
        OverflowDetectedError,
        ProfileError,
        SpikewrightError,
        UnsupportedNodeError,
        WorkerError,
    )
    from spikewright.export.attention import (
        coincidence_attention,
        respiked_attention,
        spike_driven_attention,
    )
    from spikewright.export.attention_parts import Projection, Projections
    from spikewright.export.attention_place import with_block
    from spikewright.export.attention_size import (
        AttentionSize,
        AttentionTooLargeError,
        coincidence_size,
    )
    from spikewright.export.deployment import (
        Deployment,
        read_deployment,
        write_deployment,
    )
    from spikewright.export.lower import Lowering, lower
    from spikewright.export.netx_io import (
        LayerFit,
        encode_netx,
        read_netx,
        read_netx_in_seconds,
        read_netx_input,
        round_to_netx,
        write_netx,
    )
    from spikewright.export.nir_io import read_nir, read_nir_dt, write_nir
    from spikewright.export.quantize_report import (
        QuantizationReport,
        quantization_report,
    )
    from spikewright.export.rounding import Quantization
    from spikewright.export.texts import encode_texts, logits_of
    from spikewright.export.time_step import deduce_dt_s
    from spikewright.files import read_graph, read_trace, write_graph, write_trace
    from spikewright.graph import Edge, Graph, Stage
    from spikewright.hardware_profiles.comparison import StudentWork
    from spikewright.hardware_profiles.energy import EnergyReport, estimate_energy
    from spikewright.hardware_profiles.limits import Limits, list_limits, load_limits
    from spikewright.hardware_profiles.placement import (
        Placement,
        PlacementCheck,
        check_placement,
    )
    from spikewright.hardware_profiles.profile import (
        HardwareProfile,
        list_profiles,
        load_profile,
    )
    from spikewright.hardware_profiles.report import ComparisonReport, compare
    from spikewright.hardware_profiles.teacher import (
        TransformerShape,
        count_teacher,
        count_teacher_sentences,
        find_teacher,
        read_teacher_config,
    )
    from spikewright.simulate.compare import compare_traces, spike_agreement
    from spikewright.simulate.integer import Batching
    from spikewright.simulate.lava_backend.job import LavaOptions
    from spikewright.simulate.ranges import measure_ranges
    from spikewright.simulate.run import Backend, run
    from spikewright.trace import Keep, SpikeTrace, TracePolicy

__all__ = [
    "AttentionSize",
    "AttentionTooLargeError",
    "Backend",
    "BackendMissingError",
    "Batching",
    "ComparisonReport",
    "ConfigError",
    "Deployment",
    "Edge",
    "EnergyReport",
    "ExportMismatchError",
    "Graph",
    "GraphError",
    "HardwareProfile",
    "InputError",
    "Keep",
    "LavaOptions",
    "LavaRunError",
    "LayerFit",
    "Limits",
    "Lowering",
    "OperationCount",
    "OverflowDetectedError",
    "Placement",
    "PlacementCheck",
    "ProfileError",
    "Projection",
    "Projections",
    "Quantization",
    "QuantizationReport",
    "SpikeTrace",
    "SpikewrightError",
    "Stage",
    "StudentWork",
    "TracePolicy",
    "TransformerShape",
    "UnsupportedNodeError",
    "WorkerError",
    "check_placement",
    "coincidence_attention",
    "coincidence_size",
    "compare",
    "compare_traces",
    "count_operations",
    "count_teacher",
    "count_teacher_sentences",
    "deduce_dt_s",
    "encode_netx",
    "encode_texts",
    "estimate_energy",
    "find_teacher",
    "list_limits",
    "list_profiles",
    "load_limits",
    "load_profile",
    "logits_of",
    "lower",
    "measure_ranges",
    "quantization_report",
    "read_deployment",
    "read_graph",
    "read_netx",
    "read_netx_in_seconds",
    "read_netx_input",
    "read_nir",
    "read_nir_dt",
    "read_teacher_config",
    "read_trace",
    "respiked_attention",
    "round_to_netx",
    "row_of_nodes",
    "run",
    "spike_agreement",
    "spike_driven_attention",
    "with_block",
    "write_deployment",
    "write_graph",
    "write_netx",
    "write_nir",
    "write_trace",
]

_HOMES = {
    "counting": ("count_operations", "row_of_nodes"),
    "counts": ("OperationCount",),
    "errors": (
        "BackendMissingError",
        "ConfigError",
        "ExportMismatchError",
        "GraphError",
        "InputError",
        "LavaRunError",
        "OverflowDetectedError",
        "ProfileError",
        "SpikewrightError",
        "UnsupportedNodeError",
        "WorkerError",
    ),
    "export.attention": (
        "coincidence_attention",
        "respiked_attention",
        "spike_driven_attention",
    ),
    "export.attention_parts": ("Projection", "Projections"),
    "export.attention_place": ("with_block",),
    "export.attention_size": (
        "AttentionSize",
        "AttentionTooLargeError",
        "coincidence_size",
    ),
    "export.deployment": ("Deployment", "read_deployment", "write_deployment"),
    "export.lower": ("Lowering", "lower"),
    "export.netx_io": (
        "LayerFit",
        "encode_netx",
        "read_netx",
        "read_netx_in_seconds",
        "read_netx_input",
        "round_to_netx",
        "write_netx",
    ),
    "export.nir_io": ("read_nir", "read_nir_dt", "write_nir"),
    "export.quantize_report": ("QuantizationReport", "quantization_report"),
    "export.rounding": ("Quantization",),
    "export.texts": ("encode_texts", "logits_of"),
    "export.time_step": ("deduce_dt_s",),
    "files": ("read_graph", "read_trace", "write_graph", "write_trace"),
    "graph": ("Edge", "Graph", "Stage"),
    "hardware_profiles.comparison": ("StudentWork",),
    "hardware_profiles.energy": ("EnergyReport", "estimate_energy"),
    "hardware_profiles.limits": ("Limits", "list_limits", "load_limits"),
    "hardware_profiles.placement": ("Placement", "PlacementCheck", "check_placement"),
    "hardware_profiles.profile": ("HardwareProfile", "list_profiles", "load_profile"),
    "hardware_profiles.report": ("ComparisonReport", "compare"),
    "hardware_profiles.teacher": (
        "TransformerShape",
        "count_teacher",
        "count_teacher_sentences",
        "find_teacher",
        "read_teacher_config",
    ),
    "simulate.compare": ("compare_traces", "spike_agreement"),
    "simulate.integer": ("Batching",),
    "simulate.lava_backend.job": ("LavaOptions",),
    "simulate.ranges": ("measure_ranges",),
    "simulate.run": ("Backend", "run"),
    "trace": ("Keep", "SpikeTrace", "TracePolicy"),
}
"""module -> the public names that live in it; a test compares it with the imports"""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # or type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Load a public name from its home."""
        if name not in _HOME_OF:
            raise AttributeError(
                f"spikewright has no '{name}'; it has {', '.join(__all__)}"
            )
        module = importlib.import_module(f"spikewright.{_HOME_OF[name]}")
        value = globals()[name] = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """List what can be used, loaded or not."""
        return sorted({*globals(), *__all__})
