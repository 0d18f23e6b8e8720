"""Write docs/api.md from signatures and docstrings: `python docs/make_api.py`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from spikewright.homes import HOMES

PAGE = Path(__file__).with_name("api.md")
HEAD = """\
# The Python API

Written by `python docs/make_api.py` from the docstrings; do not edit.

`import spikewright as sw` loads numpy and nothing heavier; each name below is loaded
when it is first used. What needs torch is [at the end](#with-torch), in modules of its
own. Names that are not on this page may change without notice.
"""
ROOMS: Mapping[str, str] = {
    "": "Graphs, traces and counts",
    "export": "Files, lowering and deployment",
    "simulate": "Running",
    "hardware_profiles": "Chips and energy",
    "torch": "With torch",
}
"""part of the page -> its title; "" holds the modules of the core"""
WITH_TORCH: Mapping[str, tuple[str, ...]] = {
    "export.from_snntorch": ("export_snntorch", "export_proven"),
    "export.to_snntorch": ("import_nir",),
    "train.student": (
        "load_student",
        "student_folder",
        "shipped_student",
        "encoder_tables",
        "ChipStudent",
    ),
    "train.auto": ("register_auto_classes",),
    "train.hub.tokenizer": ("save_tokenizer",),
    "train.spikebert.load": ("load_spikebert",),
    "train.answers.trained": ("Trained", "load_trained"),
    "train.chip.config": ("ChipStudentConfig",),
    "train.spikebert.model": (
        "SpikeBertForSequenceClassification",
        "SpikeBertModel",
    ),
    "train.spikebert.config": ("SpikeBertConfig",),
    "train.graphs.chip": ("student_graph",),
    "train.graphs.checkpoint": ("checkpoint_graph",),
    "train.answers.attention_map": ("AttentionMap", "attention_map"),
    "train.answers.logits": ("float_logits",),
    "train.settings.config": ("load_config",),
    "train.distill.pipeline": ("train_run",),
    "train.settings.spikebert_read": ("load_run",),
    "train.stages.run": ("train_spikebert",),
    "train.hub.card": ("CardFacts", "read_facts", "model_card"),
    "train.hub.folder": ("write_model_folder",),
}
"""module of the package -> what users may import from it"""
_SECTION = re.compile(r"(Args|Returns|Raises|Yields):$")
_ENTRY = re.compile(r"    (\*{0,2}\w[\w.]*(?:, \w+)*): (.*)")


def api_page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for room, title in ROOMS.items():
        parts.append(f"## {title}\n")
        for module, names in _modules(room):
            parts += ["\n".join(_module(module, names, room)) + "\n"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def _modules(room: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if room == "torch":
        yield from WITH_TORCH.items()
        return
    for module, names in HOMES.items():
        first, dot, _ = module.partition(".")
        if (first if dot else "") == room:
            yield module, names


def _module(module: str, names: tuple[str, ...], room: str) -> Iterator[str]:
    if room == "torch":
        yield from (f"From `spikewright.{module}`:", "")
    for name in names:
        yield from (f"### {name}", "")
        tree, node = _find(f"spikewright.{module}", name)
        match node:
            case ast.FunctionDef():
                yield from (*_code(_signature(node)), *_prose(ast.get_docstring(node)))
            case ast.ClassDef():
                yield from _class(node)
            case _:
                yield from (*_code(ast.unparse(node)), *_prose(_after(tree, node)))


@cache
def _find(module: str, name: str) -> tuple[ast.Module, ast.stmt]:
    """Return the source that defines a name, and the statement; nothing is imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=found) | ast.ClassDef(name=found):
                names = [found]
            case ast.Assign(targets=targets):
                names = [each.id for each in targets if isinstance(each, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=found)):
                names = [found]
            case ast.ImportFrom(module=str(home), names=aliases):
                if name in [each.name for each in aliases]:
                    return _find(home, name)
                continue
            case _:
                continue
        if name in names:
            return tree, node
    raise LookupError(f"{module} does not define {name}")


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(ast.unparse(each) for each in node.bases)
    yield from _code(f"class {node.name}({bases})" if bases else f"class {node.name}")
    yield from _prose(ast.get_docstring(node))
    if fields := list(_fields(node)):
        yield from (*fields, "")
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            marks = [f"@{ast.unparse(mark)}\n" for mark in each.decorator_list]
            yield from _code("".join(marks) + _signature(each))
            yield from _prose(ast.get_docstring(each))


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Yield a line for each public field or member, with what stands below it."""
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                default = "" if value is None else f" = {ast.unparse(value)}"
                said = f"`{name}: {ast.unparse(each.annotation)}{default}`"
            case ast.Assign(targets=[ast.Name(id=name)]):
                said = f"`{ast.unparse(each)}`"
            case _:
                continue
        if not name.startswith("_"):
            told = " ".join(_after(node, each).split())
            yield f"- {said}" + (f": {told}" if told else "")


def _after(tree: ast.Module | ast.ClassDef, node: ast.stmt) -> str:
    """Return the string that stands below an assignment."""
    place = tree.body.index(node) + 1
    if place < len(tree.body):
        match tree.body[place]:
            case ast.Expr(ast.Constant(str(text))):
                return inspect.cleandoc(text)
    return ""


def _signature(node: ast.FunctionDef) -> str:
    """Return a signature, broken after commas where it is long."""
    bare = ast.FunctionDef(
        node.name, node.args, [ast.Pass()], [], node.returns, lineno=0, type_params=[]
    )
    text = ast.unparse(bare).removesuffix("\n    pass").removesuffix(":")
    if len(text) <= 88:
        return text
    parts = [ast.unparse(each) for each in _arguments(node.args)]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    body = "".join(f"    {each},\n" for each in parts)
    return f"def {node.name}(\n{body}){returns}"


def _arguments(args: ast.arguments) -> Iterator[ast.expr]:
    """Yield each argument as an expression that unparses as it is written."""
    plain = [*args.posonlyargs, *args.args]
    missing = len(plain) - len(args.defaults)
    defaults = [None] * missing + list(args.defaults)
    for each, default in zip(plain, defaults, strict=True):
        yield _argument(each.arg, each.annotation, default)
    if args.vararg:
        yield _argument(f"*{args.vararg.arg}", args.vararg.annotation, None)
    elif args.kwonlyargs:
        yield ast.Name("*")
    for each, value in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _argument(each.arg, each.annotation, value)
    if args.kwarg:
        yield _argument(f"**{args.kwarg.arg}", args.kwarg.annotation, None)


def _argument(
    name: str, annotation: ast.expr | None, default: ast.expr | None
) -> ast.expr:
    text = name if annotation is None else f"{name}: {ast.unparse(annotation)}"
    if default is not None:
        text += f" = {ast.unparse(default)}"
    return ast.Name(text)


# --- Markdown ------------------------------------------------------------------------


def _code(text: str) -> Iterator[str]:
    quoted = re.sub(r"'([^'\"\\]*)'", r'"\1"', text)  # as the house writes strings
    yield from ("```python", quoted, "```", "")


def _prose(docstring: str | None) -> Iterator[str]:
    """Yield a docstring as Markdown: its sections become lists."""
    lines = iter((docstring or "").splitlines())
    for line in lines:
        if _SECTION.match(line):
            yield from (f"{line[:-1]}:", "")
            yield from _entries(lines)
        else:
            yield line
    yield ""


def _entries(lines: Iterator[str]) -> Iterator[str]:
    """Yield a section's entries as a list, or its text; stop at the next blank line."""
    block = []
    for line in lines:
        if not line.strip():
            break
        block.append(line)
    for line in block:
        if found := _ENTRY.fullmatch(line):
            names = ", ".join(f"`{each}`" for each in found[1].split(", "))
            yield f"- {names}: {found[2]}"
        else:
            yield f"  {line.strip()}" if _ENTRY.match(block[0]) else line.strip()
    yield ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(api_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
