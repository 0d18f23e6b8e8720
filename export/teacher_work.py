"""The one door to a teacher's work: a built-in name, a config, or an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from spikewright.counts import OperationCount
from spikewright.errors import BackendMissingError, InputError
from spikewright.hardware_profiles.prices.baselines import (
    Baseline,
    file_baselines,
    list_baselines,
)
from spikewright.hardware_profiles.teachers.operations import (
    FORMATS,
    FP32,
    TeacherFormat,
    TeacherWork,
    count_teacher_sentences,
    find_teacher,
    sparse_work,
)

ONNX = ".onnx"
USUAL_FORM = "int8"
"""of the teacher that a student with 8-bit weights is compared with"""


def teacher_work(
    teacher: str | Path,
    lengths: int | Sequence[int],
    *,
    form: TeacherFormat | None = None,
    labels: int | None = None,
    gamma: float | None = None,
) -> TeacherWork:
    """Count a teacher on texts of these many tokens each, none padded.

    Args:
        teacher: a built-in name, also as on the hub; a config.json or its folder; or an
            ONNX file.
        lengths: tokens of the one text, or of each.
        form: how wide numbers are, fp32 if not given; an ONNX file says so itself.
        labels: of the classifier; two, or as the config or the file says.
        gamma: share of zero activations, for a teacher that is priced as sparse.

    Raises:
        InputError: there is no such teacher, it cannot be counted, a length is not
            positive, or `form` or `labels` is given for an ONNX file.
        BackendMissingError: it is an ONNX file, and onnx is not installed.
    """
    texts = [lengths] if isinstance(lengths, int) else list(lengths)
    if Path(teacher).suffix.lower() == ONNX:
        work = _onnx_work(Path(teacher), texts, {"form": form, "labels": labels})
    else:
        shape = find_teacher(str(teacher), labels=labels)
        work = count_teacher_sentences(shape, texts, FP32 if form is None else form)
    return work if gamma is None else sparse_work(work, gamma)


def teacher_counts(
    teacher: str | Path, *, tokens: int, form: TeacherFormat | None = None
) -> Mapping[str, OperationCount]:
    """Count one text of `tokens` tokens, by part of the teacher.

    Args:
        teacher: as for `teacher_work`.
        tokens: of the text, not padded.
        form: as for `teacher_work`.

    Raises:
        InputError, BackendMissingError: as `teacher_work`.
    """
    return teacher_work(teacher, tokens, form=form).counts


def teacher_baselines(
    teacher: str | Path,
    lengths: int | Sequence[int],
    *,
    steps: int | None = None,
    form: str | None = None,
    gamma: float | None = None,
) -> tuple[Baseline, ...]:
    """Return a teacher by name, config or file, in the formats to compare with.

    Args:
        teacher: as for `teacher_work`.
        lengths: tokens of the one text, or of each.
        steps: of the student, whose twin is wanted; None: no twin.
        form: what ratios are against: fp32, fp16 or int8, which is usual.
        gamma: share of zero activations of the sparse one; a half is usual.

    Raises:
        InputError: there is no such teacher or format, it cannot be counted, or a
            format is given for a file that has its own.
        BackendMissingError: it is an ONNX file, and onnx is not installed.
    """
    if form not in (None, *FORMATS):
        raise InputError(f"teacher format '{form}'; allowed: {', '.join(FORMATS)}")
    if Path(teacher).suffix.lower() == ONNX:
        given = FORMATS.get(form) if form else None
        return file_baselines(teacher_work(teacher, lengths, form=given), gamma=gamma)
    return list_baselines(
        lambda each: teacher_work(teacher, lengths, form=each),
        steps=steps,
        form=form or USUAL_FORM,
        gamma=gamma,
    )


def _onnx_work(
    path: Path, lengths: Sequence[int], options: dict[str, object]
) -> TeacherWork:
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{path}: {name} is given, but the file says it itself; leave it out, "
                "or give the teacher by name or config"
            )
    if not find_spec("onnx"):
        raise BackendMissingError(
            f"{path}: needs onnx; pip install 'spikewright[onnx]'"
        )
    from spikewright.export.onnx.count import (  # noqa: PLC0415 - onnx is optional
        count_onnx_sentences,
    )

    return count_onnx_sentences(path, lengths)
