"""Softmax losses against NumPy in double precision and TensorFlow's own."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import NextItNet
from nextitnet_tf import losses
from nextitnet_tf.layers.item_softmax import ItemSoftmax


def make_inputs(num_rows=7, num_columns=30, width=4, seed=0):
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(num_rows, width)).astype("float32")
    kernel = generator.normal(size=(num_columns, width)).astype("float32")
    bias = generator.normal(size=num_columns).astype("float32")
    targets = generator.integers(0, num_columns, num_rows).astype("int32")
    weights = generator.uniform(size=num_rows).astype("float32")
    return hidden, kernel, bias, targets, weights


def cross_entropies(logits, targets):
    logits = np.float64(logits)
    total = np.log(np.exp(logits).sum(-1))
    return total - logits[np.arange(len(targets)), targets]


def log_uniform_probabilities(num_columns):
    k = np.arange(num_columns, dtype="float64")
    return (np.log(k + 2) - np.log(k + 1)) / np.log(num_columns + 1.0)


# --- full softmax ---------------------------------------------------------


def test_full_softmax():
    hidden, kernel, bias, targets, weights = make_inputs()
    logits = np.float64(hidden) @ np.float64(kernel).T + bias
    expected = (weights * cross_entropies(logits, targets)).sum()
    found = losses.full_softmax_loss(hidden, kernel, bias, targets, weights)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_full_softmax_by_hand():
    # Two columns, logits 0 and log 3: probabilities 1/4 and 3/4.
    loss = functools.partial(
        losses.full_softmax_loss,
        np.zeros((2, 1), "float32"),
        np.zeros((2, 1), "float32"),
        np.log([1.0, 3.0]).astype("float32"),
        np.array([0, 1], "int32"),
    )
    assert float(loss(np.array([1, 0], "float32"))) == pytest.approx(np.log(4))
    assert float(loss(np.array([0, 1], "float32"))) == pytest.approx(
        np.log(4 / 3)
    )
    assert float(loss(np.array([2, 3], "float32"))) == pytest.approx(
        2 * np.log(4) + 3 * np.log(4 / 3)
    )


def test_full_softmax_of_huge_logits():
    hidden = np.array([[1e4]], "float32")
    kernel = np.array([[1.0], [-1.0]], "float32")
    loss = losses.full_softmax_loss(
        hidden,
        kernel,
        np.zeros(2, "float32"),
        np.array([1], "int32"),
        np.ones(1, "float32"),
    )
    assert float(loss) == pytest.approx(2e4)


def test_weights_of_0_take_a_row_out():
    hidden, kernel, bias, targets, _ = make_inputs()
    weights = np.array([1, 1, 0, 0, 0, 1, 0], "float32")
    kept = weights > 0
    counts = np.full(30, 0.5, "float32")
    candidates = np.array([3, 5, 8], "int32")
    for loss in (
        losses.full_softmax_loss,
        functools.partial(
            losses.sampled_softmax_loss,
            candidates=candidates,
            expected_counts=counts,
        ),
    ):
        some = loss(
            hidden[kept],
            kernel,
            bias,
            targets[kept],
            np.ones(3, "float32"),
        )
        found = loss(hidden, kernel, bias, targets, weights)
        assert float(found) == pytest.approx(float(some), rel=1e-6)


# --- in chunks ------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_rows", "num_columns", "expected"),
    [
        # 2**21 logits stay in the cache: 599 rows of 3,501; 9 equal chunks.
        (4864, 3_501, 541),
        # 87 rows would, but 128 are worth it; 8 chunks.
        (1000, 24_001, 125),
        # 2**24 logits are all the memory there is: 33 rows; 96 chunks.
        (3136, 500_001, 33),
        (10, 3_501, 10),
        (None, 1_001, 1024),
        (None, 24_001, 128),
    ],
)
def test_rows_of_a_chunk(num_rows, num_columns, expected):
    assert losses._rows_a_chunk(num_rows, num_columns) == expected


@pytest.fixture(
    params=[(1, 1), (60, 400), (90, 400), (1, 400), (1 << 21, 1 << 21)]
)
def chunks(request, monkeypatch):
    """7 rows of 30 columns in chunks of 1, 2, 3 (uneven), 7 and 7 rows."""
    in_cache, memory = request.param
    monkeypatch.setattr(losses, "_ROWS_WORTH_IT", 1 if in_cache > 1 else 9)
    monkeypatch.setattr(losses, "_LOGITS_IN_CACHE", in_cache)
    monkeypatch.setattr(losses, "_LOGITS_IN_MEMORY", memory)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("is_sampled", [False, True])
def test_loss_and_gradients_in_chunks(chunks, is_sampled, jit_compile):
    """The derivative of a softmax, in double precision."""
    hidden, kernel, bias, targets, weights = make_inputs()
    columns = np.arange(30)
    counts = np.ones(30, "float32")
    if is_sampled:
        columns = np.array([targets[0], *np.setdiff1d(columns, targets)[:9]])
        counts = np.linspace(0.2, 1, 30, dtype="float32")
    logits = np.float64(hidden) @ np.float64(kernel).T + bias - np.log(counts)
    counted = np.isin(np.arange(30), columns) | (
        np.arange(30) == targets[:, None]
    )
    powers = np.where(counted, np.exp(logits), 0)
    shares = powers / powers.sum(-1, keepdims=True)
    is_target = np.arange(30) == targets[:, None]
    d_logits = (shares - is_target) * weights[:, None]
    expected = (
        -(weights * np.log(shares[is_target])).sum(),
        d_logits @ kernel,
        d_logits.T @ hidden,
        d_logits.sum(0),
    )

    @tf.function(jit_compile=jit_compile)
    def loss_and_gradients(hidden, kernel, bias):
        with tf.GradientTape() as tape:
            tape.watch([hidden, kernel, bias])
            if is_sampled:
                loss = losses.sampled_softmax_loss(
                    hidden,
                    tf.multiply(kernel, 1.0),  # a gradient that is dense
                    tf.multiply(bias, 1.0),
                    targets,
                    weights,
                    columns.astype("int32"),
                    counts,
                )
            else:
                loss = losses.full_softmax_loss(
                    hidden,
                    tf.multiply(kernel, 1.0),
                    tf.multiply(bias, 1.0),
                    targets,
                    weights,
                )
            doubled = 2.0 * loss  # what comes from above is not always 1
        return loss, *tape.gradient(doubled, [hidden, kernel, bias])

    found = loss_and_gradients(*map(tf.constant, (hidden, kernel, bias)))
    assert float(found[0]) == pytest.approx(expected[0], rel=1e-6)
    for gradient, value in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(gradient, 2 * value, rtol=1e-5, atol=1e-5)


# --- sampled softmax ------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_sampled_softmax_is_tensorflows(seed):
    hidden, kernel, bias, targets, weights = make_inputs(seed=seed)
    generator = np.random.default_rng(seed)
    candidates = generator.permutation(30)[:12].astype("int32")
    # Some of the candidates are targets: left out of those rows.
    assert np.isin(targets, candidates).any()
    assert not np.isin(targets, candidates).all()
    counts = generator.uniform(0.1, 1, 30).astype("float32")
    expected = tf.nn.sampled_softmax_loss(
        weights=kernel,
        biases=bias,
        labels=targets[:, None].astype("int64"),
        inputs=hidden,
        num_sampled=12,
        num_classes=30,
        sampled_values=(
            candidates.astype("int64"),
            counts[targets][:, None],
            counts[candidates],
        ),
    )
    found = losses.sampled_softmax_loss(
        hidden, kernel, bias, targets, weights, candidates, counts
    )
    assert float(found) == pytest.approx(
        float(np.sum(weights * expected.numpy())), rel=1e-5
    )


def test_sampled_softmax_by_hand():
    # Logits are biases; subtracting log counts divides by the counts.
    loss = losses.sampled_softmax_loss(
        np.zeros((2, 1), "float32"),
        np.zeros((4, 1), "float32"),
        np.log([1.0, 2.0, 3.0, 4.0]).astype("float32"),
        np.array([0, 2], "int32"),
        np.array([1, 10], "float32"),
        candidates=np.array([1, 2], "int32"),
        expected_counts=np.array([0.5, 0.5, 1, 1], "float32"),
    )
    # Target 0: 2 against 2 / 0.5 and 3. Target 2: itself left out.
    first = -np.log(2 / (2 + 4 + 3))
    second = -np.log(3 / (3 + 4))
    assert float(loss) == pytest.approx(first + 10 * second, rel=1e-6)


def test_with_every_column_drawn_it_is_the_full_softmax():
    hidden, kernel, bias, targets, weights = make_inputs()
    found = losses.sampled_softmax_loss(
        hidden,
        kernel,
        bias,
        targets,
        weights,
        candidates=np.arange(30, dtype="int32"),
        expected_counts=np.ones(30, "float32"),
    )
    full = losses.full_softmax_loss(hidden, kernel, bias, targets, weights)
    assert float(found) == pytest.approx(float(full), rel=1e-5)


def test_gradients_of_the_sampled_softmax_are_numbers():
    hidden, kernel, bias, targets, weights = make_inputs()
    kernel = tf.constant(kernel)
    # The first row's target is the only candidate: nothing is left of it.
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = losses.sampled_softmax_loss(
            hidden,
            kernel,
            bias,
            targets,
            weights,
            candidates=targets[:1],
            expected_counts=np.ones(30, "float32"),
        )
    assert np.isfinite(tf.convert_to_tensor(tape.gradient(loss, kernel))).all()


# --- the sampler ----------------------------------------------------------


@pytest.mark.parametrize(
    ("num_columns", "num_sampled"), [(2, 1), (61, 12), (61, 60), (5000, 1000)]
)
def test_expected_counts_sum_to_the_number_drawn(num_columns, num_sampled):
    counts = losses.expected_counts(num_columns, num_sampled)
    assert counts.shape == (num_columns,)
    assert counts.dtype == np.float32
    assert (counts > 0).all() and (counts <= 1).all()
    assert (np.diff(counts) <= 0).all()
    assert np.float64(counts).sum() == pytest.approx(num_sampled, rel=1e-5)


def test_expected_counts_have_the_stated_form():
    # E(k) = 1 - (1 - p(k))^T with one T for all k. The first few are so near
    # to 1 that float32 has no digits left.
    counts = np.float64(losses.expected_counts(500, 100))[5:]
    draws = np.log1p(-counts) / np.log1p(-log_uniform_probabilities(500)[5:])
    assert draws.std() / draws.mean() < 1e-4
    assert draws.mean() > 100


def test_expected_counts_are_tensorflows_in_the_mean():
    num_columns, num_sampled, num_draws = 300, 60, 400
    total = np.zeros(num_columns)
    for seed in range(num_draws):
        drawn, _, _ = tf.random.log_uniform_candidate_sampler(
            true_classes=np.zeros((1, 1), "int64"),
            num_true=1,
            num_sampled=num_sampled,
            unique=True,
            range_max=num_columns,
            seed=seed,
        )
        total[drawn.numpy()] += 1
    frequencies = total / num_draws
    counts = losses.expected_counts(num_columns, num_sampled)
    # A frequency of 400 draws is off by 0.025 at most, one in three times.
    assert np.abs(frequencies - counts).max() < 0.11
    assert np.abs(frequencies - counts).mean() < 0.025


def test_expected_counts_tensorflow_reports():
    """TensorFlow's own expected counts, averaged over its random T."""
    counts = losses.expected_counts(300, 60)
    found = []
    for seed in range(200):
        _, of_true, _ = tf.random.log_uniform_candidate_sampler(
            true_classes=np.arange(300)[None, :],
            num_true=300,
            num_sampled=60,
            unique=True,
            range_max=300,
            seed=seed,
        )
        found.append(of_true.numpy()[0])
    np.testing.assert_allclose(np.mean(found, axis=0), counts, rtol=0.04)


