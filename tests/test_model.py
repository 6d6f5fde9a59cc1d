"""The models: their mathematics by hand, and what every model must have."""

import keras
import numpy as np
import pytest

from nextitnet_tf import MostPop
from nextitnet_tf import NextItNet
from nextitnet_tf import layers
from tests import checks


def make_model(**config):
    return NextItNet(
        **{
            "num_items": 20,
            "num_blocks": 2,
            "embedding_dim": 4,
            "dilation_rates": (1, 2),
            **config,
        }
    )


# --- what every model must have -------------------------------------------


@pytest.mark.parametrize("use_alpha", [True, False])
def test_nextitnet(tmp_path, use_alpha):
    model = make_model(use_alpha=use_alpha, kernel_size=2)
    checks.check_model(model, tmp_path)
    if use_alpha:
        checks.check_appended_blocks(model)


@pytest.mark.parametrize(
    ("policy", "compute_dtype"),
    [("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16")],
)
def test_mixed_precision(policy, compute_dtype):
    checks.check_mixed_precision(make_model(dtype=policy), compute_dtype)


def test_layers():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 5, 4)).astype("float32")
    checks.check_layer(layers.ReZero(), x, x)
    checks.check_layer(layers.ItemSoftmax(num_items=7), x)
    checks.check_layer(
        layers.ItemEmbedding(num_items=7, embedding_dim=3),
        np.array([[0, 7, 3]]),
    )
    for use_alpha in (True, False):
        block = layers.DilatedResidualBlock(
            4, kernel_size=2, dilation_rate=3, use_alpha=use_alpha
        )
        checks.check_layer(block, x)


# --- the residual block by hand -------------------------------------------


def numpy_convolution(x, kernel, bias, dilation):
    """out[k] = bias + sum over j of x[k - (width - 1 - j) * q] @ kernel[j]."""
    width = len(kernel)
    out = np.tile(np.float64(bias), (*x.shape[:2], 1))
    for k in range(x.shape[1]):
        for j in range(width):
            before = k - (width - 1 - j) * dilation
            if before >= 0:
                out[:, k] += x[:, before] @ np.float64(kernel[j])
    return out


def numpy_norm(x, gamma, beta):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + 1e-8) + beta


def numpy_block(x, weights, dilation, alpha):
    (w1, b1, gamma1, beta1, w2, b2, gamma2, beta2) = weights
    branch = numpy_convolution(x, w1, b1, dilation)
    branch = np.maximum(numpy_norm(branch, gamma1, beta1), 0)
    branch = numpy_convolution(branch, w2, b2, 2 * dilation)
    branch = np.maximum(numpy_norm(branch, gamma2, beta2), 0)
    return x + alpha * branch


@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("use_alpha", [True, False])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(3, 1), (3, 4), (2, 3)])
def test_block_by_hand(kernel_size, dilation, use_alpha, scale):
    """With `scale` 1e-4 the variance is of the size of the norm's epsilon."""
    generator = np.random.default_rng(0)
    d = 4
    block = layers.DilatedResidualBlock(
        d,
        kernel_size=kernel_size,
        dilation_rate=dilation,
        use_alpha=use_alpha,
    )
    x = generator.normal(size=(3, 21, d))
    block.build(x.shape)
    weights = []
    for conv, norm in (
        (block.conv1, block.norm1),
        (block.conv2, block.norm2),
    ):
        of_layer = [
            scale * generator.normal(size=(kernel_size, d, d)),
            scale * generator.normal(size=d),
            generator.normal(size=d),
            generator.normal(size=d),
        ]
        for variable, value in zip(
            (conv.kernel, conv.bias, norm.gamma, norm.beta),
            of_layer,
            strict=True,
        ):
            variable.assign(value)
        weights += of_layer
    alpha = 1.0
    if use_alpha:
        alpha = -0.7
        block.rezero.alpha.assign(alpha)
    expected = numpy_block(x, weights, dilation, alpha)
    found = block(x.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-4)
    assert np.abs(expected - x).max() > 0.1


