"""SkipRec: who decides, what is computed, what is learned."""

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import NextItNet
from nextitnet_tf import SASRec
from nextitnet_tf import SkipRec
from nextitnet_tf import layers
from nextitnet_tf.layers.kept_rows import run_kept
from nextitnet_tf.layers.skip_policy import POLICIES
from nextitnet_tf.models import policy_training
from nextitnet_tf.stacking import Stacker
from nextitnet_tf.vocabulary import Vocabulary
from tests import checks

every_policy = pytest.mark.parametrize("policy", POLICIES)


def make_model(policy="cnn", num_blocks=4, **options):
    backbone = NextItNet(num_items=30, num_blocks=num_blocks, embedding_dim=8)
    checks.scramble(backbone)
    model = SkipRec(backbone, policy=policy, **options)
    checks.scramble(model.skip_policy)
    return model


HISTORIES = np.random.default_rng(0).integers(1, 31, (9, 6)).astype("int32")


def by_hand(model, histories, keep):
    """Every block for every row, then what each row keeps."""
    hidden = np.array(model.backbone.item_embedding(histories))
    for i, block in enumerate(model.backbone.blocks):
        is_kept = keep[:, i, None, None] == 1
        hidden = np.where(is_kept, np.array(block(hidden)), hidden)
    return hidden