@pytest.mark.parametrize(
    ("num_columns", "num_sampled"), [(2, 1), (61, 12), (61, 60), (4000, 800)]
)
def test_drawn_ids_are_distinct_and_in_range(num_columns, num_sampled):
    seed = keras.random.SeedGenerator(3)
    ids = np.array(losses.sample_log_uniform(num_columns, num_sampled, seed))
    assert ids.shape == (num_sampled,)
    assert ids.dtype == np.int32
    assert len(set(ids.tolist())) == num_sampled
    assert ids.min() >= 0 and ids.max() < num_columns


def test_each_call_draws_anew_and_a_seed_repeats():
    def draw(generator):
        drawn = losses.sample_log_uniform(1000, 50, generator)
        return np.sort(np.array(drawn)).tolist()

    generator = keras.random.SeedGenerator(3)
    first, second = draw(generator), draw(generator)
    assert first != second
    again = keras.random.SeedGenerator(3)
    assert [draw(again), draw(again)] == [first, second]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_inclusion_frequencies_are_those_of_drawing_with_rejection(
    jit_compile,
):
    num_columns, num_sampled, num_draws = 40, 10, 4000
    generator = np.random.default_rng(0)
    # Drawing one after the other and rejecting repeats, in plain NumPy.
    probabilities = log_uniform_probabilities(num_columns)
    expected = np.zeros(num_columns)
    for _ in range(num_draws):
        chosen = set()
        while len(chosen) < num_sampled:
            chosen.add(
                int(np.exp(generator.uniform() * np.log(num_columns + 1.0))) - 1
            )
        expected[list(chosen)] += 1
    # The probabilities this file states are those of that draw.
    one = np.exp(generator.uniform(size=200_000) * np.log(num_columns + 1.0))
    one = np.bincount(one.astype(int) - 1, minlength=num_columns) / 200_000
    np.testing.assert_allclose(one, probabilities, atol=0.004)

    seed = keras.random.SeedGenerator(1)

    @tf.function(jit_compile=jit_compile)
    def draw_many():
        found = tf.zeros(num_columns)
        for _ in tf.range(num_draws):
            ids = losses.sample_log_uniform(num_columns, num_sampled, seed)
            found += tf.reduce_sum(tf.one_hot(ids, num_columns), axis=0)
        return found

    found = draw_many().numpy()
    # Two frequencies of 4000 draws: 0.011 is one deviation at most.
    np.testing.assert_allclose(
        found / num_draws, expected / num_draws, atol=0.045
    )


