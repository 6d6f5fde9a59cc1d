"""Checkpoints of the release: read, written, refused."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nextitnet_tf import GRec
from nextitnet_tf import MostPop
from nextitnet_tf import NextItNet
from nextitnet_tf import Stacker
from nextitnet_tf import metrics
from nextitnet_tf import release

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
CHECKPOINT = str(GOLDEN / "nextitnet_4.ckpt")
BLOCK = "nextitnet_residual_blockdecoder_layer_"


def read_bundle(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
    }


def write_bundle(prefix, tensors):
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(tensor) for tensor in tensors.values()],
    )
    return str(prefix)


def is_slot(name):
    return "Adam" in name or name.endswith("_power")


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "nextitnet.npz", allow_pickle=False) as npz:
        return {key: npz[key] for key in npz.files}


@pytest.fixture
def weights():
    return {
        name: tensor
        for name, tensor in read_bundle(CHECKPOINT).items()
        if not is_slot(name)
    }


# --- reading --------------------------------------------------------------


def test_it_gives_the_numbers_of_the_release(golden):
    model = release.load_checkpoint(CHECKPOINT)
    assert (model.num_items, len(model.blocks), model.embedding_dim) == (
        60,
        4,
        8,
    )
    inputs = golden["sequences"][:, :-1]
    hidden = golden["hidden"]
    np.testing.assert_allclose(
        model.encode(inputs),
        hidden,
        rtol=0,
        atol=1e-5 * np.abs(hidden).max(),
    )
    logits = keras.ops.convert_to_numpy(model(inputs)).astype("float64")
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(
        powers / powers.sum(-1, keepdims=True), golden["probs"], rtol=1e-5
    )
    for k in (5, 10):
        np.testing.assert_array_equal(
            tf.math.top_k(logits, k).indices, golden[f"top{k}"]
        )


def test_it_gives_the_metrics_of_the_release(golden):
    """By hand from the release's own order of the best items."""
    targets = golden["sequences"][:, -1].copy()
    # Some of the released ranks as targets, so that not all metrics are 0.
    for row, rank in ((0, 0), (3, 2), (5, 4), (8, 7), (11, 9)):
        targets[row] = golden["top10"][row, rank]
    expected = {}
    for n in (5, 10):
        ranks = [
            list(best).index(target) if target in best else None
            for best, target in zip(golden[f"top{n}"], targets, strict=True)
        ]
        found = [rank for rank in ranks if rank is not None]
        assert found
        expected[f"mrr_at_{n}"] = sum(1 / (r + 1) for r in found) / 16
        expected[f"hit_rate_at_{n}"] = len(found) / 16
        expected[f"ndcg_at_{n}"] = sum(1 / np.log2(r + 2) for r in found) / 16
    model = release.load_checkpoint(CHECKPOINT)
    model.compile(weighted_metrics=metrics.make_ranking_metrics())
    found = model.evaluate(
        golden["sequences"][:, :-1], targets, verbose=0, return_dict=True
    )
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001", ".meta"])
def test_the_name_of_a_file_of_the_checkpoint_will_do(suffix):
    model = release.load_checkpoint(CHECKPOINT + suffix)
    assert len(model.blocks) == 4


def test_without_alpha(weights, tmp_path):
    plain = {k: v for k, v in weights.items() if not k.endswith("/rez")}
    model = release.load_checkpoint(write_bundle(tmp_path / "s", plain))
    assert not model.use_alpha
    assert len(model.trainable_variables) == 8 * 4 + 3
    np.testing.assert_array_equal(
        model.blocks[2].conv2.kernel,
        weights[f"{BLOCK}2/dilated_conv2/weight"][0],
    )


def with_dilations(weights, rates):
    """The parents' names: blocks end in their dilation."""
    renamed = {}
    for name, tensor in weights.items():
        for i, rate in enumerate(rates):
            name = name.replace(f"{BLOCK}{i}/", f"{BLOCK}{i}_{rate}/")
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([1, 4, 1, 4], (1, 4)),
        ([1, 2, 1, 2], (1, 2)),
        ([1, 1, 1, 1], (1,)),
        ([1, 2, 4, 8], (1, 2, 4, 8)),
    ],
)
def test_names_that_end_in_dilations(weights, tmp_path, named, expected):
    prefix = write_bundle(tmp_path / "d", with_dilations(weights, named))
    model = release.load_checkpoint(prefix)
    assert model.dilation_rates == expected
    assert [block.dilation_rate for block in model.blocks] == named
    assert [b.conv2.dilation_rate for b in model.blocks] == [
        (2 * rate,) for rate in named
    ]
    with pytest.raises(ValueError, match="block 0 has dilation 1"):
        release.load_checkpoint(prefix, dilation_rates=(3, 4))


