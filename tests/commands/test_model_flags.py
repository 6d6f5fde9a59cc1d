"""What flags ask to be trained."""

import pytest
from absl import flags
from absl.testing import flagsaver

from nextitnet_tf.commands import model_flags
from nextitnet_tf.tuned import TUNED


@pytest.fixture(autouse=True)
def parsed():
    """Flags as they are when nothing was said."""
    flags.FLAGS.mark_as_parsed()
    yield
    flags.FLAGS.unparse_flags()


def recipe(**said):
    with flagsaver.as_parsed(**said):
        return model_flags.recipe()


@pytest.mark.parametrize("name", list(TUNED))
def test_what_was_tuned_is_the_default(name):
    assert recipe(model=name) == TUNED[name]


def test_flags_change_what_was_tuned():
    found = recipe(
        learning_rate="0.5",
        dropout_rate="0.1",
        seed="3",
        recut="false",
        patience="2",
        decay="constant",
    )
    assert found.learning_rate == 0.5 and found.decay == "constant"
    assert found.model_config == {"embedding_dim": 64, "dropout_rate": 0.1}
    assert found.seed == 3
    assert not found.protocol.recut and found.protocol.stop_on_unseen
    (stage,) = found.stages
    assert (stage.max_steps, stage.patience) == (40, 2)


def test_depths_are_stacked_upon_each_other():
    first, second = recipe(num_blocks=["2", "4"]).stages
    assert (first.num_blocks, first.method) == (2, None)
    assert (second.num_blocks, second.method) == (4, "adjacent")
    assert second.budget_in == "passes"


def test_a_budget_in_steps():
    (stage,) = recipe(max_steps="500").stages
    assert (stage.max_steps, stage.eval_every) == (500, 100)
    assert stage.budget_in == "steps" and stage.patience == 10
    (stage,) = recipe(max_steps="3", budget_in="passes").stages
    assert (stage.max_steps, stage.eval_every) == (3, 1)
    assert stage.budget_in == "passes"
    (stage,) = recipe(budget_in="steps").stages
    assert (stage.max_steps, stage.eval_every) == (20_000, 100)


def test_passes_where_the_defaults_are_steps():
    """20,000 passes, evaluated every hundred, are nobody's wish."""
    with pytest.raises(ValueError, match="no --eval_every and no --max_steps"):
        recipe(protocol=["release"], budget_in="passes")
    with pytest.raises(ValueError, match="Received: no --eval_every$"):
        recipe(model="caser", budget_in="passes", max_steps="3")
    found = recipe(
        model="caser", budget_in="passes", max_steps="3", eval_every="1"
    )
    assert found.stages[0].budget_in == "passes"


def test_the_data_sets_of_the_paper_keep_their_own():
    """StackRec, Section 4.1: ColdRec's batches, Kuaibao's dilations."""
    assert recipe(dataset="coldrec").batch_size == 64
    assert recipe(dataset="coldrec", batch_size="8").batch_size == 8
    config = recipe(dataset="kuaibao").model_config
    assert config["dilation_rates"] == [1, 2] and config["dropout_rate"] == 0.3
    assert "dilation_rates" not in recipe(dataset="ml1m").model_config


def test_a_fixed_order_is_not_cut_anew():
    protocol = recipe(reshuffle="false").protocol
    assert not protocol.reshuffle and not protocol.recut
    with pytest.raises(ValueError, match="recut=True, reshuffle=False"):
        recipe(reshuffle="false", recut="true")


def test_a_time_without_a_temporal_split():
    with pytest.raises(ValueError, match="train_until='2020-01-31'"):
        recipe(train_until="2020-01-31")
    found = recipe(protocol=["temporal"], train_until="2020-01-31")
    assert found.protocol.train_until == "2020-01-31"


def test_other_protocols_and_models_have_the_plain_defaults():
    found = recipe(protocol=["release"])
    assert [stage.num_blocks for stage in found.stages] == [2, 4, 8]
    assert found.decay == "constant" and found.learning_rate == 1e-3
    assert not found.protocol.recut
    found = recipe(model="caser")
    assert found.stages[0].budget_in == "steps"
    assert found.protocol.name == "clean" and not found.protocol.recut


def test_a_sampled_softmax_has_no_smoothed_labels():
    found = recipe(model="gru4rec", sampled_fraction="0.2")
    assert found.label_smoothing == 0.0
    with pytest.raises(ValueError, match="label_smoothing=0.2"):
        recipe(sampled_fraction="0.2", label_smoothing="0.2")


def test_an_argument_that_the_model_has_not():
    with pytest.raises(ValueError, match="--num_heads=2"):
        recipe(num_heads="2")
    with pytest.raises(ValueError, match="has no blocks"):
        recipe(model="gru4rec", num_blocks=["2"])