@pytest.mark.parametrize("num_sampled", [-1, 0, 61, 70])
def test_a_number_that_cannot_be_drawn(num_sampled):
    with pytest.raises(ValueError, match=f"num_sampled={num_sampled}"):
        losses.sample_log_uniform(61, num_sampled, seed=1)


# --- shapes and types that are only known later ---------------------------


@pytest.mark.parametrize("num_sampled", [None, 5])
def test_fit_on_arrays_whose_last_batch_is_short(num_sampled):
    """Keras then traces a step for any number of rows."""
    rows = np.random.default_rng(0).integers(1, 21, (70, 6))
    model = NextItNet(num_items=20, num_blocks=1, embedding_dim=8)
    model.compile(optimizer="adam", num_sampled=num_sampled)
    history = model.fit(rows[:, :-1], rows[:, 1:], epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_gradients_of_an_unknown_number_of_rows():
    hidden, kernel, bias, targets, weights = make_inputs(num_rows=9)

    def gradients(hidden, targets, weights):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = losses.full_softmax_loss(
                hidden, tf.constant(kernel), bias, targets, weights
            )
        return loss, tape.gradient(loss, hidden)

    signature = [
        tf.TensorSpec((None, 4), "float32"),
        tf.TensorSpec((None,), "int32"),
        tf.TensorSpec((None,), "float32"),
    ]
    for jit_compile in (False, True):
        traced = tf.function(
            gradients, input_signature=signature, jit_compile=jit_compile
        )
        arguments = [*map(tf.constant, (hidden, targets, weights))]
        for found, expected in zip(
            traced(*arguments), gradients(*arguments), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 2.0**15, 2.0**16])
