"""Windows of kernels, found by shifts of bits, against a loop over their places."""

import numpy as np
import pytest

from spikewright.counting_packed import pack, read_places
from spikewright.counting_windows import Windows
from spikewright.nodes import ConvSynapses


def kernel(shape, size, **options):
    """A kernel of one target on one channel: (height, width), (rows, columns)."""
    return ConvSynapses(np.ones((1, 1, *size)), (1, *shape), **options)


GEOMETRIES = {
    "a row": kernel((1, 20), (1, 3)),
    "a row of three words": kernel((1, 130), (1, 5), padding=((0, 0), (2, 2))),
    "four bytes": kernel((4, 8), (3, 3), padding=((1, 1), (1, 1))),
    "words that a row crosses": kernel((9, 11), (3, 3), padding=((1, 1), (1, 1))),
    "strides": kernel((34, 34), (3, 3), stride=(2, 2)),
    "strides and padding": kernel(
        (16, 16), (5, 3), stride=(3, 2), padding=((2, 2), (1, 1))
    ),
    "gaps": kernel((12, 13), (2, 3), dilation=(3, 2), padding=((3, 0), (0, 4))),
    "further than a word": kernel((4, 90), (2, 3), padding=((1, 0), (2, 0))),
}


def loop(synapses, mask, places):
    """(rows, target height, target width): any source under those places."""
    (height, width), rows_columns = synapses.shape[1:], synapses.target_shape[1:]
    found = np.zeros((len(mask), *rows_columns), np.bool_)
    for i, j in np.ndindex(*rows_columns):
        for place in places:
            p, q = divmod(int(place), synapses.weight.shape[3])
            y = i * synapses.stride[0] + p * synapses.dilation[0]
            x = j * synapses.stride[1] + q * synapses.dilation[1]
            y, x = y - synapses.padding[0][0], x - synapses.padding[1][0]
            if 0 <= y < height and 0 <= x < width:
                found[:, i, j] |= mask[:, y, x]
    return found


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_windows_are_those_of_a_loop(name, rate):
    synapses, rng = GEOMETRIES[name], np.random.default_rng(0)
    mask = rng.random((5, *synapses.shape[1:])) < rate
    bits = pack(mask.reshape(5, -1), 1)[:, 0]
    windows, size = Windows(synapses), synapses.weight[0, 0].size
    assert windows.are_inside
    for places in (np.arange(size), np.arange(0, size, 2), np.array([size - 1])):
        found = windows.spread(windows.find(bits, places))
        assert (found == loop(synapses, mask, places)).all()


def test_more_padding_than_a_kernel_reaches_has_windows_outside():
    # 4 + 1 + 1 places for a kernel of 2: 5 windows, but 4 source places.
    assert not Windows(kernel((4, 4), (2, 2), padding=((1, 1), (1, 1)))).are_inside
    # With a stride of 2 there are 3, told at places 0, 2 and 4.
    wide = {"padding": ((0, 0), (1, 1)), "stride": (1, 2)}
    assert not Windows(kernel((4, 4), (2, 2), **wide)).are_inside
    assert Windows(kernel((4, 5), (2, 2), **wide)).are_inside


@pytest.mark.parametrize("places", [3, 8, 20, 66])
def test_channels_are_read_at_single_places(places):
    rng = np.random.default_rng(1)
    mask = rng.random((7, 5, places)) < 0.5
    rows, some = rng.integers(0, 7, (40, 1)), rng.integers(0, places, (40, 2))
    found = read_places(pack(mask.reshape(7, -1), 5), rows, some)
    assert (found == mask[rows, :, some]).all()