@every_policy
def test_skipping_is_masking(policy):
    model = make_model(policy)
    keep = np.array(model.keep(HISTORIES))
    assert keep.shape == (9, 4) and set(np.unique(keep)) <= {0, 1}
    np.testing.assert_array_equal(keep, model.keep(HISTORIES))
    found = np.array(model.encode(HISTORIES))
    np.testing.assert_allclose(
        found, by_hand(model, HISTORIES, keep), rtol=1e-5, atol=1e-5
    )
    # One at a time, the same.
    for row, expected in zip(HISTORIES, found, strict=True):
        np.testing.assert_allclose(
            model.encode(row[None])[0], expected, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("num_rows", [1, 2, 7, 9])
def test_actions_that_are_given(num_rows):
    model = make_model()
    keep = np.random.default_rng(num_rows).integers(0, 2, (num_rows, 4))
    histories = HISTORIES[:num_rows]
    np.testing.assert_allclose(
        model.encode(histories, keep=keep),
        by_hand(model, histories, keep),
        rtol=1e-5,
        atol=1e-5,
    )
    everything = model.encode(histories, keep=np.ones_like(keep))
    np.testing.assert_allclose(
        everything, model.backbone.encode(histories), rtol=1e-5, atol=1e-6
    )


def test_a_masked_transformer_skips_rows_with_their_masks():
    backbone = SASRec(
        num_items=30, num_blocks=3, embedding_dim=8, variant="original"
    )
    checks.scramble(backbone)
    histories = HISTORIES.copy()
    histories[::2, :3] = 0
    keep = np.random.default_rng(3).integers(0, 2, (9, 3))
    found = np.array(SkipRec(backbone).encode(histories, keep=keep))
    for row in range(9):
        kept = [b for b, k in zip(backbone.blocks, keep[row], strict=True) if k]
        hidden, mask = backbone.embed(histories[row : row + 1])
        for block in kept:
            hidden = block(hidden, item_mask=mask)
            hidden = hidden * np.array(mask)[..., None]
        np.testing.assert_allclose(
            found[row], backbone.norm(hidden)[0], rtol=1e-4, atol=1e-5
        )


class Counts(keras.layers.Layer):
    """A block that counts the rows it is given, as the graph runs."""

    def __init__(self):
        super().__init__()
        self.total = self.add_weight(shape=(), dtype="int32", trainable=False)

    def call(self, x):
        self.total.assign_add(x.shape[0])
        return x + 1


@pytest.mark.parametrize(
    ("num_rows", "num_kept", "expected"),
    # Chunks of 3, of 4 and of 8 rows, as many as it takes.
    [
        *((1, 0, 0), (1, 1, 1), (3, 1, 3), (8, 3, 4), (8, 5, 8), (16, 5, 8)),
        *((64, 0, 0), (64, 17, 24), (64, 64, 64), (33, 33, 36)),
    ],
)
def test_what_is_skipped_is_not_computed(num_rows, num_kept, expected):
    tf = pytest.importorskip("tensorflow")
    keep = np.zeros(num_rows, "float32")
    places = np.random.default_rng(num_rows).permutation(num_rows)[:num_kept]
    keep[places] = 1
    hidden = np.arange(num_rows, dtype="float32")[:, None, None]
    for compiled in (False, True):
        block = Counts()
        run = tf.function(run_kept, jit_compile=compiled and num_rows > 1)
        found = np.array(run(block, tf.constant(hidden), tf.constant(keep)))
        np.testing.assert_array_equal(found, hidden + keep[:, None, None])
        assert int(block.total) == expected


def test_a_batch_that_the_graph_does_not_know():
    tf = pytest.importorskip("tensorflow")
    block = Counts()
    run = tf.function(
        lambda hidden, keep: run_kept(block, hidden, keep),
        input_signature=[
            tf.TensorSpec((None, 1, 1)),
            tf.TensorSpec((None,)),
        ],
    )
    keep = np.array([0, 1, 0, 1, 1, 1, 1, 0], "float32")
    found = np.array(run(np.zeros((8, 1, 1), "float32"), keep))
    np.testing.assert_array_equal(found[:, 0, 0], keep)
    assert int(block.total) == 8  # five rows, four at a time


def test_a_drawn_block_has_the_gradient_of_its_probability():
    """Of keeping: soft (1 - soft) / temperature, whatever was drawn."""
    tf = pytest.importorskip("tensorflow")
    model = make_model(temperature=2.0)
    logits = tf.Variable(np.zeros((500, 4, 2), "float32"))
    with tf.GradientTape() as tape:
        keep = model._draw(logits)
        total = tf.reduce_sum(keep)
    assert set(np.unique(keep)) == {0, 1}
    assert 0.45 < float(tf.reduce_mean(keep)) < 0.55
    gradient = np.array(tape.gradient(total, logits))
    np.testing.assert_allclose(gradient[..., 0], -gradient[..., 1], atol=1e-6)
    # soft (1 - soft) is a quarter at most.
    assert gradient[..., 0].min() > 0 and gradient[..., 0].max() <= 0.125
    # The odds are those of the logits: e^2 to 1.
    logits.assign(np.tile(np.array([2.0, 0.0], "float32"), (500, 4, 1)))
    share = float(tf.reduce_mean(model._draw(logits)))
    assert share == pytest.approx(np.exp(2) / (1 + np.exp(2)), abs=0.03)


def test_a_random_policy_depends_on_the_history():
    model = make_model("random", num_blocks=8, keep_rate=0.3)
    histories = np.random.default_rng(5).integers(1, 31, (400, 6))
    keep = np.array(model.keep(histories))
    assert keep.mean() == pytest.approx(0.3, abs=0.03)
    assert (keep.mean(axis=0) > 0.2).all()
    assert len(np.unique(keep, axis=0)) > 50
    changed = histories.copy()
    changed[:, 0] = changed[:, 0] % 30 + 1
    assert (np.array(model.keep(changed)) != keep).any(axis=1).mean() > 0.9


def test_rewards_by_hand():
    """Four blocks of which one runs; the second row's item is no hit."""
    model = make_model(gamma=0.5)
    keep = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], "float32")
    histories = HISTORIES[:2]
    hidden = model.backbone.encode(histories, keep=keep)
    order = np.argsort(-np.array(model.item_softmax(hidden[:, -1])), axis=1)
    targets = np.zeros((2, 6), "int32")
    targets[:, -1] = order[0, 4], order[1, 5]
    np.testing.assert_allclose(
        model._reward(histories, targets, keep), [1 - 1 / 16, -0.5]
    )
    model.rewards_blocks = True
    np.testing.assert_allclose(
        model._reward(histories, targets, keep), [1 - 0.5 * 9 / 16, -0.5]
    )


