"""Operations of ONNX graphs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from spikewright.counts import OperationCount  # noqa: E402
from spikewright.errors import InputError  # noqa: E402
from spikewright.export.onnx.count import (  # noqa: E402
    count_onnx,
    count_onnx_sentences,
)

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
TOKENS = 5
HIDDEN = 8


@pytest.fixture
def model(tmp_path):
    """Write a graph on the embeddings `x`, (batch, tokens, 8), and return its path."""

    def write(*nodes, opset=20, **weights):
        table = np.zeros((50, HIDDEN), np.float32)
        lookup = helper.make_node("Gather", ["table", "ids"], ["x"], name="embed")
        inputs = [helper.make_tensor_value_info("ids", INT, ["batch", "tokens"])]
        tensors = [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in {"table": table, **weights}.items()
        ]
        last = (nodes or (lookup,))[-1].output[0]
        outputs = [helper.make_tensor_value_info(last, FLOAT, None)]
        graph = helper.make_graph([lookup, *nodes], "g", inputs, outputs, tensors)
        opsets = [
            helper.make_opsetid("", opset),
            helper.make_opsetid("com.microsoft", 1),
        ]
        made = helper.make_model(graph, opset_imports=opsets)
        onnx.save_model(made, tmp_path / "x.onnx")
        return tmp_path / "x.onnx"

    return write


def node(kind, inputs, outputs="y", domain="", **options):
    return helper.make_node(
        kind, inputs.split(","), outputs.split(","), name=kind, domain=domain, **options
    )


def zeros(*shape):
    return np.zeros(shape, np.float32)


def counted(path, tokens=TOKENS, batch=1):
    """The work besides the look-up of the embeddings."""
    count = count_onnx(path, tokens, batch)
    lookups = OperationCount(lookups=batch * tokens * HIDDEN)
    assert count.counts["embeddings"].lookups == lookups.lookups
    total = vars(count.total) | {"lookups": 0}
    return {
        name: value for name, value in total.items() if value and "_bits_" not in name
    }


# --- products ------------------------------------------------------------------------


def test_a_product_and_its_bias(model):
    path = model(
        node("MatMul", "x,w", "m"), node("Add", "m,b"), w=zeros(8, 3), b=zeros(3)
    )
    # 5 tokens x 8 x 3 MACs; a bias for each of 5 x 3
    assert counted(path) == {"macs": 120, "bias_additions": 15}


def test_texts_count_on_their_own(model):
    path = model(node("MatMul", "x,w"), w=zeros(8, 3))
    assert counted(path, batch=4) == {"macs": 480}


def test_attention_in_single_operators(model):
    path = model(
        node("Transpose", "x", "k", perm=[0, 2, 1]),
        node("MatMul", "x,k", "scores"),
        node("Softmax", "scores", "p"),
        node("MatMul", "p,x"),
    )
    # q k: 5 x 5 x 8, p v: 5 x 8 x 5; an exponential and a division for each of 5 x 5
    assert counted(path) == {"macs": 400, "exp_elements": 25, "divisions": 25}
    assert count_onnx(path, TOKENS).moved == {"Transpose": 1}


def test_a_gemm_has_its_bias_inside(model):
    path = model(
        node("Squeeze", "x,first", "rows"),
        node("Gemm", "rows,w,b", transB=1),
        first=np.array([0]),
        w=zeros(3, 8),
        b=zeros(3),
    )
    assert counted(path) == {"macs": 5 * 8 * 3, "bias_additions": 15}


def test_a_convolution_sees_its_group_only(model):
    path = model(
        node("Transpose", "x", "c", perm=[0, 2, 1]),
        node("Conv", "c,w,b", group=2, strides=[2]),
        w=zeros(6, 4, 3),
        b=zeros(6),
    )
    # (5 - 3) // 2 + 1 = 2 places x 6 channels, each 4 x 3 MACs and a bias
    assert counted(path) == {"macs": 144, "bias_additions": 12}


# --- fused attention -----------------------------------------------------------------


def test_attention_of_onnx(model):
    path = model(
        node("Attention", "x,x,x,mask", q_num_heads=2, kv_num_heads=2),
        opset=23,
        mask=zeros(TOKENS, TOKENS),
    )
    # 2 heads x 5 x 5 pairs: 4 + 4 MACs, an exponential, a division and a mask each
    assert counted(path) == {
        "macs": 400,
        "exp_elements": 50,
        "divisions": 50,
        "residual_additions": 50,
    }


def test_attention_of_onnxruntime_projects_too(model):
    path = model(
        node("Attention", "x,w,b", domain="com.microsoft", num_heads=2),
        w=zeros(8, 24),
        b=zeros(24),
    )
    # q, k, v: 5 x 8 x 24 MACs, 5 x 24 biases; then 2 x 5 x 5 pairs of 4 + 4 MACs
    assert counted(path) == {
        "macs": 960 + 400,
        "exp_elements": 50,
        "divisions": 50,
        "bias_additions": 120,
    }


def test_multi_head_attention_of_onnxruntime(model):
    path = model(
        node("MultiHeadAttention", "x,x,x,b", domain="com.microsoft", num_heads=2),
        b=zeros(24),
    )
    # biases of q, k and v: 3 x 5 x 8
    assert counted(path) == {
        "macs": 400,
        "exp_elements": 50,
        "divisions": 50,
        "bias_additions": 120,
    }


def test_fused_and_single_operators_agree(model):
    weights = {"w": zeros(8, 24), "b": zeros(24)}
    fused = model(
        node("Attention", "x,w,b", domain="com.microsoft", num_heads=1), **weights
    )
    whole = counted(fused)
    single = model(
        node("MatMul", "x,w", "m"),
        node("Add", "m,b", "qkv"),
        node("Split", "qkv", "q,k,v", axis=2, num_outputs=3),
        node("Transpose", "k", "kt", perm=[0, 2, 1]),
        node("MatMul", "q,kt", "s"),
        node("Softmax", "s", "p"),
        node("MatMul", "p,v"),
        **weights,
    )
    assert counted(single) == whole


# --- norms and elements --------------------------------------------------------------


def test_a_norm_as_one_operator(model):
    path = model(node("LayerNormalization", "x,g,b"), g=zeros(8), b=zeros(8))
    assert counted(path) == {"norm_elements": 40}


@pytest.mark.parametrize("is_power", [True, False])
def test_a_norm_that_is_written_out_counts_as_one(model, is_power):
    square = node("Pow", "d,two", "d2") if is_power else node("Mul", "d,d", "d2")
    path = model(
        node("ReduceMean", "x", "mean", axes=[-1]),
        node("Sub", "x,mean", "d"),
        square,
        node("ReduceMean", "d2", "variance", axes=[-1]),
        node("Add", "variance,eps", "v"),
        node("Sqrt", "v", "s"),
        node("Div", "d,s", "n"),
        node("Mul", "n,gamma", "scaled"),
        node("Add", "scaled,beta"),
        opset=17,
        two=np.float32(2),
        eps=np.float32(1e-5),
        gamma=zeros(8),
        beta=zeros(8),
    )
    assert counted(path) == {"norm_elements": 40}
    assert not count_onnx(path, TOKENS).uncounted


def test_an_rms_norm_that_is_written_out_counts_as_one(model):
    path = model(
        node("Pow", "x,two", "x2"),
        node("ReduceMean", "x2", "mean", axes=[-1]),
        node("Add", "mean,eps", "v"),
        node("Sqrt", "v", "s"),
        node("Reciprocal", "s", "r"),
        node("Mul", "x,r", "n"),
        node("Mul", "gamma,n"),
        opset=17,
        two=np.float32(2),
        eps=np.float32(1e-5),
        gamma=zeros(8),
    )
    assert counted(path) == {"norm_elements": 40}


def test_what_only_looks_like_a_norm_is_counted_as_it_is(model):
    path = model(node("Sqrt", "x", "s"), node("Div", "x,s"))
    # 5 tokens x 8 numbers each
    assert counted(path) == {"divisions": 40}
    assert count_onnx(path, TOKENS).uncounted == {"Sqrt": (1, 40)}


def test_a_division_by_a_stored_number_is_a_scale(model):
    path = model(node("Div", "x,s"), s=np.float32(3))
    assert counted(path) == {}
    assert count_onnx(path, TOKENS).uncounted == {"Div": (1, 40)}


def test_norms_of_onnxruntime_add_their_skip(model):
    path = model(
        node("SkipLayerNormalization", "x,x,g,b,bias", domain="com.microsoft"),
        g=zeros(8),
        b=zeros(8),
        bias=zeros(8),
    )
    assert counted(path) == {
        "norm_elements": 40,
        "residual_additions": 40,
        "bias_additions": 40,
    }


@pytest.mark.parametrize(
    ("kind", "inputs", "domain", "wanted"),
    [
        ("Gelu", "x", "", {"exp_elements": 40}),
        ("Erf", "x", "", {"exp_elements": 40}),
        ("Tanh", "x", "", {"exp_elements": 40}),
        ("Exp", "x", "", {"exp_elements": 40}),
        (
            "BiasGelu",
            "x,b",
            "com.microsoft",
            {"exp_elements": 40, "bias_additions": 40},
        ),
        ("FastGelu", "x", "com.microsoft", {"exp_elements": 40}),
        ("Sub", "x,b", "", {"bias_additions": 40}),
        ("Sum", "x,x,x", "", {"residual_additions": 80}),
        # 40 numbers into one take 39 additions
        ("ReduceSum", "x", "", {"residual_additions": 39}),
    ],
)
def test_elements(model, kind, inputs, domain, wanted):
    assert counted(model(node(kind, inputs, domain=domain), b=zeros(8))) == wanted


def test_what_has_no_price_is_listed_by_operator_and_number(model):
    path = model(
        node("Mul", "x,x", "a"),
        node("Mul", "a,x", "b"),
        node("Relu", "b", "c"),
        node("Wavelet", "c", "d", domain="org.example"),
        node("Identity", "x"),
    )
    with pytest.raises(InputError, match=r"Wavelet.: the shape of 'd' does not follow"):
        count_onnx(path, TOKENS)
    path = model(node("Mul", "x,x", "a"), node("Mul", "a,x", "b"), node("Relu", "b"))
    count = count_onnx(path, TOKENS)
    assert count.uncounted == {"Mul": (2, 80), "Relu": (1, 40)}
    assert counted(path) == {}


def test_bytes_of_weights_and_of_what_is_computed(model):
    path = model(node("MatMul", "x,w", "m"), node("Relu", "m"), w=zeros(8, 3))
    count = count_onnx(path, TOKENS)
    # the table 50 x 8 and w 8 x 3, 4 bytes each
    assert count.weight_bytes == 4 * (400 + 24)
    # 5 x 8 looked up, 5 x 3 multiplied, 5 x 3 rectified
    assert count.activation_bytes == 4 * (40 + 15 + 15)


# --- bits ----------------------------------------------------------------------------


def moved(path):
    """Bits: weights fetched, signals read and written, without the look-up."""
    total = count_onnx(path, TOKENS).total
    # 5 tokens x 8 numbers are looked up, and written
    assert total.embedding_bits_read == 32 * 40
    read, written = total.activation_bits_read, total.activation_bits_written - 32 * 40
    return total.weight_bits_read, read, written


def test_a_product_fetches_its_weight_for_each_mac(model):
    path = model(
        node("MatMul", "x,w", "m"), node("Add", "m,b"), w=zeros(8, 3), b=zeros(3)
    )
    # the bias is added where the product is made
    assert moved(path) == (32 * 120, 32 * 40, 32 * 15)


def test_weights_have_the_width_in_which_they_are_stored(model):
    half = np.zeros((8, 3), np.float16)
    path = model(node("Cast", "w", "wide", to=FLOAT), node("MatMul", "x,wide"), w=half)
    assert moved(path) == (16 * 120, 32 * 40, 32 * 15)
    count = count_onnx(path, TOKENS)
    assert count.macs_by_type == {"float32 x float16": 120}


def test_attention_multiplies_signals_and_fetches_nothing(model):
    path = model(
        node("Transpose", "x", "k", perm=[0, 2, 1]),
        node("MatMul", "x,k", "scores"),
        node("Add", "scores,mask", "masked"),
        node("Softmax", "masked", "p"),
        node("MatMul", "p,x"),
        mask=zeros(1, TOKENS),
    )
    # q, k and p, v are read, and the softmax's scores; the mask moves nothing
    assert moved(path) == (0, 32 * (80 + 25 + 25 + 40), 32 * (25 + 25 + 40))
    assert count_onnx(path, TOKENS).macs_by_type == {"float32 x float32": 400}


def test_fused_attention_fetches_for_its_projections_alone(model):
    path = model(
        node("Attention", "x,w,b", domain="com.microsoft", num_heads=2),
        w=np.zeros((8, 24), np.float32),
        b=zeros(24),
    )
    # of 960 + 400 MACs; scores never leave the operator
    assert moved(path) == (32 * 960, 32 * 40, 32 * 40)


def test_sums_and_norms_move_signals_and_functions_of_elements_do_not(model):
    path = model(
        node("Gelu", "x", "a"),
        node("Add", "a,x", "sum"),
        node("LayerNormalization", "sum,g,b"),
        g=zeros(8),
        b=zeros(8),
    )
    assert moved(path) == (0, 32 * (80 + 40), 32 * (40 + 40))


def test_a_mask_is_no_signal_and_no_bias(model):
    """The mask comes from an input, and is as large as the scores of one head."""
    path = model(
        node("Transpose", "x", "k", perm=[0, 2, 1]),
        node("MatMul", "x,k", "scores"),
        node("Cast", "ids", "mask", to=FLOAT),
        node("Unsqueeze", "mask,one", "wide"),
        node("Expand", "wide,like", "square"),
        node("Add", "scores,square"),
        one=np.array([1]),
        like=np.array([1, TOKENS, TOKENS]),
    )
    assert counted(path) == {"macs": 200, "residual_additions": 25}
    assert moved(path) == (0, 32 * 80, 32 * 25)


# --- shapes that the graph computes --------------------------------------------------


def test_shapes_are_computed_where_the_graph_computes_them(model):
    path = model(
        node("Shape", "ids", "shape"),
        node("Gather", "shape,one", "tokens"),
        node("Concat", "rows,tokens,heads", "wanted", axis=0),
        node("Reshape", "x,wanted", "split"),
        node("Transpose", "split", "q", perm=[0, 2, 1, 3]),
        node("Transpose", "split", "k", perm=[0, 2, 3, 1]),
        node("MatMul", "q,k"),
        one=np.array([1]),
        rows=np.array([0]),
        heads=np.array([2, 4]),
    )
    # 2 heads x 5 x 5 x 4
    assert counted(path) == {"macs": 200}
    assert counted(path, tokens=1) == {"macs": 8}


def test_refuses_a_shape_that_depends_on_the_data(model):
    path = model(
        node("NonZero", "ids", "places"),
        node("GatherND", "x,places", "some"),
        node("Exp", "some"),
    )
    with pytest.raises(
        InputError, match=r"x\.onnx: node 'Exp'.*does not follow from ba"
    ):
        count_onnx(path, TOKENS)


def test_refuses_inputs_of_other_axes(tmp_path):
    image = helper.make_tensor_value_info("image", FLOAT, [1, 3, 224, 224])
    out = helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph([node("Relu", "image")], "g", [image], [out])
    onnx.save_model(helper.make_model(graph), tmp_path / "x.onnx")
    with pytest.raises(
        InputError, match=r"input 'image' has the axes \[1, 3, 224, 224"
    ):
        count_onnx(tmp_path / "x.onnx", TOKENS)


def test_refuses_another_length_than_the_fixed_one(tmp_path):
    ids = helper.make_tensor_value_info("ids", INT, [1, 128])
    out = helper.make_tensor_value_info("y", INT, None)
    graph = helper.make_graph([node("Identity", "ids")], "g", [ids], [out])
    onnx.save_model(helper.make_model(graph), tmp_path / "x.onnx")
    with pytest.raises(InputError, match=r"axes \[1, 128\] .*wanted \[1, 5\]"):
        count_onnx(tmp_path / "x.onnx", TOKENS)


def test_refuses_no_tokens_and_no_texts(model):
    path = model(node("Relu", "x"))
    for tokens, batch in ((0, 1), (1, 0)):
        with pytest.raises(InputError, match="both must be > 0"):
            count_onnx(path, tokens, batch)
    with pytest.raises(InputError, match="no texts to count"):
        count_onnx_sentences(path, [])
    with pytest.raises(InputError, match="a text of 0 tokens"):
        count_onnx_sentences(path, [3, 0])


# --- sentences -----------------------------------------------------------------------


def test_texts_of_several_lengths_add_up(model):
    path = model(
        node("Transpose", "x", "k", perm=[0, 2, 1]),
        node("MatMul", "x,k"),
    )
    work = count_onnx_sentences(path, [3, 5, 3])
    # 8 L^2 MACs: 2 x 72 + 200
    assert sum(each.macs for each in work.counts.values()) == 344
    assert (work.sentences, work.mean_tokens) == (3, 11 / 3)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("/bert/encoder/layer.11/attention/self/query/MatMul", "layer11"),
        ("node_linear", "layer3"),
        ("/bert/pooler/dense/Gemm", "pooler"),
        ("/classifier/Gemm", "classifier"),
        ("transformer.h.2.mlp", "layer2"),
        ("val_20", "embeddings"),
    ],
)
def test_parts_are_named_by_nodes_weights_or_what_came_before(model, name, part):
    weight = "encoder.layer.3.dense.weight" if name == "node_linear" else "w"
    product = helper.make_node("MatMul", ["x", weight], ["y"], name=name)
    count = count_onnx(model(product, **{weight: zeros(8, 3)}), TOKENS)
    assert count.counts[part].macs == 120
