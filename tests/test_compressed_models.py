"""Compressed models: their layers by hand, training, files and stacking."""

import itertools
import zipfile

import h5py
import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import layers
from nextitnet_tf.compression import Compression
from nextitnet_tf.sharing import LAYER_SCHEMES
from nextitnet_tf.sharing import SCHEMES
from nextitnet_tf.sharing import kernel_owners
from nextitnet_tf.stored_size import stored_sizes
from tests import checks

# Columns 0 to 20 in clusters of 6, 8 and 7.
CLUSTERS, RANKS = (6, 14, 21), (8, 3, 1)
BIO = Compression(CLUSTERS, RANKS, RANKS)
SMALL = {"num_items": 20, "embedding_dim": 8}
MAKE = {
    "nextitnet": lambda **kwargs: nextitnet_tf.NextItNet(
        **{**SMALL, "num_blocks": 2, **kwargs}
    ),
    "grec": lambda **kwargs: nextitnet_tf.GRec(
        **{**SMALL, "num_blocks": 2, **kwargs}
    ),
    "sasrec": lambda **kwargs: nextitnet_tf.SASRec(
        **{**SMALL, "num_blocks": 2, "max_length": 12, **kwargs}
    ),
    "gated": lambda **kwargs: nextitnet_tf.SASRec(
        **{**SMALL, "num_blocks": 2, "max_length": 12, **kwargs},
        block="gated",
    ),
    "ssept": lambda **kwargs: nextitnet_tf.SSEPT(
        **{**SMALL, "num_blocks": 2, "max_length": 12, **kwargs}, num_users=5
    ),
    "gru4rec": lambda **kwargs: nextitnet_tf.GRU4Rec(**SMALL, **kwargs),
}
WITH_BLOCKS = [name for name in MAKE if name != "gru4rec"]


def scrambled(layer, seed=0):
    generator = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(scale=0.5, size=variable.shape))
    return layer


def weights_of(pair):
    """(tables or kernels, projections) of a layer, None where there is none."""
    return [
        None if v is None else np.float64(keras.ops.convert_to_numpy(v))
        for v in pair
    ]


def test_an_item_is_that_of_its_cluster():
    layer = layers.AdaptiveItemEmbedding(20, 8, CLUSTERS, RANKS)
    item_ids = np.arange(21)[None, :]
    layer.build()
    scrambled(layer)
    checks.check_layer(layer, item_ids)
    tables = weights_of(layer.tables)
    projections = weights_of(layer.projections)
    assert projections[0] is None
    expected = np.concatenate(
        [tables[0], tables[1] @ projections[1], tables[2] @ projections[2]]
    )
    np.testing.assert_allclose(layer(item_ids)[0], expected, rtol=1e-5)


def dense_log_probabilities(layer, hidden):
    """(M, N) by the paper's formula, in double precision."""
    kernels = weights_of(layer.kernels)
    projections = weights_of(layer.projections)
    found = []
    for kernel, projection in zip(kernels, projections, strict=True):
        h = hidden if projection is None else hidden @ projection
        logits = h @ kernel.T
        found.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    root, second, third = found
    return np.concatenate(
        [root[:, :6], root[:, 6:7] + second, root[:, 7:8] + third], axis=1
    )


def make_softmax():
    layer = layers.TreeSoftmax(20, CLUSTERS, RANKS)
    layer.build((None, 8))
    return scrambled(layer)


def test_the_tree_is_a_distribution():
    layer = make_softmax()
    hidden = np.random.default_rng(1).normal(size=(5, 8)).astype("float32")
    checks.check_layer(layer, hidden)
    found = np.array(layer(hidden))
    np.testing.assert_allclose(
        found, dense_log_probabilities(layer, hidden), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)


