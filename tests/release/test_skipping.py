"""SkipRec's release: the same policy, probabilities and loss."""

from pathlib import Path

import numpy as np
import pytest

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


def test_other_dilations():
    with pytest.raises(ValueError, match="block 1 has dilation 4"):
        release.load_skiprec(PATH, dilation_rates=(1, 2))
