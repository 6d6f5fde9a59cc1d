"""Which block is copied from which, and which of its tensors."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextitnet_tf import MostPop
from nextitnet_tf import NextItNet
from nextitnet_tf import SASRec
from nextitnet_tf import Stacker
from nextitnet_tf import stacking
from nextitnet_tf.recipe import Stage
from nextitnet_tf.stacking import source_blocks

NUM_ITEMS = 20
# Part of a model by a word in the path of its variables, and by switch.
PART_OF = {
    "item_embedding": "embedding",
    "item_softmax": "head",
    "conv1": "blocks",
    "conv2": "blocks",
    "norm1": "norm",
    "norm2": "norm",
    "rezero": "alpha",
}


def make_model(num_blocks=2, seed=0, **config):
    """A small model with every weight at a random value of its own."""
    model = NextItNet(
        num_items=NUM_ITEMS,
        num_blocks=num_blocks,
        embedding_dim=4,
        **{"dilation_rates": (1, 2), **config},
    )
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return model


def some_histories(num_rows=5, length=7, seed=1):
    generator = np.random.default_rng(seed)
    return generator.integers(0, NUM_ITEMS + 1, (num_rows, length))


def by_part(model):
    """{(part, block or None, name): value} of every weight."""
    values = {}
    for variable in model.trainable_variables:
        words = variable.path.split("/")
        blocks = [w for w in words if w.startswith("block_")]
        block = int(blocks[0].removeprefix("block_")) if blocks else None
        (part,) = (PART_OF[word] for word in words if word in PART_OF)
        values[part, block, "/".join(words[-2:])] = variable.numpy()
    assert len(values) == len(model.trainable_variables)
    return values


# --- source_blocks --------------------------------------------------------


@pytest.mark.parametrize(
    ("num_source", "num_target", "method", "expected"),
    [
        (1, 2, "adjacent", [0, 0]),
        (1, 2, "cross", [0, 0]),
        (2, 4, "adjacent", [0, 0, 1, 1]),
        (2, 4, "cross", [0, 1, 0, 1]),
        (4, 8, "adjacent", [0, 0, 1, 1, 2, 2, 3, 3]),
        (4, 8, "cross", [0, 1, 2, 3, 0, 1, 2, 3]),
        (4, 5, "adjacent", [0, 1, 2, 3, 3]),
        (4, 5, "cross", [0, 1, 2, 3, 3]),
        (4, 6, "adjacent", [0, 1, 2, 2, 3, 3]),
        (4, 6, "cross", [0, 1, 2, 3, 2, 3]),
        (4, 7, "adjacent", [0, 1, 1, 2, 2, 3, 3]),
        (4, 7, "cross", [0, 1, 2, 3, 1, 2, 3]),
        # The release's growth from 32 to 48 blocks.
        (32, 48, "cross", [*range(32), *range(16, 32)]),
        (
            32,
            48,
            "adjacent",
            [
                *range(16),
                *(16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22),
                *(23, 23, 24, 24, 25, 25, 26, 26, 27, 27, 28, 28, 29, 29),
                *(30, 30, 31, 31),
            ],
        ),
        # The intended form of its growth from 18 to 24.
        (
            18,
            24,
            "adjacent",
            [*range(12), 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17],
        ),
        (18, 24, "cross", [*range(18), 12, 13, 14, 15, 16, 17]),
    ],
)
def test_source_blocks(num_source, num_target, method, expected):
    assert source_blocks(num_source, num_target, method) == expected


@given(data=st.data(), method=st.sampled_from(["adjacent", "cross"]))
def test_properties_of_source_blocks(data, method):
    num_source = data.draw(st.integers(1, 40))
    num_new = data.draw(st.integers(1, num_source))
    sources = source_blocks(num_source, num_source + num_new, method)
    assert len(sources) == num_source + num_new
    # Every block is used; the top `num_new` twice, no other.
    counts = [sources.count(i) for i in range(num_source)]
    assert counts == [1] * (num_source - num_new) + [2] * num_new
    if method == "adjacent":
        assert sources == sorted(sources)
    else:
        assert sources[:num_source] == list(range(num_source))
        assert sources[num_source:] == sorted(sources[num_source:])


@pytest.mark.parametrize("num_target", [-1, 0, 3, 4])
def test_depths_out_of_reach(num_target):
    with pytest.raises(ValueError, match=f"num_target={num_target}"):
        source_blocks(4, num_target, "adjacent")


def test_the_index_of_the_releases_transformers():
    """18 blocks to 24: the release's own case."""
    found = stacking.source_blocks(18, 24, "adjacent_release")
    assert found == [*range(18), 12, 12, 13, 13, 14, 14]
    for num_target in (8, 9):
        with pytest.raises(ValueError, match=f"=4, num_target={num_target}"):
            stacking.source_blocks(4, num_target, "adjacent_release")


