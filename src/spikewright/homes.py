"""Where each public name lives. A test compares this with what `__init__` imports."""

from __future__ import annotations

from collections.abc import Mapping

HOMES: Mapping[str, tuple[str, ...]] = {
    "counting": (
        "count_operations",
        "count_run",
        "row_of_nodes",
    ),
    "counts": ("OperationCount",),
    "errors": (
        "BackendMissingError",
        "ConfigError",
        "CountError",
        "ExportMismatchError",
        "GraphError",
        "InputError",
        "LavaRunError",
        "LimitsExceededError",
        "OverflowDetectedError",
        "OverlapError",
        "ProfileError",
        "SpikewrightError",
        "UnsupportedNodeError",
        "WorkerError",
    ),
    "export.attention.blocks": (
        "coincidence_attention",
        "respiked_attention",
        "spike_driven_attention",
    ),
    "export.attention.parts": (
        "Projection",
        "Projections",
    ),
    "export.attention.place": ("with_block",),
    "export.attention.size": (
        "AttentionSize",
        "AttentionTooLargeError",
        "coincidence_size",
    ),
    "export.deployment.folder": (
        "Deployment",
        "read_deployment",
        "write_deployment",
    ),
    "export.deployment.texts": (
        "encode_texts",
        "logits_of",
    ),
    "export.graphs.time_step": ("deduce_dt_s",),
    "export.lower": (
        "Lowering",
        "lower",
    ),
    "export.netx.io": (
        "LayerFit",
        "encode_netx",
        "read_netx",
        "read_netx_in_seconds",
        "read_netx_input",
        "round_to_netx",
        "write_netx",
    ),
    "export.nir.io": (
        "read_nir",
        "read_nir_dt",
        "write_nir",
    ),
    "export.passes.quantize_report": (
        "QuantizationReport",
        "quantization_report",
    ),
    "export.passes.rounding": ("Quantization",),
    "export.teacher_work": (
        "teacher_baselines",
        "teacher_counts",
        "teacher_work",
    ),
    "files": (
        "read_graph",
        "read_trace",
        "write_graph",
        "write_trace",
    ),
    "graph": (
        "Edge",
        "Graph",
        "Stage",
    ),
    "hardware_profiles.placement.limits": (
        "Limits",
        "list_limits",
        "load_limits",
    ),
    "hardware_profiles.placement.place": (
        "Placement",
        "PlacementCheck",
        "check_placement",
        "place",
    ),
    "hardware_profiles.placement.traffic": (
        "Mesh",
        "spike_traffic",
    ),
    "hardware_profiles.prices.accounting": (
        "Accounting",
        "StandardAccounting",
        "list_accountings",
        "load_accounting",
    ),
    "hardware_profiles.prices.baselines": (
        "Baseline",
        "Reuse",
        "list_baselines",
    ),
    "hardware_profiles.prices.break_even": (
        "BreakEven",
        "RateLine",
        "break_even",
        "rate_line",
    ),
    "hardware_profiles.prices.comparison": (
        "ColumnA",
        "Comparison",
        "column_a",
        "compare",
    ),
    "hardware_profiles.prices.energy": (
        "EnergyReport",
        "estimate_energy",
    ),
    "hardware_profiles.prices.full_comparison": ("Draw",),
    "hardware_profiles.prices.full_energy": (
        "FullEnergy",
        "energy_by_node",
        "explain",
        "full_energy",
    ),
    "hardware_profiles.prices.latency": (
        "Latency",
        "Load",
        "energy_delay_js",
        "estimate_latency",
    ),
    "hardware_profiles.prices.preset_files": (
        "Preset",
        "list_presets",
        "load_preset",
    ),
    "hardware_profiles.prices.presets": (
        "PresetFigure",
        "price_preset",
        "synops_from_rates",
    ),
    "hardware_profiles.prices.run_work": (
        "loads_of_run",
        "measured_rate",
        "steady_nodes",
        "student_work",
    ),
    "hardware_profiles.prices.uncertainty": (
        "Spread",
        "Swing",
        "spread_of_ratio",
        "spread_of_total",
        "tornado_of_ratio",
        "tornado_of_total",
    ),
    "hardware_profiles.prices.work": (
        "Work",
        "on_placement",
    ),
    "hardware_profiles.profiles.constant": ("Constant",),
    "hardware_profiles.profiles.profile": (
        "HardwareProfile",
        "list_profiles",
        "load_profile",
    ),
    "hardware_profiles.reports.early_exit": ("Judge",),
    "hardware_profiles.reports.report": ("Report",),
    "hardware_profiles.reports.run": ("Wanted",),
    "hardware_profiles.reports.teacher": ("report_teacher",),
    "hardware_profiles.reports.traces": ("report_traces",),
    "hardware_profiles.teachers.operations": (
        "FP32",
        "INT8",
        "TeacherFormat",
        "TeacherWork",
        "TransformerShape",
        "count_teacher",
        "count_teacher_sentences",
        "find_teacher",
        "read_teacher_config",
        "sparse_work",
    ),
    "run_counts": (
        "RunCounts",
        "join_counts",
    ),
    "simulate.cluster.options": ("Cluster",),
    "simulate.cluster.run": ("run_on_cluster",),
    "simulate.compare": (
        "compare_traces",
        "spike_agreement",
    ),
    "simulate.integer": ("Batching",),
    "simulate.inputs": ("load_spikes",),
    "simulate.lava_backend.job": ("LavaOptions",),
    "simulate.ranges": ("measure_ranges",),
    "simulate.run": (
        "Backend",
        "run",
    ),
    "spike_products": (
        "SpikeProducts",
        "count_coincidences",
        "count_mixtures",
        "count_scores",
    ),
    "trace": (
        "Keep",
        "SpikeTrace",
        "TracePolicy",
    ),
}
"""module of the package -> its public names"""
HOME_OF: Mapping[str, str] = {
    name: home for home, names in HOMES.items() for name in names
}