def test_loss_and_gradients_are_those_of_the_dense_formula():
    """Of targets on both sides of each boundary, padding and weight 0, too."""
    tf = pytest.importorskip("tensorflow")
    layer = make_softmax()
    targets = np.array([0, 5, 6, 13, 14, 20, 3, 9], "int32")
    generator = np.random.default_rng(2)
    hidden = tf.Variable(generator.normal(size=(8, 8)).astype("float32"))
    weights = np.array([1, 2, 3, 4, 5, 6, 0, 0.5], "float32") / 21.5

    def gradients(compute):
        with tf.GradientTape() as tape:
            loss = compute()
        variables = [hidden, *(v.value for v in layer.trainable_variables)]
        return loss, tape.gradient(loss, variables)

    def of_layer():
        return layer.loss(hidden.value(), targets, weights)

    def dense():
        picked = tf.gather(layer(hidden.value()), targets, batch_dims=1)
        return -tf.reduce_sum(weights * picked)

    loss, found = gradients(of_layer)
    expected_loss, expected = gradients(dense)
    by_hand = dense_log_probabilities(layer, np.float64(hidden.numpy()))
    np.testing.assert_allclose(
        loss, -(weights * by_hand[np.arange(8), targets]).sum(), rtol=1e-5
    )
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for ours, theirs in zip(found, expected, strict=True):
        theirs = tf.convert_to_tensor(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_ids_that_are_no_items_are_refused():
    """As by a table: on a CPU, outside of XLA."""
    layer = layers.AdaptiveItemEmbedding(20, 8, CLUSTERS, RANKS)
    layer.build()
    for item_id in (-1, 21):
        with pytest.raises(Exception, match="is not in"):
            layer(np.array([[3, item_id]]))


@pytest.mark.parametrize(
    ("clusters", "ranks"),
    [((6, 14), (8, 2)), ((6, 21), (8,)), ((6, 21), (9, 1))],
)
def test_layers_that_do_not_fit(clusters, ranks):
    with pytest.raises(ValueError, match="Received: "):
        layers.AdaptiveItemEmbedding(20, 8, clusters, ranks).build()
    with pytest.raises(ValueError, match="Received: "):
        layers.TreeSoftmax(20, clusters, ranks).build((None, 8))


def test_what_a_shared_kernel_refuses():
    model = MAKE["sasrec"](compression=Compression(sharing="cross_block"))
    query = [block.attention.query for block in model.blocks]
    for layer in query:
        with pytest.raises(ValueError, match="not quantized"):
            layer.quantize("int8")
        with pytest.raises(ValueError, match="LoRA"):
            layer.enable_lora(2)
    with pytest.raises(ValueError, match="without weights"):
        query[0].use_kernel_of(query[1])
    # One of its own is quantized as Keras' is.
    own = MAKE["sasrec"]()
    checks.scramble(own)
    item_ids = checks.histories_for(own)
    before = np.array(own.blocks[0](own.item_embedding(item_ids)))
    own.blocks[0].attention.query.quantize("int8")
    assert own.blocks[0].attention.query.quantization_mode == "int8"
    after = np.array(own.blocks[0](own.item_embedding(item_ids)))
    assert 0 < np.abs(after - before).max() < 0.2


def test_the_sizes_of_a_model_with_another_on_top():
    source = MAKE["nextitnet"](
        compression=Compression(CLUSTERS, RANKS, RANKS, "cross_block")
    )
    found = {s.part: s for s in stored_sizes(source)}
    # Tables of 6 x 8, 8 x 3 and 7 x 1; projections of 3 x 8 and 1 x 8.
    assert found["embedding"].num_weights == 48 + 48 + 15
    assert found["embedding"].in_full == 21 * 8
    assert found["softmax"].num_weights == 2 * 8 + 48 + 48 + 15
    assert found["softmax"].in_full == 21 * 9
    kernels, own = 2 * (3 * 8 * 8 + 8), 2 * (4 * 8 + 1)
    assert found["blocks"].num_weights == kernels + own
    assert found["blocks"].in_full == 2 * kernels + own
    assert found["blocks"].num_bytes == 4 * (kernels + own)
    assert "other" not in found
    model = nextitnet_tf.FineTuned(source, 12)
    more = {s.part: s for s in stored_sizes(model)}
    assert more["blocks"] == found["blocks"]
    assert more["other"].num_weights == 13 * 9


@pytest.mark.parametrize("loss", [{"num_sampled": 4}, {"label_smoothing": 0.1}])
def test_losses_that_a_tree_does_not_have(loss):
    model = MAKE["nextitnet"](compression=BIO)
    with pytest.raises(ValueError, match=next(iter(loss))):
        model.compile(**loss)
    # The usual softmax has them.
    MAKE["nextitnet"](compression=Compression(CLUSTERS, RANKS)).compile(**loss)


@pytest.mark.parametrize("name", ["nextitnet", "sasrec", "gated", "grec"])
def test_what_every_model_must_have(name, tmp_path):
    scheme = "adjacent_block"
    checks.check_model(
        MAKE[name](
            num_blocks=3,
            compression=Compression(CLUSTERS, RANKS, RANKS, scheme),
        ),
        tmp_path,
    )


@pytest.mark.parametrize("name", MAKE)
def test_every_model_trains(name):
    # An item has half of the width of SSE-PT, a user the other.
    ranks = (4, 3, 1) if name == "ssept" else RANKS
    compression = Compression(CLUSTERS, ranks, RANKS)
    model = MAKE[name](compression=compression.to_config())
    inputs = checks.histories_for(model, num_rows=8)
    if model.needs_users:
        inputs = (inputs, np.arange(8) % 5)
    targets = checks.histories_for(model, num_rows=8, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    losses = [model.train_on_batch(inputs, targets) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.9 * losses[0]  # GRec's masks vary
    found = np.exp(np.array(model(inputs)))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_a_compression_of_its_own_making(name):
    found = MAKE[name](compression="auto").compression
    # A fifth of 21 columns, a fifth of the 17 that are left.
    assert found.clusters == (4, 7, 21)
    of_items = (4, 1, 1) if name == "ssept" else (8, 2, 1)
    assert found.embedding_ranks == of_items
    assert found.softmax_ranks == (8, 2, 1)
    assert found.sharing == ("none" if name == "gru4rec" else "adjacent_block")


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("nextitnet", {"tie_output": True}, "tie_output=True"),
        ("nextitnet", {"relu_before_softmax": True}, "no ReLU before it"),
        ("sasrec", {"variant": "original"}, "tie_output=True"),
        ("nextitnet", {"num_items": 21}, "last boundary must be 22"),
        ("nextitnet", {"embedding_dim": 4}, "above the width, 4"),
        ("ssept", {}, "above the width, 4"),
    ],
)
def test_compressions_that_do_not_fit(name, given, message):
    compression = Compression(CLUSTERS, (8, 3, 1), (8, 3, 1))
    with pytest.raises(ValueError, match=message):
        MAKE[name](**given, compression=compression)


def test_models_that_are_not_compressed():
    for make in (nextitnet_tf.NFM, nextitnet_tf.Caser):
        with pytest.raises(ValueError, match="is not compressed"):
            make(**SMALL, compression=BIO)
    with pytest.raises(ValueError, match="is not compressed"):
        nextitnet_tf.MostPop(20, compression=BIO)
    with pytest.raises(ValueError, match="no blocks that could share"):
        MAKE["gru4rec"](compression=Compression(sharing="cross_block"))


@pytest.mark.parametrize("name", ["sasrec", "gated"])
@pytest.mark.parametrize("scheme", LAYER_SCHEMES)
def test_parts_that_are_too_unlike(name, scheme):
    with pytest.raises(ValueError, match=f"sharing='{scheme}'"):
        MAKE[name](compression=Compression(sharing=scheme))


def legal(names, schemes=SCHEMES):
    return [
        (name, scheme)
        for name, scheme in itertools.product(names, schemes)
        if name in ("nextitnet", "grec") or scheme not in LAYER_SCHEMES
    ]


@pytest.mark.parametrize(("name", "scheme"), legal(WITH_BLOCKS))
def test_kernels_are_those_of_their_owners(name, scheme):
    """Shared ones move together, each with the gradients of all its places."""
    model = MAKE[name](num_blocks=3, compression=Compression(sharing=scheme))
    full = MAKE[name](num_blocks=3)
    parts = [part for b in model.blocks for part in b.kernel_parts()]
    owners = kernel_owners(3, scheme)
    for place, (block, part) in enumerate(owners):
        for layer, other in zip(
            parts[place], parts[2 * block + part], strict=True
        ):
            assert layer.kernel is other.kernel
            assert layer.bias is other.bias
    # Each distinct kernel is counted once.
    each = [
        sum(w.shape.num_elements() for layer in p for w in _arrays(layer))
        for p in (part for b in full.blocks for part in b.kernel_parts())
    ]
    saved = sum(
        each[place]
        for place, (block, part) in enumerate(owners)
        if 2 * block + part != place
    )
    assert full.count_params() - model.count_params() == saved


def _arrays(layer):
    return [v for v in (layer.kernel, layer.bias) if v is not None]


def test_gradients_of_a_shared_kernel_are_summed():
    tf = pytest.importorskip("tensorflow")
    scheme = "cross_layer"
    model = MAKE["nextitnet"](compression=Compression(sharing=scheme))
    checks.scramble(model)
    full = MAKE["nextitnet"]()
    # The same network, with a kernel of its own in each place.
    for ours, theirs in zip(model.blocks, full.blocks, strict=True):
        for k in (1, 2):
            conv, other = (getattr(b, f"conv{k}") for b in (ours, theirs))
            other.kernel.assign(conv.kernel)
            other.bias.assign(conv.bias)
            norm = getattr(ours, f"norm{k}").get_weights()
            getattr(theirs, f"norm{k}").set_weights(norm)
        theirs.rezero.set_weights(ours.rezero.get_weights())
    for name in ("item_embedding", "item_softmax"):
        getattr(full, name).set_weights(getattr(model, name).get_weights())
    inputs = checks.histories_for(model)
    targets = checks.histories_for(model, seed=1)

    def gradients(of, kernels):
        with tf.GradientTape() as tape:
            loss = of.compute_loss(x=inputs, y=targets)
        return loss, tape.gradient(loss, [k.value for k in kernels])

    model.compile(), full.compile()
    loss, (found,) = gradients(model, [model.blocks[1].conv2.kernel])
    expected_loss, each = gradients(
        full, [c.kernel for b in full.blocks for c in (b.conv1, b.conv2)]
    )
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    np.testing.assert_allclose(found, sum(each), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "scheme"), legal(["nextitnet", "sasrec"]))
def test_a_file_has_each_weight_once(name, scheme, tmp_path):
    model = MAKE[name](num_blocks=3, compression=Compression(sharing=scheme))
    checks.scramble(model)
    path = tmp_path / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", tmp_path)
    sizes = []
    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(
            lambda _, found: sizes.append(getattr(found, "size", None))
        )
    assert sum(size for size in sizes if size) == model.count_params()
    loaded = keras.saving.load_model(path)
    last = loaded.blocks[-1].kernel_parts()[1][0]
    owner = kernel_owners(3, scheme)[-1]
    first = loaded.blocks[owner[0]].kernel_parts()[owner[1]][0]
    assert last.kernel is first.kernel
    item_ids = checks.histories_for(model)
    np.testing.assert_array_equal(loaded(item_ids), model(item_ids))