@pytest.mark.parametrize(
    ("num_target", "method", "expected"),
    [
        (6, "adjacent", [0, 0, 0, 1, 1, 1]),
        (7, "adjacent", [0, 0, 0, 1, 1, 1, 1]),
        (6, "cross", [0, 1, 0, 1, 0, 1]),
        (7, "cross", [0, 1, 0, 1, 0, 1, 1]),
        (5, "random", [0, 1, None, None, None]),
        (5, "embedding", [None] * 5),
    ],
)
def test_more_than_doubling(num_target, method, expected):
    assert source_blocks(2, num_target, method) == expected


def test_blocks_that_start_fresh():
    assert source_blocks(3, 5, "random") == [0, 1, 2, None, None]
    assert source_blocks(3, 5, "embedding") == [None] * 5


def test_other_errors_of_source_blocks():
    with pytest.raises(ValueError, match="method='StackA'"):
        source_blocks(4, 8, "StackA")
    with pytest.raises(ValueError, match="num_source=0"):
        source_blocks(0, 0, "adjacent")


# --- what is copied -------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("release", {"blocks", "embedding"}),
        (
            "paper",
            {"blocks", "feed_forward", "alpha", "norm", "embedding", "head"},
        ),
    ],
)
def test_presets(preset, expected):
    switches = stacking.preset_switches(preset, "cross")
    assert {name for name, on in switches.items() if on} == expected
    assert set(switches) == {
        *("blocks", "feed_forward", "alpha", "norm"),
        *("embedding", "head", "optimizer", "tied", "identity"),
    }
    assert Stacker(preset=preset).switches_for(make_model()) == switches


def test_a_stage_of_a_recipe_takes_every_preset():
    for preset in stacking.PRESETS:
        assert Stage(2, method="cross", preset=preset).preset == preset


def test_the_default_preset_is_the_best_of_the_model():
    sasrec = SASRec(num_items=3, num_blocks=1, embedding_dim=4, max_length=2)
    for model, alpha_is_copied in ((make_model(), False), (sasrec, True)):
        off = {
            name for name, on in Stacker().switches_for(model).items() if not on
        }
        assert off == {"optimizer", "tied", "identity"} | (
            set() if alpha_is_copied else {"alpha"}
        )
        for alpha in model.blocks[0].parts()["alpha"]:
            alpha.set_weights([np.full_like(alpha.get_weights()[0], 0.5)])
        for layer in Stacker().stack(model).blocks[1].parts()["alpha"]:
            found = float(np.squeeze(layer.get_weights()[0]))
            assert found == (0.5 if alpha_is_copied else 0.0)


def test_arguments_of_the_stacker():
    with pytest.raises(ValueError, match="method='stackA'"):
        Stacker(method="stackA")
    with pytest.raises(ValueError, match="preset='newest'"):
        Stacker(preset="newest")
    with pytest.raises(ValueError, match="rezero"):
        Stacker(switches={"rezero": True})


@pytest.mark.parametrize(
    ("method", "num_blocks", "sources"),
    [
        ("adjacent", 4, [0, 0, 1, 1]),
        ("cross", 4, [0, 1, 0, 1]),
        ("adjacent", 3, [0, 1, 1]),
    ],
)
@pytest.mark.parametrize(
    "copied",
    [
        (),
        ("blocks",),
        ("alpha",),
        ("norm",),
        ("embedding",),
        ("head",),
        ("blocks", "norm", "embedding", "head"),
        ("blocks", "alpha", "norm", "embedding", "head"),
    ],
)
def test_a_switch_copies_its_tensors_only(method, num_blocks, sources, copied):
    keras.utils.set_random_seed(0)  # fresh numbers may equal by chance
    model = make_model()
    switches = {
        name: name in copied
        for name in ("blocks", "alpha", "norm", "embedding", "head")
    }
    deep = Stacker(method, "paper", switches).stack(model, num_blocks)
    assert type(deep) is NextItNet
    assert len(deep.blocks) == num_blocks
    shallow_values = by_part(model)
    for (part, block, name), value in by_part(deep).items():
        source = None if block is None else sources[block]
        original = shallow_values[part, source, name]
        if part in copied:
            np.testing.assert_array_equal(value, original, err_msg=name)
        else:
            assert not np.isclose(value, original).any(), (part, name)
            check_is_fresh(part, name, value)


def check_is_fresh(part, name, value):
    if part == "alpha" or name.endswith(("beta", "conv1/bias", "conv2/bias")):
        assert (value == 0).all(), name
    elif name.endswith("gamma"):
        assert (value == 1).all(), name
    elif name == "item_softmax/bias":
        assert (value == np.float32(0.1)).all(), name
    elif name == "item_softmax/kernel":
        assert 0.004 < value.std() < 0.03, name
    else:  # kernels and embedding: truncated at two deviations of 0.02
        assert 0 < np.abs(value).max() <= 0.04001, name


