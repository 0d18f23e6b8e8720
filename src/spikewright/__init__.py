"""Spikewright: from a trained spiking model to an energy report.

    profile, bert = sw.load_profile("loihi1"), "bert-base-uncased"
    graph = sw.lower(sw.read_nir("student.nir"), profile, dt_s=1e-4).graph
    trace = sw.run(graph, sw.load_spikes("spikes.npz"), backend="lava")

    counts, cmos45 = sw.count_operations(graph, trace), sw.load_profile("cmos45")
    fp32 = {"profile": cmos45, "arithmetic": "fp32"}
    student = sw.estimate_energy(counts, samples=trace.samples, **fp32)
    macs = sw.teacher_counts(bert, tokens=128)
    teacher = sw.estimate_energy(macs, samples=1, **fp32)
    print(sw.compare(student, teacher).to_markdown())

or all that is known, memory and break-even and doubts included:

    wanted = sw.Wanted([cmos45, profile])
    baselines = sw.teacher_baselines(bert, 128, steps=trace.steps)
    print(sw.report_traces(graph, [(trace, None)], baselines, wanted).to_table())

Names are loaded when they are first used: `import spikewright` itself costs nothing.
What needs torch is not here but in `spikewright.train`, and for snnTorch modules in
`spikewright.export.from_snntorch` (export_snntorch) and `.to_snntorch` (import_nir).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from spikewright.homes import HOME_OF

if TYPE_CHECKING:
    from spikewright.counting import count_operations as count_operations
    from spikewright.counting import count_run as count_run
    from spikewright.counting import row_of_nodes as row_of_nodes
    from spikewright.counts import OperationCount as OperationCount
    from spikewright.errors import BackendMissingError as BackendMissingError
    from spikewright.errors import ConfigError as ConfigError
    from spikewright.errors import CountError as CountError
    from spikewright.errors import ExportMismatchError as ExportMismatchError
    from spikewright.errors import GraphError as GraphError
    from spikewright.errors import InputError as InputError
    from spikewright.errors import LavaRunError as LavaRunError
    from spikewright.errors import LimitsExceededError as LimitsExceededError
    from spikewright.errors import OverflowDetectedError as OverflowDetectedError
    from spikewright.errors import OverlapError as OverlapError
    from spikewright.errors import ProfileError as ProfileError
    from spikewright.errors import SpikewrightError as SpikewrightError
    from spikewright.errors import UnsupportedNodeError as UnsupportedNodeError
    from spikewright.errors import WorkerError as WorkerError
    from spikewright.export.attention.blocks import (
        coincidence_attention as coincidence_attention,
    )
    from spikewright.export.attention.blocks import (
        respiked_attention as respiked_attention,
    )
    from spikewright.export.attention.blocks import (
        spike_driven_attention as spike_driven_attention,
    )
    from spikewright.export.attention.parts import Projection as Projection
    from spikewright.export.attention.parts import Projections as Projections
    from spikewright.export.attention.place import with_block as with_block
    from spikewright.export.attention.size import AttentionSize as AttentionSize
    from spikewright.export.attention.size import (
        AttentionTooLargeError as AttentionTooLargeError,
    )
    from spikewright.export.attention.size import coincidence_size as coincidence_size
    from spikewright.export.deployment.folder import Deployment as Deployment
    from spikewright.export.deployment.folder import read_deployment as read_deployment
    from spikewright.export.deployment.folder import (
        write_deployment as write_deployment,
    )
    from spikewright.export.deployment.texts import encode_texts as encode_texts
    from spikewright.export.deployment.texts import logits_of as logits_of
    from spikewright.export.graphs.time_step import deduce_dt_s as deduce_dt_s
    from spikewright.export.lower import Lowering as Lowering
    from spikewright.export.lower import lower as lower
    from spikewright.export.netx.io import LayerFit as LayerFit
    from spikewright.export.netx.io import encode_netx as encode_netx
    from spikewright.export.netx.io import read_netx as read_netx
    from spikewright.export.netx.io import read_netx_in_seconds as read_netx_in_seconds
    from spikewright.export.netx.io import read_netx_input as read_netx_input
    from spikewright.export.netx.io import round_to_netx as round_to_netx
    from spikewright.export.netx.io import write_netx as write_netx
    from spikewright.export.nir.io import read_nir as read_nir
    from spikewright.export.nir.io import read_nir_dt as read_nir_dt
    from spikewright.export.nir.io import write_nir as write_nir
    from spikewright.export.passes.quantize_report import (
        QuantizationReport as QuantizationReport,
    )
    from spikewright.export.passes.quantize_report import (
        quantization_report as quantization_report,
    )
    from spikewright.export.passes.rounding import Quantization as Quantization
    from spikewright.export.teacher_work import teacher_baselines as teacher_baselines
    from spikewright.export.teacher_work import teacher_counts as teacher_counts
    from spikewright.export.teacher_work import teacher_work as teacher_work
    from spikewright.files import read_graph as read_graph
    from spikewright.files import read_trace as read_trace
    from spikewright.files import write_graph as write_graph
    from spikewright.files import write_trace as write_trace
    from spikewright.graph import Edge as Edge
    from spikewright.graph import Graph as Graph
    from spikewright.graph import Stage as Stage
    from spikewright.hardware_profiles.placement.limits import Limits as Limits
    from spikewright.hardware_profiles.placement.limits import (
        list_limits as list_limits,
    )
    from spikewright.hardware_profiles.placement.limits import (
        load_limits as load_limits,
    )
    from spikewright.hardware_profiles.placement.place import Placement as Placement
    from spikewright.hardware_profiles.placement.place import (
        PlacementCheck as PlacementCheck,
    )
    from spikewright.hardware_profiles.placement.place import (
        check_placement as check_placement,
    )
    from spikewright.hardware_profiles.placement.place import place as place
    from spikewright.hardware_profiles.placement.traffic import Mesh as Mesh
    from spikewright.hardware_profiles.placement.traffic import (
        spike_traffic as spike_traffic,
    )
    from spikewright.hardware_profiles.prices.accounting import Accounting as Accounting
    from spikewright.hardware_profiles.prices.accounting import (
        StandardAccounting as StandardAccounting,
    )
    from spikewright.hardware_profiles.prices.accounting import (
        list_accountings as list_accountings,
    )
    from spikewright.hardware_profiles.prices.accounting import (
        load_accounting as load_accounting,
    )
    from spikewright.hardware_profiles.prices.baselines import Baseline as Baseline
    from spikewright.hardware_profiles.prices.baselines import Reuse as Reuse
    from spikewright.hardware_profiles.prices.baselines import (
        list_baselines as list_baselines,
    )
    from spikewright.hardware_profiles.prices.break_even import BreakEven as BreakEven
    from spikewright.hardware_profiles.prices.break_even import RateLine as RateLine
    from spikewright.hardware_profiles.prices.break_even import break_even as break_even
    from spikewright.hardware_profiles.prices.break_even import rate_line as rate_line
    from spikewright.hardware_profiles.prices.comparison import ColumnA as ColumnA
    from spikewright.hardware_profiles.prices.comparison import Comparison as Comparison
    from spikewright.hardware_profiles.prices.comparison import column_a as column_a
    from spikewright.hardware_profiles.prices.comparison import compare as compare
    from spikewright.hardware_profiles.prices.energy import EnergyReport as EnergyReport
    from spikewright.hardware_profiles.prices.energy import (
        estimate_energy as estimate_energy,
    )
    from spikewright.hardware_profiles.prices.full_comparison import Draw as Draw
    from spikewright.hardware_profiles.prices.full_energy import (
        FullEnergy as FullEnergy,
    )
    from spikewright.hardware_profiles.prices.full_energy import (
        energy_by_node as energy_by_node,
    )
    from spikewright.hardware_profiles.prices.full_energy import explain as explain
    from spikewright.hardware_profiles.prices.full_energy import (
        full_energy as full_energy,
    )
    from spikewright.hardware_profiles.prices.latency import Latency as Latency
    from spikewright.hardware_profiles.prices.latency import Load as Load
    from spikewright.hardware_profiles.prices.latency import (
        energy_delay_js as energy_delay_js,
    )
    from spikewright.hardware_profiles.prices.latency import (
        estimate_latency as estimate_latency,
    )
    from spikewright.hardware_profiles.prices.preset_files import Preset as Preset
    from spikewright.hardware_profiles.prices.preset_files import (
        list_presets as list_presets,
    )
    from spikewright.hardware_profiles.prices.preset_files import (
        load_preset as load_preset,
    )
    from spikewright.hardware_profiles.prices.presets import (
        PresetFigure as PresetFigure,
    )
    from spikewright.hardware_profiles.prices.presets import (
        price_preset as price_preset,
    )
    from spikewright.hardware_profiles.prices.presets import (
        synops_from_rates as synops_from_rates,
    )
    from spikewright.hardware_profiles.prices.run_work import (
        loads_of_run as loads_of_run,
    )
    from spikewright.hardware_profiles.prices.run_work import (
        measured_rate as measured_rate,
    )
    from spikewright.hardware_profiles.prices.run_work import (
        steady_nodes as steady_nodes,
    )
    from spikewright.hardware_profiles.prices.run_work import (
        student_work as student_work,
    )
    from spikewright.hardware_profiles.prices.uncertainty import Spread as Spread
    from spikewright.hardware_profiles.prices.uncertainty import Swing as Swing
    from spikewright.hardware_profiles.prices.uncertainty import (
        spread_of_ratio as spread_of_ratio,
    )
    from spikewright.hardware_profiles.prices.uncertainty import (
        spread_of_total as spread_of_total,
    )
    from spikewright.hardware_profiles.prices.uncertainty import (
        tornado_of_ratio as tornado_of_ratio,
    )
    from spikewright.hardware_profiles.prices.uncertainty import (
        tornado_of_total as tornado_of_total,
    )
    from spikewright.hardware_profiles.prices.work import Work as Work
    from spikewright.hardware_profiles.prices.work import on_placement as on_placement
    from spikewright.hardware_profiles.profiles.constant import Constant as Constant
    from spikewright.hardware_profiles.profiles.profile import (
        HardwareProfile as HardwareProfile,
    )
    from spikewright.hardware_profiles.profiles.profile import (
        list_profiles as list_profiles,
    )
    from spikewright.hardware_profiles.profiles.profile import (
        load_profile as load_profile,
    )
    from spikewright.hardware_profiles.reports.early_exit import Judge as Judge
    from spikewright.hardware_profiles.reports.report import Report as Report
    from spikewright.hardware_profiles.reports.run import Wanted as Wanted
    from spikewright.hardware_profiles.reports.teacher import (
        report_teacher as report_teacher,
    )
    from spikewright.hardware_profiles.reports.traces import (
        report_traces as report_traces,
    )
    from spikewright.hardware_profiles.teachers.operations import FP32 as FP32
    from spikewright.hardware_profiles.teachers.operations import INT8 as INT8
    from spikewright.hardware_profiles.teachers.operations import (
        TeacherFormat as TeacherFormat,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        TeacherWork as TeacherWork,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        TransformerShape as TransformerShape,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        count_teacher as count_teacher,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        count_teacher_sentences as count_teacher_sentences,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        find_teacher as find_teacher,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        read_teacher_config as read_teacher_config,
    )
    from spikewright.hardware_profiles.teachers.operations import (
        sparse_work as sparse_work,
    )
    from spikewright.run_counts import RunCounts as RunCounts
    from spikewright.run_counts import join_counts as join_counts
    from spikewright.simulate.cluster.options import Cluster as Cluster
    from spikewright.simulate.cluster.run import run_on_cluster as run_on_cluster
    from spikewright.simulate.compare import compare_traces as compare_traces
    from spikewright.simulate.compare import spike_agreement as spike_agreement
    from spikewright.simulate.inputs import load_spikes as load_spikes
    from spikewright.simulate.integer import Batching as Batching
    from spikewright.simulate.lava_backend.job import LavaOptions as LavaOptions
    from spikewright.simulate.ranges import measure_ranges as measure_ranges
    from spikewright.simulate.run import Backend as Backend
    from spikewright.simulate.run import run as run
    from spikewright.spike_products import SpikeProducts as SpikeProducts
    from spikewright.spike_products import count_coincidences as count_coincidences
    from spikewright.spike_products import count_mixtures as count_mixtures
    from spikewright.spike_products import count_scores as count_scores
    from spikewright.trace import Keep as Keep
    from spikewright.trace import SpikeTrace as SpikeTrace
    from spikewright.trace import TracePolicy as TracePolicy

if not TYPE_CHECKING:  # or type checkers would accept any name
    __all__ = sorted(HOME_OF)  # noqa: PLE0605 - written out it is a third copy

    def __getattr__(name: str) -> object:
        """Load a public name from its home."""
        if name not in HOME_OF:
            raise AttributeError(
                f"spikewright has no '{name}'; it has {', '.join(__all__)}"
            )
        module = importlib.import_module(f"spikewright.{HOME_OF[name]}")
        value = globals()[name] = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """List what can be used, loaded or not."""
        return sorted({*globals(), *__all__})