@pytest.mark.parametrize("method", ["adjacent", "cross", "random"])
@pytest.mark.parametrize(("name", "scheme"), legal(["nextitnet", "sasrec"]))
def test_stacking_copies_what_the_source_of_an_owner_uses(name, scheme, method):
    model = MAKE[name](compression=Compression(CLUSTERS, RANKS, RANKS, scheme))
    checks.scramble(model)
    deep = nextitnet_tf.Stacker(method, "paper").stack(model, 4)
    assert deep.sharing == scheme
    sources = nextitnet_tf.stacking.source_blocks(2, 4, method)
    for i, (block, part) in enumerate(kernel_owners(4, scheme)):
        source = sources[block]
        ours = deep.blocks[i // 2].kernel_parts()[i % 2]
        if source is None:
            continue
        theirs = model.blocks[source].kernel_parts()[part]
        for layer, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(layer.kernel, other.kernel)
    for part in ("item_embedding", "item_softmax"):
        for ours, theirs in zip(
            getattr(deep, part).get_weights(),
            getattr(model, part).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_the_optimizer_is_copied_along():
    model = MAKE["nextitnet"](
        compression=Compression(CLUSTERS, RANKS, RANKS, "cross_block")
    )
    checks.scramble(model)  # at alpha 0 no kernel has a gradient
    model.compile(optimizer="adam")
    inputs = checks.histories_for(model)
    model.train_on_batch(inputs, checks.histories_for(model, seed=1))
    deep = nextitnet_tf.Stacker(
        "adjacent", "paper", switches={"optimizer": True}
    ).stack(model)
    slots = nextitnet_tf.stacking.optimizer_slots
    ours, theirs = slots(deep), slots(model)
    for a, b in (
        (deep.blocks[3].conv1.kernel, model.blocks[0].conv1.kernel),
        (deep.item_softmax.kernels[2], model.item_softmax.kernels[2]),
    ):
        np.testing.assert_array_equal(ours[id(a)][0], theirs[id(b)][0])
        assert np.abs(ours[id(a)][0]).max() > 0


def test_copies_are_not_tied_where_kernels_are_shared():
    model = MAKE["sasrec"](compression=Compression(sharing="cross_block"))
    with pytest.raises(ValueError, match="sharing='cross_block'"):
        nextitnet_tf.Stacker("cross", "release").stack(model)


def test_a_compressed_model_recommends(tmp_path):
    model = MAKE["nextitnet"](
        compression=Compression(CLUSTERS, RANKS, RANKS, "adjacent_block")
    )
    checks.scramble(model)
    model.vocabulary = nextitnet_tf.Vocabulary(
        [None, *(f"item{i}" for i in range(1, 21))], [1] * 21, 0, 3
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    scores = np.array(model(np.array([[5, 3, 9]])))[0]
    scores[[0, 3, 5, 9]] = -np.inf
    best = np.argsort(-scores, kind="stable")[:5]
    (found,) = loaded.recommend([["item5", "item3", "item9"]], k=5)
    assert found == [f"item{i}" for i in best]