def test_the_shallow_model_stays_as_it_is():
    model = make_model()
    before = model.get_weights()
    deep = Stacker("adjacent", "paper").stack(model)
    for variable in deep.trainable_variables:
        variable.assign(variable + 1.0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert len(model.blocks) == 2
    assert model.get_config()["num_blocks"] == 2


def test_two_copies_of_a_block_are_two_blocks():
    deep = Stacker("adjacent", "paper").stack(make_model())
    kernel = deep.blocks[0].conv1.kernel
    copy = deep.blocks[1].conv1.kernel
    np.testing.assert_array_equal(kernel, copy)
    kernel.assign(kernel * 2.0)
    assert not np.isclose(kernel, copy).any()


def test_the_deep_model_keeps_the_configuration():
    config = {
        "kernel_size": 2,
        "dilation_rates": (1, 3, 2),
        "use_alpha": False,
        "kernel_seed": 5,
    }
    deep = Stacker("cross", "paper").stack(make_model(**config), 3)
    assert {name: getattr(deep, name) for name in config} == config
    # A dilation belongs to the place in the deep model.
    assert [b.conv1.dilation_rate[0] for b in deep.blocks] == [1, 3, 2]
    assert [b.conv2.dilation_rate[0] for b in deep.blocks] == [2, 6, 4]


def test_default_depth_is_twice_as_deep():
    assert len(Stacker().stack(make_model(num_blocks=3)).blocks) == 6


def test_depths_a_stacker_refuses():
    with pytest.raises(ValueError, match="num_target=2"):
        Stacker().stack(make_model(), 2)


def test_a_model_that_begins_as_the_shallow_one_is():
    """Copies whose alpha is 0 add nothing, as many as there are."""
    model = make_model(num_blocks=2)
    rows = some_histories()
    for method, num_blocks in (("cross", 8), ("random", 5), ("cross", 4)):
        deep = Stacker(method, "identity").stack(model, num_blocks)
        np.testing.assert_allclose(deep(rows), model(rows), atol=1e-6)
        alphas = [float(block.rezero.alpha) for block in deep.blocks]
        assert alphas[:2] != [0, 0] and alphas[2:] == [0] * (num_blocks - 2)
    # Of copies beside each other, the first is the one that counts.
    deep = Stacker("adjacent", "identity").stack(model, 6)
    alphas = [float(block.rezero.alpha) for block in deep.blocks]
    assert [alpha != 0 for alpha in alphas] == [True, False, False] * 2


def test_a_tied_head_is_not_copied_without_its_embedding():
    config = {"num_items": 3, "num_blocks": 1, "embedding_dim": 4}
    tied = SASRec(**config, max_length=2, variant="original")
    own = SASRec(**config, max_length=2)
    switches = {"embedding": False}
    with pytest.raises(ValueError, match="embedding=False, head=True"):
        Stacker("adjacent", "paper", switches).stack(tied)
    Stacker("adjacent", "paper", switches).stack(own)
    before = tied.item_embedding.get_weights()[0]
    neither = {"embedding": False, "head": False}
    for overrides, is_copied in ((neither, False), ({}, True)):
        deep = Stacker("adjacent", "paper", overrides).stack(tied)
        found = deep.item_softmax.kernel.numpy()
        assert np.array_equal(found, before) == is_copied


def test_models_a_stacker_refuses():
    with pytest.raises(ValueError, match="model=MostPop"):
        Stacker().stack(MostPop(num_items=3))


# --- what a stacked model computes ----------------------------------------


@pytest.mark.parametrize("method", ["adjacent", "cross"])
def test_blocks_with_alpha_0_leave_the_function_unchanged(method):
    """The paper's argument for alpha: a gated block is the identity."""
    model = make_model()
    for block in model.blocks:
        block.rezero.alpha.assign(0.0)
    histories = some_histories()
    deep = Stacker(method, "paper").stack(model)
    np.testing.assert_array_equal(deep(histories), model(histories))


@pytest.mark.parametrize("method", ["adjacent", "cross"])
def test_without_alphas_a_stacked_model_knows_the_last_item_only(method):
    model = make_model()
    deep = Stacker(method, "paper", {"alpha": False}).stack(model)
    histories = some_histories()
    last = model.item_embedding.embeddings.numpy()[histories[:, -1]]
    expected = last @ model.item_softmax.kernel.numpy().T
    expected += model.item_softmax.bias.numpy()
    np.testing.assert_allclose(deep(histories), expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(model(histories), expected, atol=0.1)


@pytest.mark.parametrize("use_alpha", [True, False])
def test_cross_runs_the_shallow_blocks_twice(use_alpha):
    model = make_model(use_alpha=use_alpha)
    deep = Stacker("cross", "paper").stack(model)
    histories = some_histories()
    hidden = model.encode(histories)
    for block in model.blocks:
        hidden = block(hidden)
    np.testing.assert_allclose(
        deep.encode(histories), hidden, rtol=1e-4, atol=1e-4
    )


def test_adjacent_runs_copies_at_the_dilations_of_their_places():
    # All at the one dilation: each block is simply run twice. With two
    # dilations it is not.
    for dilation_rates, is_same in (((2,), True), ((1, 2), False)):
        model = make_model(dilation_rates=dilation_rates)
        deep = Stacker("adjacent", "paper").stack(model)
        histories = some_histories()
        hidden = model.item_embedding(histories)
        for block in model.blocks:
            hidden = block(block(hidden))
        found = np.allclose(deep.encode(histories), hidden, atol=1e-3)
        assert found == is_same


# --- optimizer slots ------------------------------------------------------


def train_a_little(model, optimizer, num_steps=3):
    model.compile(optimizer=optimizer, num_sampled=5, l2=0.01, run_eagerly=True)
    for seed in range(num_steps):
        rows = some_histories(num_rows=8, seed=seed)
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
    return model


def slots_by_part(model):
    """{(slot, part, block, name): value}, by the paths of the slots."""
    found = {}
    for variable in model.trainable_variables:
        words = variable.path.split("/")
        stem = "_".join(words)
        blocks = [w for w in words if w.startswith("block_")]
        block = int(blocks[0].removeprefix("block_")) if blocks else None
        (part,) = (PART_OF[word] for word in words if word in PART_OF)
        for slot in ("momentum", "velocity"):
            (value,) = (
                v.numpy()
                for v in model.optimizer.variables
                if v.path.endswith(f"/{stem}_{slot}")
            )
            found[slot, part, block, "/".join(words[-2:])] = value
    return found


@pytest.fixture(scope="module")
def trained():
    return train_a_little(
        make_model(), keras.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-6)
    )


@pytest.mark.parametrize(
    ("method", "sources"),
    [("adjacent", [0, 0, 1, 1]), ("cross", [0, 1, 0, 1])],
)
@pytest.mark.parametrize("preset", ["paper", "release"])
def test_optimizer_slots_go_with_their_weights(
    trained, method, sources, preset
):
    model = trained
    deep = Stacker(method, preset, {"optimizer": True}).stack(model)
    copied = {
        "paper": ("blocks", "alpha", "norm", "embedding", "head"),
        "release": ("blocks", "embedding"),
    }[preset]
    shallow_slots = slots_by_part(model)
    for (slot, part, block, name), value in slots_by_part(deep).items():
        source = None if block is None else sources[block]
        original = shallow_slots[slot, part, source, name]
        assert (original != 0).any()
        if part in copied:
            np.testing.assert_array_equal(value, original, err_msg=name)
        else:
            assert (value == 0).all(), (slot, part, name)
    assert deep.optimizer is not model.optimizer
    assert int(deep.optimizer.iterations) == 3
    assert float(deep.optimizer.learning_rate) == pytest.approx(0.01)
    assert deep.optimizer.beta_1 == 0.8
    assert deep.optimizer.epsilon == 1e-6
    assert (deep.num_sampled, deep.l2) == (5, 0.01)


def test_training_goes_on_and_leaves_the_shallow_optimizer_alone(trained):
    before = [v.numpy() for v in trained.optimizer.variables]
    deep = Stacker("cross", "paper", {"optimizer": True}).stack(trained)
    rows = some_histories(num_rows=8)
    deep.train_on_batch(rows[:, :-1], rows[:, 1:])
    assert int(deep.optimizer.iterations) == 4
    for old, new in zip(before, trained.optimizer.variables, strict=True):
        np.testing.assert_array_equal(new, old)


def test_an_optimizer_without_slots():
    model = train_a_little(make_model(), keras.optimizers.SGD(0.1))
    deep = Stacker("cross", "paper", {"optimizer": True}).stack(model)
    assert int(deep.optimizer.iterations) == 3


def test_an_optimizer_that_keeps_its_slots_in_another_order():
    model = train_a_little(make_model(), keras.optimizers.Adam(amsgrad=True))
    with pytest.raises(ValueError, match="optimizer"):
        Stacker("cross", "paper", {"optimizer": True}).stack(model)


def test_without_the_switch_the_deep_model_has_no_optimizer():
    model = train_a_little(make_model(), "adam")
    deep = Stacker("cross", "paper").stack(model)
    assert getattr(deep, "optimizer", None) is None


def test_slots_of_a_model_that_was_not_trained():
    stacker = Stacker("cross", "paper", {"optimizer": True})
    with pytest.raises(ValueError, match="optimizer"):
        stacker.stack(make_model())