def test_half_precision_does_not_lose_small_gradients(scale):
    """Weights of a batch of 4,864 and 3,000 columns: 1e-7 a logit."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(4864, 8)).astype("float32") * 0.1
    kernel = generator.normal(size=(3000, 8)).astype("float32") * 0.1
    targets = generator.integers(0, 100, 4864).astype("int32")
    weights = np.full(4864, 1 / 4864, "float32")

    def gradients(dtype):
        h, k = tf.cast(hidden, dtype), tf.cast(kernel, dtype)
        with tf.GradientTape() as tape:
            tape.watch([h, k])
            loss = scale * losses.full_softmax_loss(
                h, k, np.zeros(3000, "float32"), targets, weights
            )
        return [
            tf.cast(tf.convert_to_tensor(g), "float32").numpy() / scale
            for g in tape.gradient(loss, [h, k])
        ]

    expected = gradients("float32")
    if scale > 1:  # unscaled, the sums over columns themselves are too small
        for found, value in zip(gradients("float16"), expected, strict=True):
            largest = np.abs(value).max()
            np.testing.assert_allclose(
                found, value, rtol=0.02, atol=0.01 * largest
            )
        # Columns that are never a target are pushed down all the same.
        negatives = gradients("float16")[1][100:]
        assert np.linalg.norm(negatives) == pytest.approx(
            np.linalg.norm(expected[1][100:]), rel=0.02
        )


def test_label_smoothing_by_hand():
    """Cross-entropy against 0.9 of the target and 0.1 spread over all."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(3, 4)).astype("float32")
    kernel = generator.normal(size=(5, 4)).astype("float32")
    bias = generator.normal(size=5).astype("float32")
    targets = np.array([1, 4, 0], "int32")
    weights = np.array([0.5, 0.2, 0.3], "float32")
    logits = hidden.astype("float64") @ kernel.T + bias
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    spread = np.full((3, 5), 0.1 / 5)
    spread[np.arange(3), targets] += 0.9
    expected = -(weights[:, None] * spread * log_p).sum()
    layer = ItemSoftmax(4)
    layer.build((None, 4))
    layer.set_weights([kernel, bias])
    found = layer.loss(hidden, targets, weights, label_smoothing=0.1)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    plain = layer.loss(
        hidden, targets, weights, training=False, label_smoothing=0.1
    )
    assert float(plain) == pytest.approx(
        -(weights * log_p[np.arange(3), targets]).sum(), rel=1e-5
    )