def test_hidden_states_by_hand():
    model = make_model(num_blocks=3, dilation_rates=(1, 4))
    checks.scramble(model)
    item_ids = checks.histories_for(model, length=15)
    x = np.float64(model.item_embedding.embeddings.numpy())[item_ids]
    for block, dilation in zip(model.blocks, (1, 4, 1), strict=True):
        weights = []
        for conv, norm in (
            (block.conv1, block.norm1),
            (block.conv2, block.norm2),
        ):
            for v in (conv.kernel, conv.bias, norm.gamma, norm.beta):
                weights.append(np.float64(v.numpy()))
        x = numpy_block(x, weights, dilation, float(block.rezero.alpha))
    np.testing.assert_allclose(model.encode(item_ids), x, rtol=1e-3, atol=1e-3)
    logits = x[:, -1] @ np.float64(model.item_softmax.kernel.numpy()).T
    logits += model.item_softmax.bias.numpy()
    np.testing.assert_allclose(model(item_ids), logits, rtol=1e-3, atol=1e-3)


def test_receptive_field_of_a_pair_of_blocks():
    # Kernels of 3 at dilations 1, 2, 4, 8: 1 + 2 * (1 + 2 + 4 + 8) = 31.
    model = make_model(num_items=3, dilation_rates=(1, 4))
    checks.scramble(model)
    for weight in model.trainable_variables:
        if weight.path.endswith("gamma"):
            weight.assign(weight * 0 + 1)
        if weight.path.endswith("beta"):
            weight.assign(weight * 0 + 2)  # keeps the ReLUs open
    item_ids = np.ones((1, 40), "int32")
    before = model(item_ids).numpy()
    for distance in (0, 1, 29, 30, 31, 35):
        changed = item_ids.copy()
        changed[0, -1 - distance] = 2
        is_seen = not np.array_equal(model(changed).numpy(), before)
        assert is_seen == (distance <= 30), distance


# --- a fresh model --------------------------------------------------------


def test_number_of_weights():
    model = NextItNet(num_items=9, num_blocks=32)
    assert len(model.trainable_variables) == 9 * 32 + 3 == 291
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert trainable == 32 * 24_961 + 10 * (2 * 64 + 1)
    plain = make_model(use_alpha=False)
    assert len(plain.trainable_variables) == 8 * 2 + 3


def test_a_fresh_model_is_its_embedding():
    model = make_model()
    item_ids = checks.histories_for(model)
    table = model.item_embedding.embeddings.numpy()
    np.testing.assert_array_equal(model.encode(item_ids), table[item_ids])
    # Without alpha it is not.
    model = make_model(use_alpha=False)
    table = model.item_embedding.embeddings.numpy()
    assert not np.allclose(model.encode(item_ids), table[item_ids])


def test_initial_values():
    model = NextItNet(num_items=999, num_blocks=2, embedding_dim=32)
    embedding = model.item_embedding.embeddings.numpy()
    kernel = model.blocks[1].conv2.kernel.numpy()
    for truncated in (embedding, kernel):
        assert np.abs(truncated).max() <= 0.04001
        assert truncated.std() == pytest.approx(0.0176, rel=0.05)
    assert model.item_softmax.kernel.numpy().std() == pytest.approx(
        0.01, rel=0.05
    )
    assert (model.item_softmax.bias.numpy() == np.float32(0.1)).all()
    assert float(model.blocks[0].rezero.alpha) == 0


def test_a_relu_before_a_tied_output_is_refused():
    with pytest.raises(ValueError, match="no ReLU before it"):
        NextItNet(9, tie_output=True, relu_before_softmax=True)


def test_kernel_seed():
    def kernels(model):
        return [
            conv.kernel.numpy()
            for block in model.blocks
            for conv in (block.conv1, block.conv2)
        ]

    first, *others = kernels(make_model(kernel_seed=1))
    for other in others:
        np.testing.assert_array_equal(other, first)
    again = make_model(kernel_seed=1)
    np.testing.assert_array_equal(kernels(again)[0], first)
    first, *others = kernels(make_model(kernel_seed=None))
    for other in others:
        assert not np.isclose(other, first).all()
    # Everything else is drawn independently.
    tables = [
        make_model(kernel_seed=1).item_embedding.embeddings.numpy()
        for _ in range(2)
    ]
    assert not np.isclose(*tables).all()


def test_the_global_seed_decides_a_fresh_model():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return np.concatenate([w.ravel() for w in make_model().get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_items", 0),
        ("num_blocks", 0),
        ("embedding_dim", -1),
        ("kernel_size", 0),
        ("dilation_rates", ()),
        ("dilation_rates", (1, 0)),
    ],
)
def test_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        make_model(**{name: value})


# --- loss -----------------------------------------------------------------


def log_probabilities(logits):
    logits = np.float64(logits)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def training_batch(model):
    rows = checks.histories_for(model, num_rows=3, length=6)
    rows[0, :4] = 0
    return rows[:, :-1], rows[:, 1:]


