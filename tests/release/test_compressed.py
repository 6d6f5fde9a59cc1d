"""CpRec's release: the same probabilities and the same loss."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import release
from nextitnet_tf.compression import Compression
from nextitnet_tf.models import NextItNet

GOLDEN = Path(__file__).parents[1] / "golden" / "cprec"
SCHEMES = {
    "original": "none",
    "cross-layer": "cross_layer",
    "cross-block": "cross_block",
    "adjacent-layer": "adjacent_layer",
    "adjacent-block": "adjacent_block",
}
every_scheme = pytest.mark.parametrize("name", SCHEMES)


def load(name):
    path = GOLDEN / f"{name}.npz"
    with np.load(path, allow_pickle=False) as found:
        return path, {key: found[key] for key in found.files}


@every_scheme
def test_the_release_s_probabilities(name):
    path, golden = load(name)
    model = release.load_cprec(path)
    assert model.compression == Compression(
        (20, 45, 60), (16, 4, 1), (16, 4, 1), SCHEMES[name]
    )
    assert model.dilation_rates == (1, 4, 1, 4)
    # The last item of a row is what is to be predicted.
    log_probabilities = np.array(model(golden["sequences"][:, :-1]))
    np.testing.assert_allclose(
        np.exp(log_probabilities), golden["probs"], atol=1e-6
    )


@every_scheme
def test_the_release_s_loss(name):
    path, golden = load(name)
    model = release.load_cprec(path)
    inputs, targets = golden["sequences"][:, :-1], golden["sequences"][:, 1:]
    weights = np.full(targets.shape, 1 / targets.size, "float32")
    for l2, expected in (
        (1e-3, golden["loss_with_l2"]),
        (0.0, golden["loss_with_l2"] - golden["l2"]),
    ):
        model.compile(l2=l2)
        loss = model.compute_loss(x=inputs, y=targets, sample_weight=weights)
        np.testing.assert_allclose(float(loss), expected, rtol=1e-5)


@every_scheme
def test_each_variable_is_counted_once(name):
    path, golden = load(name)
    model = release.load_cprec(path, dilation_rates=(1, 4))
    states = [v for key, v in golden.items() if key.startswith("state/")]
    assert len(model.trainable_variables) == len(states)
    assert model.count_params() == sum(v.size for v in states)


def test_a_checkpoint(tmp_path):
    _, golden = load("adjacent-block")
    names = [key for key in golden if key.startswith("state/")]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"),
        tensor_names=[
            *(n.removeprefix("state/") for n in names),
            "global_step",
        ],
        shape_and_slices=[""] * (len(names) + 1),
        tensors=[*(golden[n] for n in names), np.int64(7)],
    )
    model = release.load_cprec(tmp_path / "model.ckpt")
    probabilities = np.exp(np.array(model(golden["sequences"][:, :-1])))
    np.testing.assert_allclose(probabilities, golden["probs"], atol=1e-6)


def save(tmp_path, change):
    _, golden = load("original")
    states = {
        key.removeprefix("state/"): value
        for key, value in golden.items()
        if key.startswith("state/")
    }
    change(states)
    np.savez(tmp_path / "changed.npz", **states)
    return tmp_path / "changed.npz"


def test_variables_without_a_prefix(tmp_path):
    path = save(tmp_path, lambda states: None)
    assert release.load_cprec(path).sharing == "none"


def _full_embedding(states):
    for name in [n for n in states if n.startswith("blockwiseembedding")]:
        del states[name]
    states["word_embedding_"] = np.ones((60, 16), "float32")


def _full_softmax(states):
    for name in [n for n in states if n.startswith("BlockWise")]:
        del states[name]
    states["softmax_w"] = np.ones((16, 60), "float32")
    states["softmax_b"] = np.ones(60, "float32")


@pytest.mark.parametrize(
    ("change", "ranks"),
    [
        (_full_embedding, (None, (16, 4, 1))),
        (_full_softmax, ((16, 4, 1), None)),
    ],
)
def test_half_of_it_is_compressed(tmp_path, change, ranks):
    model = release.load_cprec(save(tmp_path, change))
    found = model.compression
    assert (found.embedding_ranks, found.softmax_ranks) == ranks
    assert model(np.ones((1, 3), "int32")).shape == (1, 60)


def test_nothing_of_it_is_compressed(tmp_path):
    """The release's full softmax, which has a bias, by hand."""

    def change(states):
        _full_embedding(states)
        _full_softmax(states)
        generator = np.random.default_rng(0)
        states["softmax_w"] = generator.normal(size=(16, 60)).astype("float32")
        states["softmax_b"] = generator.normal(size=60).astype("float32")

    path = save(tmp_path, change)
    model = release.load_cprec(path)
    assert model.compression == Compression()
    item_ids = np.array([[3, 5, 7]], "int32")
    hidden = np.array(model.encode(item_ids))[:, -1]
    with np.load(path) as states:
        expected = hidden @ states["softmax_w"] + states["softmax_b"]
    np.testing.assert_allclose(
        np.array(model(item_ids)), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("blockwiseembedding_block2_proj_w"),
            "lacks blockwiseembedding_block2_proj_w",
        ),
        (lambda s: s.update(more=np.ones(2)), "has, beyond them, more"),
        (
            lambda s: s.update(
                {"blockwiseembedding_block3_proj_w": np.ones((2, 16))}
            ),
            "blockwiseembedding_block3_proj_w of shape",
        ),
        (dict.clear, "expected the variables of CpRec's release"),
    ],
)
def test_other_variables(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        release.load_cprec(save(tmp_path, change))


def test_other_dilations_and_no_file(tmp_path):
    path, _ = load("original")
    with pytest.raises(ValueError, match="block 1 has dilation 4"):
        release.load_cprec(path, dilation_rates=(1, 2))
    for name in ("nothing.npz", "nothing"):
        with pytest.raises(ValueError, match=name):
            release.load_cprec(tmp_path / name)
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    with open(tmp_path / "one.npz", "wb") as file:
        np.save(file, np.ones(3))
    for name in ("text.npz", "empty.npz", "one.npz"):
        with pytest.raises(ValueError, match=name):
            release.load_cprec(tmp_path / name)


def test_slots_of_an_optimizer_are_no_weights(tmp_path):
    def add(states):
        for name in list(states):
            states[f"{name}/Adam"] = states[f"{name}/Adam_1"] = states[name]
        states["beta1_power"] = np.float32(0.9)

    assert release.load_cprec(save(tmp_path, add)).sharing == "none"


def test_kernels_of_a_higher_image_are_refused(tmp_path):
    def change(states):
        name = next(n for n in states if n.endswith("dilated_conv1/weight"))
        states[name] = np.concatenate([states[name]] * 2)

    with pytest.raises(ValueError, match="dilated_conv1/weight of shape"):
        release.load_cprec(save(tmp_path, change))


@pytest.mark.parametrize(
    "changes",
    [
        {"compression": "auto"},
        {"compression": Compression(sharing="cross_block")},
        {"tie_output": True},
    ],
)
def test_stackrecs_checkpoints_hold_no_such_model(tmp_path, changes):
    model = NextItNet(20, num_blocks=2, embedding_dim=8, **changes)
    with pytest.raises(ValueError, match=next(iter(changes))):
        release.save_checkpoint(model, tmp_path / "model.ckpt")
    assert list(tmp_path.iterdir()) == []
