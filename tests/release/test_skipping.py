"""SkipRec's release: the same policy, probabilities and loss."""

from pathlib import Path

import numpy as np
import pytest

from nextitnet_tf import SASRec
from nextitnet_tf import SkipRec
from nextitnet_tf import release

PATH = Path(__file__).parents[1] / "golden" / "skiprec" / "gumbel.npz"


@pytest.fixture(name="golden")
def fixture_golden():
    with np.load(PATH, allow_pickle=False) as found:
        return {key: found[key] for key in found.files}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_release_s_policy(golden):
    model = release.load_skiprec(PATH)
    logits = np.array(model.policy_logits(golden["sequences"][:, :-1]))
    np.testing.assert_allclose(
        softmax(logits), golden["policy_probs"], atol=1e-6
    )
    # Without noise it takes the larger of both.
    keep = model.keep(golden["sequences"][:, :-1])
    expected = golden["policy_probs"][..., 0] >= golden["policy_probs"][..., 1]
    np.testing.assert_array_equal(keep, expected)


def test_the_release_s_probabilities_and_loss(golden):
    model = release.load_skiprec(PATH, dilation_rates=(1, 4))
    rows, actions = golden["sequences"], golden["actions"]
    hidden = model.encode(rows[:, :-1], keep=actions)[:, -1]
    found = softmax(np.array(model.item_softmax(hidden)))
    np.testing.assert_allclose(found, golden["probs"], atol=1e-6)
    # That of the test is of the last item.
    loss = -np.log(found[np.arange(len(rows)), rows[:, -1]]).mean()
    np.testing.assert_allclose(loss, golden["test_loss"], rtol=1e-5)


def test_each_variable_is_there_once(golden):
    model = release.load_skiprec(PATH)
    states = [v for key, v in golden.items() if key.startswith("state/")]
    assert len(model.trainable_variables) == len(states)
    assert model.count_params() == sum(v.size for v in states)


def test_a_network_without_alpha(golden, tmp_path):
    states = {
        key.replace("/rez_layer", "/layer", 1)
        if "policy_net" not in key
        else key: tensor
        for key, tensor in golden.items()
        if not (key.endswith("/rez") and "policy_net" not in key)
    }
    np.savez(tmp_path / "plain.npz", **states)
    model = release.load_skiprec(tmp_path / "plain.npz")
    assert not model.backbone.use_alpha
    assert model.skip_policy.readers[0].use_alpha


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("state/softmax_b"), "lacks softmax_b"),
        (
            lambda s: s.update({"state/more": np.zeros(1)}),
            "has, beyond them, more",
        ),
        (
            lambda s: s.update({"state/softmax_b": np.zeros(3)}),
            r"softmax_b of shape \(3,\)",
        ),
        (lambda s: s.pop("state/item_embedding"), "Received: "),
        (
            lambda s: [
                s.pop(key) for key in list(s) if key.startswith("state/policy")
            ],
            "policy_net/rez_layer_0_1",
        ),
    ],
)
def test_other_files(golden, tmp_path, change, message):
    change(golden)
    np.savez(tmp_path / "other.npz", **golden)
    with pytest.raises(ValueError, match=message):
        release.load_skiprec(tmp_path / "other.npz")


# --- SASRec+: names alone, there are no measured numbers --------------------


def sas_variables(generator, scope, names):
    """Of one Transformer block of width 4."""
    found = {}
    for norm in ("ln_input", "ln_intermediate", "ln_output"):
        for name in ("beta", "gamma"):
            found[f"{scope}/{norm}/{name}"] = generator.normal(size=4)
    attention = f"{scope}/multi_head_attention_rezero"
    for name in ("dense", "dense_1", "dense_2"):
        found[f"{attention}/{name}/kernel"] = generator.normal(size=(4, 4))
        found[f"{attention}/{name}/bias"] = generator.normal(size=4)
    dense = f"{scope}/feed_forward_rezero"
    for name in ("conv1d", "conv1d_1"):
        found[f"{dense}/{name}/kernel"] = generator.normal(size=(1, 4, 4))
        found[f"{dense}/{name}/bias"] = generator.normal(size=4)
    for branch in (attention, dense):
        found[f"{branch}/rez"] = generator.normal(size=1)
    names.update({k: v.astype("float32") for k, v in found.items()})


def sas_release():
    """A SASRec+ of 3 blocks, 11 columns and 6 positions, and its policy."""
    generator = np.random.default_rng(0)
    found = {
        name: generator.normal(size=shape).astype("float32")
        for name, shape in (
            ("item_embedding", (11, 4)),
            ("pos_embedding", (6, 4)),
            ("softmax_w", (11, 4)),
            ("softmax_b", (11,)),
            ("policy_net/item_embedding", (11, 4)),
            ("policy_net/pos_embedding", (6, 4)),
            ("policy_net/softmax_w", (6, 4)),
            ("policy_net/softmax_b", (6,)),
        )
    }
    for scope in (
        *(f"sas_layer_{i}" for i in range(3)),
        "policy_net/sas_layer_0",
    ):
        sas_variables(generator, scope, found)
    return found