def test_a_head_behind_a_relu(weights, golden, tmp_path):
    kernel = weights.pop("softmax_w")  # (61, 8)
    bias = weights.pop("softmax_b")
    weights["logits/weight"] = kernel.T[None, None]
    weights["logits/bias"] = bias
    prefix = write_bundle(tmp_path / "relu", weights)
    model = release.load_checkpoint(prefix)
    inputs = golden["sequences"][:, :-1]
    last = golden["hidden"][:, -1]
    assert (last < 0).any()
    expected = np.maximum(last, 0) @ kernel.T + bias
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-4, atol=1e-5)
    # Its loss has the ReLU, too: of one position, by hand.
    model.compile()
    logits = expected[:1].astype("float64")
    loss = np.log(np.exp(logits).sum()) - logits[0, 7]
    hidden = tf.constant(last[:1])
    found = model.item_softmax.loss(hidden, tf.constant([7]), tf.ones(1))
    assert float(found) == pytest.approx(loss, rel=1e-5)
    release.save_checkpoint(model, tmp_path / "again")
    np.testing.assert_equal(read_bundle(tmp_path / "again"), weights)


def test_the_optimizer_goes_on_where_it_was():
    """One more step with gradients of 1, by the formula of TF1's Adam."""
    tensors = read_bundle(CHECKPOINT)
    model = release.load_checkpoint(CHECKPOINT, with_optimizer=True)
    assert int(model.optimizer.iterations) == 20
    variables = model.trainable_variables
    model.optimizer.apply([tf.ones_like(v) for v in variables], variables)
    rate = 1e-3 * np.sqrt(1 - 0.999**21) / (1 - 0.9**21)
    for name, variable in (
        ("allitem_embeddings", model.item_embedding.embeddings),
        ("softmax_b", model.item_softmax.bias),
        (f"{BLOCK}3/layer_norm1/gamma", model.blocks[3].norm1.gamma),
        (f"{BLOCK}1/dilated_conv2/weight", model.blocks[1].conv2.kernel),
    ):
        m = 0.9 * tensors[f"{name}/Adam"] + 0.1
        v = 0.999 * tensors[f"{name}/Adam_1"] + 0.001
        expected = tensors[name] - rate * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(
            variable.numpy(),
            expected.reshape(variable.shape),
            rtol=1e-5,
            atol=1e-7,
        )


@pytest.mark.parametrize("steps", [0, 1, 20, 700, 5_000, 60_000, 1_000_000])
def test_the_number_of_steps(tmp_path, steps):
    """Of beta's powers in float32: 0.9^(n+1), 0.999^(n+1)."""
    tensors = read_bundle(CHECKPOINT)
    tensors["beta1_power"] = np.float32(0.9 ** (steps + 1))
    tensors["beta2_power"] = np.float32(0.999 ** (steps + 1))
    model = release.load_checkpoint(
        write_bundle(tmp_path / "late", tensors), with_optimizer=True
    )
    found = int(model.optimizer.iterations)
    # Past float32's range any large number does: 1 - beta^n is 1.
    assert found == steps if steps < 80_000 else found >= 80_000


# --- writing --------------------------------------------------------------


@pytest.mark.parametrize("with_optimizer", [False, True])
def test_what_is_written_is_what_was_read(tmp_path, with_optimizer):
    model = release.load_checkpoint(CHECKPOINT, with_optimizer=with_optimizer)
    release.save_checkpoint(model, tmp_path / "new" / "copy.ckpt")
    before = {
        name: tensor
        for name, tensor in read_bundle(CHECKPOINT).items()
        if with_optimizer or not is_slot(name)
    }
    after = read_bundle(tmp_path / "new" / "copy.ckpt")
    assert len(after) == (3 * 39 + 2 if with_optimizer else 39)
    assert set(after) == set(before)
    for name, tensor in after.items():
        assert tensor.dtype == before[name].dtype == np.float32
        assert tensor.shape == before[name].shape
        if name.endswith("_power"):  # the release multiplied 21 times
            np.testing.assert_allclose(tensor, before[name], rtol=1e-5)
        else:
            np.testing.assert_array_equal(tensor, before[name], err_msg=name)


