"""Names of nodes that other tools stumble over, as attributes of torch modules.

Measured with torch 2.13.0, name by name; tests/conformance measures them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from keyword import iskeyword

from spikewright.export.tools.verdict import Effect, Obstacle

MODULE_NAMES = frozenset(
    """
    T_destination __annotations__ __call__ __class__ __delattr__ __dict__ __dir__
    __doc__ __eq__ __format__ __ge__ __getattr__ __getattribute__ __getstate__ __gt__
    __hash__ __init__ __init_subclass__ __le__ __lt__ __module__ __ne__ __new__
    __reduce__ __reduce_ex__ __repr__ __setattr__ __setstate__ __sizeof__ __str__
    __subclasshook__ __weakref__ _apply _backward_hooks _backward_pre_hooks _buffers
    _call_impl _compiled_call_impl _forward_hooks _forward_hooks_always_called
    _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
    _get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook
    _load_from_state_dict _load_state_dict_post_hooks _load_state_dict_pre_hooks
    _maybe_warn_non_full_backward_hook _modules _named_members
    _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook
    _register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict
    _slow_forward _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl
    add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state
    get_parameter get_submodule graph half ipu load_state_dict modules mtia
    named_buffers named_children named_modules named_parameters parameters
    register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training
    type xpu zero_grad
    """.split()
)
"""attributes of every torch module"""
GRAPH_MODULE_NAMES = MODULE_NAMES | frozenset(
    """
    __contains__ __copy__ __deepcopy__ __delitem__ __getitem__ __iter__
    __jit_unused_properties__ __len__ __reduce_package__ __setitem__ _boxed_call _code
    _deepcopy_hooks _deepcopy_init _graph _recompile_submodules
    _register_create_node_hook _register_deepcopy_hook _register_erase_node_hook
    _register_replace_node_hook _set_replace_hook _tracer_cls _tracer_extras
    _unregister_create_node_hook _unregister_deepcopy_hook _unregister_erase_node_hook
    _unregister_replace_node_hook add_submodule clear code
    delete_all_unused_submodules delete_submodule initialized_state is_none items keys
    meta pop print_readable recompile to_folder update values
    """.split()
)
"""and of the modules that NIRTorch's nir_to_torch makes"""
EXECUTOR_NAMES = MODULE_NAMES | frozenset(
    """
    _apply_module _is_module_stateful execution_order get_execution_order
    get_input_nodes instantiate_modules return_state stateful_modules
    """.split()
)
"""and of those that NIRTorch's older load makes"""


def graph_module_obstacles(names: Iterable[str]) -> Iterator[Obstacle]:
    """Find names that stop NIRTorch's nir_to_torch: it writes them into Python code."""
    names = list(names)
    yield from _taken(names, GRAPH_MODULE_NAMES)
    yield from _colliding(names, _identifier)
    for name in names:
        if set(name) & set('"\\'):
            yield Obstacle(name, "has a quote or backslash in its name", Effect.RAISES)


def executor_obstacles(names: Iterable[str]) -> Iterator[Obstacle]:
    """Find names that stop NIRTorch's older load."""
    names = list(names)
    yield from _taken(names, EXECUTOR_NAMES)
    yield from _colliding(names, _without_dots)


def _taken(names: Iterable[str], reserved: frozenset[str]) -> Iterator[Obstacle]:
    for name in names:
        if _without_dots(name) in reserved:
            reason = "has the name of something that torch modules have already"
            yield Obstacle(name, reason, Effect.RAISES)


def _colliding(
    names: Iterable[str], rewritten: Callable[[str], str]
) -> Iterator[Obstacle]:
    first: dict[str, str] = {}
    for name in sorted(names):
        other = first.setdefault(rewritten(name), name)
        if other != name:
            reason = f"gets the same name as '{other}': '{rewritten(name)}'"
            yield Obstacle(name, reason, Effect.DIFFERS)


def _without_dots(name: str) -> str:
    return name.replace(".", "_")


def _identifier(name: str) -> str:
    name = _without_dots(name)
    return f"nir_node_{name}" if iskeyword(name) else name