def numpy_losses(model, inputs, targets):
    """(B, T) cross-entropies of all positions."""
    hidden = np.float64(model.encode(inputs))
    logits = hidden @ np.float64(model.item_softmax.kernel.numpy()).T
    logits += model.item_softmax.bias.numpy()
    picked = np.take_along_axis(
        log_probabilities(logits), targets[..., None], axis=-1
    )
    return -picked[..., 0]


def test_training_loss_is_the_mean_over_real_items():
    model = make_model()
    checks.scramble(model)
    model.compile()
    inputs, targets = training_batch(model)
    expected = numpy_losses(model, inputs, targets)[targets != 0].mean()
    found = model.compute_loss(inputs, targets)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_training_loss_with_weights():
    model = make_model()
    checks.scramble(model)
    model.compile()
    inputs, targets = training_batch(model)
    weights = np.random.default_rng(0).uniform(size=targets.shape)
    expected = (weights * numpy_losses(model, inputs, targets)).sum()
    found = model.compute_loss(inputs, targets, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_evaluation_loss_is_of_the_last_position():
    model = make_model()
    checks.scramble(model)
    model.compile()
    inputs, targets = training_batch(model)
    of_last = numpy_losses(model, inputs, targets)[:, -1]
    found = model.compute_loss(
        inputs,
        targets[:, -1],
        y_pred=model(inputs),
        sample_weight=np.array([1, 1, 0], "float32"),
    )
    assert float(found) == pytest.approx(of_last[:2].mean(), rel=1e-5)


def test_the_sampled_loss_draws_as_many_as_it_is_told():
    model = make_model()
    model.item_softmax.kernel.assign(np.zeros((21, 4)))
    # All logits equal: the loss is log of how many compete, corrected. With
    # 20 of 21 drawn nearly all do.
    model.compile(num_sampled=20)
    inputs, targets = training_batch(model)
    loss = float(model.compute_loss(inputs, targets))
    assert loss == pytest.approx(np.log(21), abs=0.2)
    model.compile(num_sampled=1)
    assert 0 < float(model.compute_loss(inputs, targets)) < 4
    model.compile()
    loss = float(model.compute_loss(inputs, targets))
    assert loss == pytest.approx(np.log(21), rel=1e-5)


@pytest.mark.parametrize("num_sampled", [None, 5])
def test_l2_penalty(num_sampled):
    model = make_model()
    checks.scramble(model)
    inputs, targets = training_batch(model)

    def loss(l2):
        model.compile(num_sampled=num_sampled, l2=l2)
        model.item_softmax.seed_generator.state.assign([0, 1])
        return float(model.compute_loss(inputs, targets))

    squares = [
        0.5 * (np.float64(v.numpy()) ** 2).sum()
        for v in model.trainable_variables
    ]
    assert len(squares) == 9 * 2 + 3
    expected = 0.25 * sum(squares) / len(squares)
    assert loss(l2=0.25) - loss(l2=0.0) == pytest.approx(expected, rel=1e-4)


def test_the_compile_configuration_is_saved(tmp_path):
    model = make_model()
    model.compile(
        optimizer=keras.optimizers.Adam(0.02, epsilon=1e-8),
        num_sampled=7,
        l2=0.5,
        run_eagerly=True,
    )
    inputs, targets = training_batch(model)
    model.train_on_batch(inputs, targets)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert (copy.num_sampled, copy.l2) == (7, 0.5)
    assert copy.optimizer.epsilon == 1e-8
    assert float(copy.optimizer.learning_rate) == pytest.approx(0.02)
    assert int(copy.optimizer.iterations) == 1
    for old, new in zip(
        model.optimizer.variables, copy.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(new.numpy(), old.numpy())
    copy.run_eagerly = True
    copy.train_on_batch(inputs, targets)


# --- MostPop --------------------------------------------------------------


def test_most_pop_counts(tmp_path):
    model = MostPop(num_items=4)
    model.adapt(np.array([[0, 2, 2], [1, 2, 4], [0, 0, 4]]))
    expected = [3, 1, 3, 0, 2]
    for item_ids in ([[1, 2, 3]], [[0, 0, 0], [4, 4, 4]]):
        logits = model(np.array(item_ids)).numpy()
        assert logits.tolist() == [expected] * len(item_ids)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy(np.array([[1]])).numpy().tolist() == [expected]
    assert copy.get_config() == model.get_config()
    # Counted anew, not added.
    model.adapt(np.array([[1, 1, 1]]))
    assert model(np.array([[1]])).numpy().tolist() == [[0, 3, 0, 0, 0]]