def sas_block(variables, scope, block):
    """Gives a block of ours a block of theirs, layer by layer."""
    at = lambda name: variables[f"{scope}/{name}"]  # noqa: E731
    for name, norm in (
        ("ln_input", block.norm_in),
        ("ln_intermediate", block.norm_mid),
        ("ln_output", block.norm_out),
    ):
        norm.gamma.assign(at(f"{name}/gamma"))
        norm.beta.assign(at(f"{name}/beta"))
    attention = "multi_head_attention_rezero"
    for name, layer in (
        ("dense", block.attention.query),
        ("dense_1", block.attention.key),
        ("dense_2", block.attention.value),
    ):
        layer.set_weights(
            [at(f"{attention}/{name}/{part}") for part in ("kernel", "bias")]
        )
    for name, layer in (("conv1d", block.inner), ("conv1d_1", block.outer)):
        kernel = at(f"feed_forward_rezero/{name}/kernel")[0]
        layer.set_weights([kernel, at(f"feed_forward_rezero/{name}/bias")])
    block.rezero1.alpha.assign(at(f"{attention}/rez")[0])
    block.rezero2.alpha.assign(at("feed_forward_rezero/rez")[0])


def test_the_names_of_a_sasrec(tmp_path):
    variables = sas_release()
    np.savez(tmp_path / "sas.npz", **variables)
    expected = SkipRec(
        SASRec(
            num_items=10,
            num_blocks=3,
            embedding_dim=4,
            max_length=6,
            num_heads=2,
            block="plus",
        ),
        policy="attention",
        sigmoid_logits=True,
    )
    backbone, policy = expected.backbone, expected.skip_policy
    for variable, name in (
        (backbone.item_embedding.embeddings, "item_embedding"),
        (backbone.position_embedding.embeddings, "pos_embedding"),
        (backbone.item_softmax.kernel, "softmax_w"),
        (backbone.item_softmax.bias, "softmax_b"),
        (policy.item_embedding.embeddings, "policy_net/item_embedding"),
        (policy.position_embedding.embeddings, "policy_net/pos_embedding"),
        (policy.kernel, "policy_net/softmax_w"),
        (policy.bias, "policy_net/softmax_b"),
    ):
        variable.assign(variables[name])
    for i, block in enumerate(backbone.blocks):
        sas_block(variables, f"sas_layer_{i}", block)
    sas_block(variables, "policy_net/sas_layer_0", policy.readers[0])
    model = release.load_skiprec(tmp_path / "sas.npz")
    histories = np.random.default_rng(1).integers(0, 11, (8, 6))
    for call in ("policy_logits", "keep", "__call__"):
        np.testing.assert_array_equal(
            getattr(model, call)(histories), getattr(expected, call)(histories)
        )
    np.testing.assert_array_equal(
        model.encode(histories, keep=np.ones((8, 3))),
        backbone.encode(histories),
    )
    # In training it drops out as much as the release's scripts do.
    assert model.backbone.dropout_rate == 0.2
    one_head = release.load_skiprec(tmp_path / "sas.npz", num_heads=1)
    assert one_head.backbone.num_heads == 1
    assert not np.allclose(one_head(histories), expected(histories))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("sas_layer_1/ln_input/gamma"), r"blocks \[0, 2\]"),
        (
            lambda s: s.pop("policy_net/sas_layer_0/ln_input/gamma"),
            r"of the policy \[\]",
        ),
        (lambda s: s.pop("pos_embedding"), "pos_embedding among them"),
        (
            lambda s: s.pop("sas_layer_2/feed_forward_rezero/rez"),
            "lacks sas_layer_2/feed_forward_rezero/rez",
        ),
        (
            lambda s: s.update({"policy_net/gru/kernel": np.zeros(1)}),
            "GRU is not known. Received: policy_net/gru/kernel",
        ),
    ],
)
def test_other_files_of_a_sasrec(tmp_path, change, message):
    variables = sas_release()
    change(variables)
    np.savez(tmp_path / "other.npz", **variables)
    with pytest.raises(ValueError, match=message):
        release.load_skiprec(tmp_path / "other.npz")


def test_an_argument_of_the_other_model(tmp_path):
    np.savez(tmp_path / "sas.npz", **sas_release())
    with pytest.raises(ValueError, match="SASRec. has no dilation_rates"):
        release.load_skiprec(tmp_path / "sas.npz", dilation_rates=(1, 4))
    with pytest.raises(ValueError, match="NextItNet. has no num_heads"):
        release.load_skiprec(PATH, num_heads=2)


def test_other_dilations():
    with pytest.raises(ValueError, match="block 1 has dilation 4"):
        release.load_skiprec(PATH, dilation_rates=(1, 2))