@settings(deadline=None, max_examples=12)
@given(
    num_items=st.integers(1, 30),
    num_blocks=st.integers(1, 5),
    width=st.integers(1, 6),
    kernel_size=st.integers(1, 4),
    use_alpha=st.booleans(),
    relu=st.booleans(),
    rates=st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
def test_any_model_comes_back(
    tmp_path_factory,
    num_items,
    num_blocks,
    width,
    kernel_size,
    use_alpha,
    relu,
    rates,
):
    model = NextItNet(
        num_items,
        num_blocks,
        width,
        kernel_size,
        rates,
        use_alpha,
        relu_before_softmax=relu,
    )
    generator = np.random.default_rng(0)
    model.set_weights(
        [generator.normal(size=w.shape) for w in model.get_weights()]
    )
    prefix = tmp_path_factory.mktemp("any") / "model.ckpt"
    release.save_checkpoint(model, prefix)
    back = release.load_checkpoint(prefix, dilation_rates=tuple(rates))
    config, expected = back.get_config(), model.get_config()
    for name in ("name", "kernel_seed"):
        del config[name], expected[name]
    assert config == expected
    for found, weight in zip(
        back.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, weight)


def test_only_what_the_release_has_can_be_written(tmp_path):
    with pytest.raises(ValueError, match="model=MostPop"):
        release.save_checkpoint(MostPop(5), tmp_path / "m")
    both_ways = GRec(5, 1, variant="original", embedding_dim=4)
    with pytest.raises(ValueError, match="model=GRec with causal=False"):
        release.save_checkpoint(both_ways, tmp_path / "m")
    model = NextItNet(5, 1, 4)
    model.compile("sgd")
    variables = model.trainable_variables
    model.optimizer.apply([tf.ones_like(v) for v in variables], variables)
    with pytest.raises(ValueError, match="optimizer=SGD"):
        release.save_checkpoint(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


# --- refusals -------------------------------------------------------------


def refusal(tmp_path, tensors, **options):
    with pytest.raises(ValueError) as error:
        release.load_checkpoint(
            write_bundle(tmp_path / "bad", tensors), **options
        )
    message = str(error.value)
    assert "\n" not in message and str(tmp_path / "bad") in message
    return message


@pytest.mark.parametrize(
    "name",
    [
        "allitem_embeddings",
        "softmax_b",
        f"{BLOCK}0/rez",
        f"{BLOCK}2/layer_norm2/beta",
        f"{BLOCK}3/dilated_conv1/weight",
    ],
)
def test_a_missing_variable(weights, tmp_path, name):
    del weights[name]
    assert f"variable {name}" in refusal(tmp_path, weights)


def test_a_wrong_shape(weights, tmp_path):
    weights["softmax_w"] = weights["softmax_w"][:, :7]
    message = refusal(tmp_path, weights)
    assert "softmax_w of shape (61, 8)" in message
    assert "Received: (61, 7)" in message
    weights["allitem_embeddings"] = weights["allitem_embeddings"][0]
    assert "allitem_embeddings of shape" in refusal(tmp_path, weights)


def test_a_mix_of_depths(weights, tmp_path):
    """Blocks 0, 1, 3: somebody joined two checkpoints."""
    mixed = {k: v for k, v in weights.items() if f"{BLOCK}2/" not in k}
    assert f"{BLOCK}2/" in refusal(tmp_path, mixed)
    weights[f"{BLOCK}7/rez"] = np.zeros(1, "float32")
    assert f"{BLOCK}4/" in refusal(tmp_path, weights)


def test_a_superfluous_variable(weights, tmp_path):
    weights["policy_net/softmax_w"] = np.zeros(1, "float32")
    assert "policy_net/softmax_w" in refusal(tmp_path, weights)


def test_slots_that_are_not_there(weights, tmp_path):
    message = refusal(tmp_path, weights, with_optimizer=True)
    assert "Adam's 80 variables" in message


def test_damaged_files(tmp_path):
    data = "x.ckpt.data-00000-of-00001"
    for name, damage in (
        ("missing", lambda content: None),
        ("truncated", lambda content: content[:-500]),
        ("flipped", lambda content: content[:600] + b"!!!!" + content[604:]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        index = (GOLDEN / "nextitnet_4.ckpt.index").read_bytes()
        (folder / "x.ckpt.index").write_bytes(index)
        whole = (GOLDEN / "nextitnet_4.ckpt.data-00000-of-00001").read_bytes()
        content = damage(whole)
        if content is not None:
            (folder / data).write_bytes(content)
        with pytest.raises(ValueError, match="prefix of a TensorFlow check"):
            release.load_checkpoint(folder / "x.ckpt")


def test_a_prefix_that_cannot_be_written(tmp_path):
    (tmp_path / "m.index").mkdir()
    with pytest.raises(ValueError, match="can be written to"):
        release.save_checkpoint(NextItNet(5, 1, 4), tmp_path / "m")


def test_kernels_of_a_loaded_model_start_as_the_releases_do():
    """Op seed 1 everywhere: fresh blocks of StackR are all alike."""
    model = release.load_checkpoint(CHECKPOINT)
    deep = Stacker(method="random", preset="release").stack(model, 6)
    fresh = [
        conv.kernel.numpy()
        for block in deep.blocks[4:]
        for conv in (block.conv1, block.conv2)
    ]
    assert all(np.array_equal(kernel, fresh[0]) for kernel in fresh)


def test_a_million_missing_blocks_are_seen_before_any_is_built(
    weights, tmp_path
):
    weights[f"{BLOCK}1000000/rez"] = np.zeros(1, "float32")
    assert f"{BLOCK}4/" in refusal(tmp_path, weights)


def test_half_a_head(weights, tmp_path):
    weights["logits/bias"] = weights.pop("softmax_b")
    del weights["softmax_w"]
    assert "logits/weight" in refusal(tmp_path, weights)


def test_no_checkpoint(tmp_path):
    (tmp_path / "text.index").write_text("no checkpoint")
    for name in ("nothing", "text"):
        with pytest.raises(ValueError, match="prefix of a TensorFlow check"):
            release.load_checkpoint(tmp_path / name)
    write_bundle(tmp_path / "other", {"w": np.zeros(3, "float32")})
    with pytest.raises(ValueError, match="expected a NextItNet's variables"):
        release.load_checkpoint(tmp_path / "other")