def test_the_loss_of_reinforcement_by_hand(monkeypatch):
    """Draws that are rewarded more than the usual are made likelier."""
    model = make_model(num_blocks=2)
    logits = np.log(np.array([[[3, 1], [1, 4]], [[1, 1], [2, 1]]], "float32"))
    keep = np.array([[1, 1], [0, 1]], "float32")
    rewards = iter(np.array([[1.0, 0.5], [0.25, 1.0]], "float32"))
    monkeypatch.setattr(model, "_reward", lambda *args: next(rewards))
    found = model._policy_losses(HISTORIES[:2], None, logits, keep)
    # What was drawn has 3/4 and 1/5; 1/2 and 2/3.
    chosen = np.log([3 / 4 / 5, 1 / 2 * 2 / 3])
    expected = [-0.75 * chosen[0], 0.5 * chosen[1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


class Adam:
    """TensorFlow 1's, of one set of variables."""

    def __init__(self, rate):
        self.rate, self.steps, self.slots = rate, 0, {}

    def step(self, values, gradients):
        self.steps += 1
        rate = self.rate * np.sqrt(1 - 0.999**self.steps)
        rate /= 1 - 0.9**self.steps
        for i, gradient in enumerate(gradients):
            first, second = self.slots.get(i, (0.0, 0.0))
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            self.slots[i] = first, second
            values[i] = values[i] - rate * first / (np.sqrt(second) + 1e-8)
        return values


def test_three_updates_by_hand(monkeypatch):
    """Two steps: the policy's Adam takes two of each, the backbone's one."""
    tf = pytest.importorskip("tensorflow")
    model = make_model(num_blocks=2, **SkipRec.release_arguments("reinforce"))
    kept = np.array([[1, 0], [1, 1], [0, 1]], "float32")
    advantage = np.array([0.75, -0.5, 0.25], "float32")

    def draw(logits):
        soft = tf.nn.softmax(logits)[..., 0]
        return kept + soft - tf.stop_gradient(soft)

    # Of each step what is drawn comes first, then what it is compared with.
    rewards = iter([advantage, np.zeros(3, "float32")] * 2)
    monkeypatch.setattr(model, "_draw_tempered", draw)
    monkeypatch.setattr(model, "_draw", draw)
    monkeypatch.setattr(model, "_reward", lambda *args: next(rewards))
    model.compile(
        optimizer=keras.optimizers.Adam(0.01, epsilon=1e-8),
        l2=0.5,
        run_eagerly=True,
    )
    rows = HISTORIES[:3]
    inputs, targets = rows[:, :-1], rows[:, 1:]
    backbone, policy = model.backbone, model.skip_policy
    of_backbone = backbone.trainable_variables
    of_policy = policy.trainable_variables

    def losses():
        """Of reinforcement and of what follows, by their formulas."""
        logits = tf.sigmoid(policy(inputs))
        chosen = tf.where(
            kept[..., None] == [1, 0], tf.nn.log_softmax(logits), 0
        )
        of_rows = -advantage * tf.reduce_sum(chosen, axis=(1, 2))
        soft = tf.nn.softmax(logits)[..., 0]
        keep = kept + soft - tf.stop_gradient(soft)
        hidden = backbone.item_embedding(inputs)
        for i, block in enumerate(backbone.blocks):
            runs = keep[:, i, None, None]
            hidden = runs * block(hidden) + (1 - runs) * hidden
        scores = tf.nn.log_softmax(backbone.item_softmax(hidden))
        what = tf.gather(scores, targets, batch_dims=2)
        weights = [*of_policy, *of_backbone]
        squares = sum(tf.reduce_sum(v.value**2) for v in weights)
        penalty = 0.5 * 0.5 * squares / len(weights)
        return tf.reduce_mean(of_rows), penalty - tf.reduce_mean(what)

    values = [[np.array(v) for v in vs] for vs in (of_policy, of_backbone)]
    start = [v.copy() for v in values[0]]
    adams = Adam(0.01), Adam(0.01)
    for _ in range(2):
        with tf.GradientTape(persistent=True) as tape:
            reinforcement, loss = losses()
        gradients = [
            [
                np.array(tf.convert_to_tensor(g))
                for g in tape.gradient(objective, [v.value for v in variables])
            ]
            for objective, variables in (
                (reinforcement, of_policy),
                (loss, of_policy),
                (loss, of_backbone),
            )
        ]
        for number, gradient in zip((0, 0, 1), gradients, strict=True):
            values[number] = adams[number].step(values[number], gradient)
        found = model.train_on_batch(inputs, targets)
        assert float(found) == pytest.approx(float(loss), rel=1e-5)
        for variables, expected in zip(
            (of_policy, of_backbone), values, strict=True
        ):
            for variable, value in zip(variables, expected, strict=True):
                np.testing.assert_allclose(
                    variable, value, rtol=1e-4, atol=1e-5, err_msg=variable.path
                )
    assert adams[0].steps == 4 and int(model.policy_optimizer.iterations) == 4
    assert int(model.optimizer.iterations) == 2
    # Steps of the size of the rate, of which the policy took twice as many.
    moved = max(
        np.abs(np.array(v) - s).max()
        for v, s in zip(of_policy, start, strict=True)
    )
    assert moved > 0.025


@pytest.mark.slow
def test_three_updates_in_a_graph_are_saved(tmp_path):
    pytest.importorskip("tensorflow")
    model = make_model(**SkipRec.release_arguments("reinforce"))
    model.compile(optimizer="adam")
    before = [np.array(w) for w in model.trainable_weights]
    rows = np.concatenate([HISTORIES, HISTORIES[:, :1]], axis=1)
    fitted = model.fit(rows[:, :-1], rows[:, 1:], epochs=2, verbose=0)
    assert np.isfinite(fitted.history["loss"]).all()
    for variable, old in zip(model.trainable_weights, before, strict=True):
        assert (np.array(variable) != old).any(), variable.path
    model.save(tmp_path / "skip.keras")
    copy = keras.saving.load_model(tmp_path / "skip.keras")
    assert copy.get_config() == model.get_config()
    assert copy.updates == "three" and copy.tempered_draws
    assert int(copy.policy_optimizer.iterations) == 4
    for one, other in zip(
        model.policy_optimizer.variables,
        copy.policy_optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_tempered_draw():
    """At a high temperature a fair coin, whatever the logits say."""
    logits = np.tile(np.array([3.0, 0.0], "float32"), (500, 4, 1))
    for temperature, low, high in ((1000.0, 0.46, 0.54), (0.01, 0.93, 0.98)):
        model = make_model(temperature=temperature)
        draws = np.array(model._draw_tempered(logits))
        assert set(np.unique(draws)) == {0, 1}
        assert low < draws.mean() < high  # e^3 to 1 is 0.953


def test_what_the_release_does():
    assert SkipRec.release_arguments() == {
        "objective": "gumbel",
        "sigmoid_logits": True,
        "is_noisy": True,
    }
    model = make_model(**SkipRec.release_arguments("reinforce"))
    assert model.rewards_blocks and model.updates == "three"
    assert model.policy_optimizer is None
    for options, message in (
        ({"updates": "two"}, "`updates` must be one of"),
        ({"updates": "three"}, "objective='gumbel'"),
        (
            {"updates": "three", "objective": "reinforce", "policy": "random"},
            "policy='random'",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make_model(**options)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    with pytest.raises(ValueError, match="LossScaleOptimizer"):
        model.compile(optimizer=scaled)


def test_a_noisy_baseline(monkeypatch):
    """The release compares a draw with another, not with what is likeliest."""
    logits = np.zeros((2, 4, 2), "float32")
    keep = np.ones((2, 4), "float32")
    other = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], "float32")
    for is_noisy, expected in ((True, other), (False, np.ones((2, 4)))):
        model = make_model(is_noisy=is_noisy)
        asked = []
        monkeypatch.setattr(model, "_draw", lambda logits: other)
        monkeypatch.setattr(
            model,
            "_reward",
            lambda ids, targets, blocks, asked=asked: (
                asked.append(np.array(blocks)) or np.zeros(2, "float32")
            ),
        )
        model._policy_losses(HISTORIES[:2], None, logits, keep)
        np.testing.assert_array_equal(asked[0], keep)
        np.testing.assert_array_equal(asked[1], expected)


@pytest.mark.parametrize("objective", ["gumbel", "reinforce"])
def test_rows_that_fill_up_a_batch_cost_nothing(monkeypatch, objective):
    """Of three rows the last has weight 0; a device has half of the batch."""
    model = make_model(objective=objective, block_cost=8.0, beta=3.0)
    plain = make_model(objective="gumbel")
    rows = HISTORIES[:3]
    weights = np.array([[0.1] * 5, [0, 0, 0, 0, 0.1], [0] * 5], "float32")
    drawn = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], "float32")
    for one in (model, plain):
        monkeypatch.setattr(one, "_draw", lambda logits: drawn)
        one.compile()
    monkeypatch.setattr(
        model, "_policy_losses", lambda *args: np.array([2.0, 6, 99], "float32")
    )
    found, expected = (
        float(one.compute_loss(rows[:, :-1], rows[:, 1:], None, weights))
        for one in (model, plain)
    )
    # A half and a quarter of the blocks; the weights sum to 0.6.
    expected += 8 * 0.6 * (0.5 + 0.25) / 2
    if objective == "reinforce":
        expected += 3 * 0.6 * (2 + 6) / 2
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("objective", ["gumbel", "reinforce"])
@pytest.mark.parametrize("policy", ["cnn", "gru", "attention"])
def test_both_are_trained(policy, objective):
    model = make_model(policy, objective=objective)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    before = [np.array(w) for w in model.trainable_weights]
    rows = np.concatenate([HISTORIES, HISTORIES[:, :1]], axis=1)
    model.fit(rows[:, :-1], rows[:, 1:], epochs=2, verbose=0)
    for variable, old in zip(model.trainable_weights, before, strict=True):
        if not variable.path.endswith(checks.WITHOUT_GRADIENT):
            assert (np.array(variable) != old).any(), variable.path


@pytest.mark.slow
def test_a_cost_leaves_fewer_blocks():
    shares = []
    for cost in (0.0, 30.0):
        keras.utils.set_random_seed(0)
        model = make_model(block_cost=cost, temperature=1.0)
        model.compile(optimizer=keras.optimizers.Adam(0.02))
        rows = np.concatenate([HISTORIES, HISTORIES[:, :1]], axis=1)
        model.fit(rows[:, :-1], rows[:, 1:], epochs=30, verbose=0)
        shares.append(np.array(model.keep(HISTORIES)).mean())
    assert shares[1] < shares[0] and shares[1] < 0.2


@every_policy
def test_saved_recommended_exported(policy, tmp_path):
    model = make_model(policy, beta=0.5, block_cost=0.1)
    model.vocabulary = Vocabulary([None, *range(1, 31)], [1] * 31, 0, 6)
    model.save(tmp_path / "skip.keras")
    copy = keras.saving.load_model(tmp_path / "skip.keras")
    np.testing.assert_allclose(
        copy(HISTORIES), model(HISTORIES), rtol=1e-5, atol=1e-6
    )
    assert copy.get_config() == model.get_config()
    histories = HISTORIES.tolist()
    found = copy.recommend(histories, k=4)
    assert found == model.recommend(histories, k=4)
    logits = np.array(model(HISTORIES))
    logits[:, 0] = -np.inf
    np.put_along_axis(logits, HISTORIES, -np.inf, axis=1)
    expected = np.argsort(-logits, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(found, expected)
    pytest.importorskip("tensorflow")
    found, *_ = checks.served_by_tensorflow(
        model, tmp_path / "served", histories, k=4
    )
    np.testing.assert_array_equal(found, expected)


def with_vocabulary(model):
    raw_ids = [None, *(f"item {i}" for i in range(1, 31))]
    model.vocabulary = Vocabulary(raw_ids, [1] * 31, 0, 6)
    return model


@pytest.mark.parametrize("compression", [None, "auto"])
def test_recommending_with_an_explanation(compression):
    backbone = NextItNet(
        30, num_blocks=4, embedding_dim=8, compression=compression
    )
    checks.scramble(backbone)
    model = with_vocabulary(SkipRec(backbone))
    checks.scramble(model.skip_policy)
    histories = [[f"item {i}" for i in row] for row in HISTORIES]
    histories += [["no such item"], ["item 4"]]
    answers, choices = model.recommend(histories, k=3, explain=True)
    assert answers == model.recommend(histories, k=3)
    assert choices.shape == (11, 4) and choices.dtype == np.int32
    rows = [*HISTORIES, [0] * 5 + [4]]
    expected = np.argmax(model.policy_logits(np.array(rows)), axis=-1) == 0
    np.testing.assert_array_equal(choices[[*range(9), 10]], expected)
    assert not choices[9].any()
    # They are those that the answer came of.
    hidden = by_hand(model, HISTORIES, choices[:9])[:, -1]
    logits = np.array(model.item_softmax(hidden))
    logits[:, 0] = -np.inf
    np.put_along_axis(logits, HISTORIES, -np.inf, axis=1)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :3]
    assert answers[:9] == [[f"item {i}" for i in row] for row in best]


def test_a_model_that_draws_explains_what_it_drew(monkeypatch):
    """Each draw is another; the answer and the explanation are of one."""
    model = with_vocabulary(make_model(is_noisy=True))
    histories = [[f"item {i}" for i in row] for row in HISTORIES]
    seen = set()
    for _ in range(4):
        answers, choices = model.recommend(
            histories, k=1, exclude_seen=False, explain=True
        )
        seen.add(choices.tobytes())
        hidden = by_hand(model, HISTORIES, choices)[:, -1]
        logits = np.array(model.item_softmax(hidden))
        logits[:, 0] = -np.inf
        best = logits.argmax(axis=1)
        assert answers == [[f"item {i}"] for i in best]
    assert len(seen) > 1


def test_who_cannot_explain():
    model = with_vocabulary(make_model())
    assert model.recommend([], explain=True)[1].shape == (0, 4)
    model.backbone.vocabulary = model.vocabulary
    with pytest.raises(ValueError, match="explain=True of a NextItNet"):
        model.backbone.recommend([["item 1"]], explain=True)
    counted = with_vocabulary(nextitnet_tf.MostPop(num_items=30))
    with pytest.raises(ValueError, match="explain=True of a MostPop"):
        counted.recommend([["item 1"]], explain=True)


def test_a_policy_that_starts_from_a_trained_backbone():
    model = make_model()
    model.start_policy_from_backbone()
    np.testing.assert_array_equal(
        model.skip_policy.item_embedding.embeddings,
        model.backbone.item_embedding.embeddings,
    )
    for refused in (
        make_model("random"),
        SkipRec(
            NextItNet(30, num_blocks=1, embedding_dim=8, compression="auto")
        ),
    ):
        with pytest.raises(ValueError, match="same shape"):
            refused.start_policy_from_backbone()


def test_a_compressed_backbone_that_was_stacked():
    """All three papers: grown, small, skipping."""
    shallow = NextItNet(30, num_blocks=2, embedding_dim=8, compression="auto")
    model = SkipRec(Stacker("adjacent").stack(shallow))
    checks.scramble(model.skip_policy)
    assert model.keep(HISTORIES).shape == (9, 4)
    model.compile()
    model.fit(HISTORIES[:, :-1], HISTORIES[:, 1:], verbose=0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="with blocks"):
        SkipRec(nextitnet_tf.GRU4Rec(num_items=5))
    with pytest.raises(ValueError, match="SSEPT, whose objective"):
        SkipRec(nextitnet_tf.SSEPT(num_items=5, num_users=3, num_blocks=1))
    with pytest.raises(ValueError, match="GRec, whose objective"):
        SkipRec(nextitnet_tf.GRec(num_items=5, num_blocks=1))
    backbone = NextItNet(num_items=5, num_blocks=2, embedding_dim=4)
    for options, message in (
        ({"policy": "coin"}, "`policy` must be one of"),
        ({"objective": "x"}, "`objective` must be one of"),
        ({"temperature": 0}, "`temperature` must not be below"),
        ({"gamma": -1}, "`gamma` must not be below 0"),
        ({"policy": "random", "keep_rate": 1.0}, "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            SkipRec(backbone, **options)
    model = SkipRec(backbone)
    for keep, message in (
        (np.ones((2, 3)), "a column for each of the 2"),
        (np.ones(2), "a column for each of the 2"),
        (np.array([[1, 0.5]]), r"Received: keep with \[0.5\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.encode(np.ones((len(keep), 3), int), keep=keep)
    item_ids = np.ones((4, 3), int)
    for num_rows in (1, 2, 8):
        for one in (model, model.backbone):
            with pytest.raises(ValueError, match="a row for each of the 4"):
                one.encode(item_ids, keep=np.ones((num_rows, 2), "float32"))
    for value in (0.5, 2.0, np.nan):
        keep = keras.ops.full((4, 2), value)
        with pytest.raises(ValueError, match="`keep` is 1 where a block runs"):
            model.encode(item_ids, keep=keep)
    np.testing.assert_array_equal(
        model.encode(item_ids, keep=[[1, 0]] * 4),
        model.encode(item_ids, keep=np.array([[1, 0]] * 4)),
    )
    with pytest.raises(ValueError, match="needs a model with blocks"):
        Stacker("adjacent").stack(model)


@every_policy
def test_the_policy_keeps_its_configuration(policy):
    layer = layers.SkipPolicy(30, 3, 4, kind=policy, keep_rate=0.2)
    checks.check_layer(layer, HISTORIES)


def test_three_updates_are_tensorflow_s(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    check = policy_training.check_updates
    check("joint", "reinforce", "cnn")
    with pytest.raises(ValueError, match="updates='joint'.*backend 'jax'"):
        check("three", "reinforce", "cnn")