@pytest.mark.parametrize("num_counted", [0, 1, 300, 700])
def test_what_does_not_count_changes_nothing(num_counted):
    """Value and gradients are those of the counted rows alone."""
    generator = np.random.default_rng(1)
    hidden = generator.normal(size=(700, 3)).astype("float32")
    kernel = generator.normal(size=(9000, 3)).astype("float32")
    bias = generator.normal(size=9000).astype("float32")
    targets = generator.integers(0, 9000, 700).astype("int32")
    weights = np.zeros(700, "float32")
    counted = np.sort(generator.permutation(700)[:num_counted])
    weights[counted] = generator.random(num_counted) + 0.5
    with tf.GradientTape() as tape:
        inputs = [tf.constant(x) for x in (hidden, kernel, bias)]
        tape.watch(inputs)
        loss = losses.full_softmax_loss(*inputs, targets, weights)
    found = [x.numpy() for x in tape.gradient(loss, inputs)]

    h = hidden[counted].astype("float64")
    logits = h @ kernel.T.astype("float64") + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    own = np.arange(num_counted), targets[counted]
    expected = -(weights[counted] * np.log(shares[own])).sum()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    shares[own] -= 1
    d_logits = shares * weights[counted][:, None]
    d_hidden = np.zeros((700, 3))
    d_hidden[counted] = d_logits @ kernel
    for name, gradient, by_hand in zip(
        ("hidden", "kernel", "bias"),
        found,
        (d_hidden, d_logits.T @ h, d_logits.sum(axis=0)),
        strict=True,
    ):
        np.testing.assert_allclose(
            gradient,
            by_hand,
            atol=1e-5 * max(1, abs(by_hand).max()),
            err_msg=name,
        )


def test_negative_weights():
    """Nothing is scaled by a largest weight that there is not."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(6, 4)).astype("float32")
    layer = ItemSoftmax(9)
    layer.build((None, 4))
    targets = generator.integers(1, 10, 6).astype("int32")
    ones = np.ones(6, "float32")
    found = float(layer.loss(hidden, targets, -ones))
    assert found == pytest.approx(-float(layer.loss(hidden, targets, ones)))
