"""The FLOP conventions of papers: reference/energy.md, section 4.2, to its digits."""

from dataclasses import replace

import pytest

from spikewright.hardware_profiles.teachers.flops import (
    CONVENTIONS,
    electra_block_flops,
    electra_flops,
    elementwise_flops,
    fixed_electra_block_flops,
    fixed_electra_flops,
)
from spikewright.hardware_profiles.teachers.operations import SHAPES, TransformerShape

BERT = SHAPES["bert-base-uncased"]
TABLE = {
    "encoder-macs": ("5.5113", "11.1736", "22.9512"),
    "macs": ("5.5119", "11.1742", "22.9518"),
    "flops": ("11.024", "22.348", "45.904"),
    "elementwise": ("11.060", "22.428", "46.096"),
    "electra-blocks": ("11.062", "22.437", "46.129"),
    "electra": ("11.069", "22.463553", "46.233"),
    "electra-head": ("11.145", "22.616", "46.537"),
    "electra-dense": ("14.07", "28.46", "58.23"),
}
"""in G, for 64, 128 and 256 tokens"""


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_bert_base_as_the_table_prints_it(name, place):
    printed, tokens = TABLE[name][place], (64, 128, 256)[place]
    digits = len(printed.partition(".")[2])
    found = CONVENTIONS[name].count(BERT, tokens)
    assert f"{found / 1e9:.{digits}f}" == printed


def test_the_fingerprint_of_electra_s_script():
    # Its LayerNorm behind attention is 5 a token, and not 5 x 768: that much less.
    assert electra_flops(BERT, 128) == 22_463_553_024
    slip = 12 * 128 * 5 * (768 - 1)
    assert fixed_electra_flops(BERT, 128) == 22_463_553_024 + slip
    assert f"{fixed_electra_flops(BERT, 128) / 1e9:.3f}" == "22.469"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("macs", ("25.35", "51.40", "105.58")),
        ("flops", ("50.7", "102.8", "211.2")),
    ],
)
def test_millijoules_of_a_mac_for_each_mac_and_for_each_flop(name, wanted):
    for tokens, printed in zip((64, 128, 256), wanted, strict=True):
        digits = len(printed.partition(".")[2])
        millijoules = CONVENTIONS[name].count(BERT, tokens) * 4.6e-9
        assert f"{millijoules:.{digits}f}" == printed


def test_the_103_mj_of_the_papers():
    # 22.46 GFLOP, each charged as a MAC of 4.6 pJ
    assert f"{electra_flops(BERT, 128) * 4.6e-9:.1f}" == "103.3"


def test_units_are_said():
    units = {name: each.unit for name, each in CONVENTIONS.items()}
    assert {name for name, unit in units.items() if unit == "MAC"} == {
        "encoder-macs",
        "macs",
    }
    assert set(units.values()) == {"MAC", "FLOP"}


# --- by hand -------------------------------------------------------------------------

TINY = TransformerShape("tiny", 4, 1, 2, 8, 100, 3)


def test_elements_by_hand():
    # L = 3, h = 4, i = 8, 2 heads: L h = 12, scores 18, L i = 24.
    macs = (4 * 12 * 4 + 2 * 12 * 8 + 2 * 3 * 12) + 16 + 12
    additions = (5 * 12 + 24) + (2 * 12 + 18) + 24 + 4 + 3  # layer, embeddings, head
    assert elementwise_flops(TINY, 3) == (
        2 * macs
        + additions
        + 18  # the scale of attention
        + 5 * (24 + 12)  # norms of the layer and of the embeddings
        + 5 * 18  # softmax
        + 8 * (24 + 4)  # GELU, and the pooler's tanh
    )


def test_electra_s_blocks_by_hand():
    # A token: products 2 (4 x 16 + 2 x 32) + attention 4 x 4 x 3; biases 5 x 4 + 8,
    # sums 8; 6 scores of softmax 5, dropout 4, scale 1; GELU 8 x 8; dropout 4 x 8;
    # norms 5 x 4 and, by the slip, 5.
    token = 256 + 48 + 28 + 8 + 60 + 64 + 32 + 20 + 5
    assert electra_block_flops(TINY, 3) == 3 * token
    assert fixed_electra_block_flops(TINY, 3) == 3 * (token + 15)


def test_electra_projects_narrow_embeddings():
    narrow = replace(TINY, kind="electra", embedding=2)
    # A token: tables 2 x 2 x (3 + 2), sums 4, norm 10, dropout 8; 2 x 4 x 2 + 4
    token = 20 + 4 + 10 + 8 + 20
    found = electra_flops(narrow, 3) - electra_block_flops(narrow, 3)
    assert found == 3 * token
