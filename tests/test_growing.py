"""Which row of a new vocabulary comes from which old one, and the moving."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nextitnet_tf
from nextitnet_tf import growing
from nextitnet_tf.compression import Compression
from nextitnet_tf.growing import grow
from nextitnet_tf.growing import source_rows
from nextitnet_tf.vocabulary import Vocabulary
from tests import checks

N, T = 12, 6
SMALL = {"num_items": N, "embedding_dim": 8}
DEEP = {**SMALL, "num_blocks": 2}
SASREC = functools.partial(nextitnet_tf.SASRec, **DEEP, max_length=T)
# Columns 0 to 12 in clusters of 4, 4 and 5.
COMPRESSED = Compression((4, 8, 13), (8, 4, 1), (8, 4, 1), "adjacent_block")
MODELS = {
    "nextitnet": lambda: nextitnet_tf.NextItNet(**DEEP),
    "nextitnet tied": lambda: nextitnet_tf.NextItNet(**DEEP, tie_output=True),
    "grec": lambda: nextitnet_tf.GRec(**DEEP),
    "grec original": lambda: nextitnet_tf.GRec(**DEEP, variant="original"),
    "sasrec": SASREC,
    "sasrec original": lambda: SASREC(variant="original"),
    "sasrec plus": lambda: SASREC(block="plus"),
    "ssept": lambda: nextitnet_tf.SSEPT(**DEEP, num_users=5, max_length=T),
    "gru4rec": lambda: nextitnet_tf.GRU4Rec(**SMALL),
    "caser": lambda: nextitnet_tf.Caser(**SMALL, window=T, num_horizontal=3),
    "nfm": lambda: nextitnet_tf.NFM(**SMALL),
    "skiprec cnn": lambda: nextitnet_tf.SkipRec(
        nextitnet_tf.NextItNet(**DEEP), policy="cnn"
    ),
    "skiprec attention": lambda: nextitnet_tf.SkipRec(
        SASREC(), policy="attention"
    ),
    "skiprec random": lambda: nextitnet_tf.SkipRec(SASREC(), policy="random"),
    "compressed": lambda: nextitnet_tf.NextItNet(
        **DEEP, compression=COMPRESSED
    ),
    "compressed embedding": lambda: nextitnet_tf.GRU4Rec(
        **SMALL, compression=Compression((4, 13), (8, 2))
    ),
    "skiprec compressed": lambda: nextitnet_tf.SkipRec(
        nextitnet_tf.NextItNet(**DEEP, compression=COMPRESSED)
    ),
}


def vocabulary(*raw_ids, length=T):
    """Padding in front, then the items, all counted once."""
    return Vocabulary([None, *raw_ids], [0] + [1] * len(raw_ids), 0, length)


def trained(make, seed=0):
    """A model with every weight at a random value, of items i1 to i12."""
    model = make()
    checks.scramble(model, seed)
    model.vocabulary = vocabulary(*(f"i{k}" for k in range(1, N + 1)))
    return model


def reordered(model, places, extra=()):
    """Its items in another order, and new ones behind."""
    raw_ids = [model.vocabulary.raw_ids[i] for i in places]
    return vocabulary(*raw_ids, *extra)


# Within the clusters of the compressed models, so that it is exact for all.
WITHIN_CLUSTERS = [3, 1, 2, 7, 5, 4, 6, 9, 8, 12, 11, 10]


# --- source_rows ------------------------------------------------------------


def test_source_rows_by_hand():
    old = Vocabulary(["<no>", "a", "b", None, "c"], [1] * 5, 3, 5)
    new = Vocabulary([None, "c", "x", "<no>", "b"], [1] * 5, 0, 5)
    assert source_rows(old, new) == [3, 4, None, 0, 2]


def test_other_columns_come_from_each_other():
    """`<UNK>` of the release's numbering; padding has an id in between."""
    old = Vocabulary([None, "a", None, "b"], [0, 2, 0, 1], 2, 5)
    new = Vocabulary([None, "b", "a", "c", None], [0, 2, 1, 1, 0], 4, 5)
    assert source_rows(old, new) == [0, 3, 1, None, 2]
    without = Vocabulary([None, "b"], [0, 1], 0, 5)
    assert source_rows(old, without) == [2, 3]
    assert source_rows(without, old) == [None, None, 0, 1]


def test_numbers_and_their_text_are_the_same():
    old, new = vocabulary(1, 22, 3), vocabulary("22", "x", "1")
    assert source_rows(old, new) == [0, 2, None, 1]


@given(data=st.data())
def test_properties_of_source_rows(data):
    ids = st.lists(st.integers(0, 30), min_size=1, unique=True)
    old, new = (vocabulary(*data.draw(ids)) for _ in range(2))
    shared = set(old.ids) & set(new.ids)
    if not shared:
        with pytest.raises(ValueError, match="at least one item"):
            source_rows(old, new)
        return
    found = source_rows(old, new)
    assert len(found) == len(new.raw_ids) and found[0] == 0
    for i, source in enumerate(found[1:], start=1):
        raw = new.raw_ids[i]
        assert (source is not None) == (str(raw) in shared)
        if source is not None:
            assert old.raw_ids[source] == raw


def test_no_shared_item_is_refused():
    with pytest.raises(ValueError, match=r"2 items, such as 'x'.*1, such as 7"):
        source_rows(vocabulary(7), vocabulary("x", "y"))


def test_items_that_are_no_longer_sold_are_kept_behind():
    new, old = vocabulary(5, 6), vocabulary(1, 5, 2)
    assert new.with_items_of(old).raw_ids == [None, 5, 6, 1, 2]
    assert new.with_items_of(old).counts == [0, 1, 1, 0, 0]
    assert vocabulary("5", "x").with_items_of(old).raw_ids[-2:] == ["1", "2"]
    # Text in one is text in all: today's ids may happen to be numbers.
    assert new.with_items_of(vocabulary("x", "5")).raw_ids == [
        *(None, "5", "6", "x")
    ]


# --- grow: what is known stays ---------------------------------------------


def scores(model, item_ids):
    """{raw id: scores} of histories in model ids."""
    logits = keras.ops.convert_to_numpy(model(item_ids))
    return {
        raw: logits[:, i]
        for i, raw in enumerate(model.vocabulary.raw_ids)
        if raw is not None
    }


@pytest.mark.parametrize("name", MODELS)
def test_reordered_items_are_answered_as_before(name):
    model = trained(MODELS[name])
    grown = grow(model, reordered(model, WITHIN_CLUSTERS), start="mean")
    item_ids = checks.histories_for(model, num_rows=8, length=T)
    place = np.array([0, *(WITHIN_CLUSTERS.index(i) + 1 for i in range(1, 13))])
    before, after = scores(model, item_ids), scores(grown, place[item_ids])
    assert set(before) == set(after)
    if name != "skiprec random":  # draws by the ids of a history
        for raw in before:
            np.testing.assert_allclose(after[raw], before[raw], atol=1e-6)
    assert grown.num_items == N and type(grown) is type(model)


@pytest.mark.parametrize("name", MODELS)
def test_a_larger_vocabulary_is_saved_and_trained(name, tmp_path):
    model = trained(MODELS[name])
    before = [w.numpy().copy() for w in model.weights]
    larger = reordered(model, WITHIN_CLUSTERS, ("new", "newer", "newest"))
    grown = grow(model, larger, start="mean")
    assert grown.num_items == N + 3
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    grown.save(tmp_path / "model.keras")
    again = nextitnet_tf.load_model(tmp_path / "model.keras")
    item_ids = checks.histories_for(grown, length=T)
    np.testing.assert_allclose(again(item_ids), grown(item_ids), atol=1e-6)
    assert again.vocabulary == larger
    if name == "compressed":
        (answer,) = grown.recommend([["new", "i3"]], k=3)
        assert len(answer) == 3 and not {"new", "i3"} & set(answer)
    grown.compile(run_eagerly=True)
    rows = checks.histories_for(grown, num_rows=8, length=T)
    assert np.isfinite(grown.train_on_batch(rows[:, :-1], rows[:, 1:]))


# --- grow: what is new ------------------------------------------------------

# Vectors of items a to d: the table, the softmax, and its bias.
TABLE = np.float32([[0, 0], [1, 10], [2, 20], [3, 30], [4, 40]])


def five_items():
    model = nextitnet_tf.NextItNet(4, num_blocks=1, embedding_dim=2)
    model.item_embedding.set_weights([TABLE])
    model.item_softmax.set_weights([10 * TABLE, TABLE[:, 0]])
    model.vocabulary = vocabulary("a", "b", "c", "d")
    return model


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("mean", [2.5, 25]),
        # Three times beside b, once beside d: (3 * 2 + 4) / 4.
        ("co_occurring", [2.5, 25]),
    ],
)
def test_a_new_item_by_hand(start, expected):
    """New vocabulary d, new, b: `new` is id 2, b is 3, d is 1."""
    grown = grow(
        five_items(),
        vocabulary("d", "new", "b"),
        start,
        # Itself is new, and counts for nothing.
        co_occurrences={2: {3: 3, 1: 1, 2: 50}},
    )
    table = [TABLE[0], TABLE[4], expected, TABLE[2]]
    np.testing.assert_allclose(grown.item_embedding.get_weights()[0], table)
    kernel, bias = grown.item_softmax.get_weights()
    np.testing.assert_allclose(kernel, 10 * np.float32(table))
    np.testing.assert_allclose(bias, np.float32(table)[:, 0])


def test_co_occurrences_by_hand():
    new = vocabulary("c", "x", "a", "y")
    beside = {2: {1: 1, 3: 1, 4: 9}, 4: {2: 5}}
    grown = grow(five_items(), new, "co_occurring", beside)
    table = grown.item_embedding.get_weights()[0]
    np.testing.assert_allclose(table[2], [2, 20])  # between c and a
    # y was beside another new item alone: the mean of a to d.
    np.testing.assert_allclose(table[4], [2.5, 25])


@pytest.mark.parametrize("start", growing.STARTS)
def test_new_items_are_as_probable_as_frequent_by_hand(start):
    """Half of the new data are c and d; x is a quarter, y as much."""
    model = five_items()
    checks.scramble(model)
    new = Vocabulary([None, "c", "x", "y", "d"], [0, 3, 2, 2, 1], 0, T)
    histories = np.int32([[0, 1, 2], [0, 0, 4], [1, 2, 3]])

    def grown_by(**options):
        keras.utils.set_random_seed(0)
        return grow(model, new, start, {2: {1: 1}, 3: {4: 2}}, **options)

    plain = grown_by()
    grown = grown_by(histories=histories)
    logits = np.float64(grown(histories))
    # Beside padding, c and d, whatever they have: the odds in the mean.
    others = np.log(np.exp(logits[:, [0, 1, 4]]).sum(axis=1)).mean()
    np.testing.assert_allclose(
        logits[:, 2:4].mean(axis=0) - others, np.log([0.5, 0.5]), atol=1e-4
    )
    other = grown_by(counts=[0, 3, 5, 0, 1], histories=histories)
    logits = np.float64(other(histories))
    others = np.log(np.exp(logits[:, [0, 1, 4]]).sum(axis=1)).mean()
    np.testing.assert_allclose(
        logits[:, 2:4].mean(axis=0) - others,
        np.log([5 / 4, 0.5 / 4]),
        atol=1e-4,
    )
    # All else is as it is without histories.
    for one, same in zip(plain.weights, grown.weights, strict=True):
        known = np.array(one).reshape(-1), np.array(same).reshape(-1)
        changed = np.flatnonzero(known[0] != known[1])
        is_bias = one.path.endswith("item_softmax/bias")
        assert changed.tolist() == ([2, 3] if is_bias else [])


@pytest.mark.parametrize("name", ["nextitnet tied", "compressed"])
def test_without_a_bias_histories_change_nothing(name):
    model = trained(MODELS[name])
    larger = reordered(model, WITHIN_CLUSTERS, ("new",))
    found = [
        grow(model, larger, histories=histories).get_weights()
        for histories in (None, np.ones((2, T), "int32"))
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_random_start_is_that_of_a_new_model():
    model = five_items()
    found = grow(model, vocabulary("d", "new", "b"), "random")
    row = found.item_embedding.get_weights()[0][2]
    assert (np.abs(row) <= 0.04).all() and row.any()  # truncated at 2 x 0.02
    assert found.item_softmax.get_weights()[1][2] == pytest.approx(0.1)
    np.testing.assert_array_equal(
        found.item_embedding.get_weights()[0][[0, 1, 3]], TABLE[[0, 4, 2]]
    )


def test_starts_of_another_kind_are_refused():
    model, new = five_items(), vocabulary("a", "new")
    with pytest.raises(ValueError, match="start='zeros'"):
        grow(model, new, "zeros")
    with pytest.raises(ValueError, match="co_occurrences=None"):
        grow(model, new, "co_occurring")


# --- compressed models ------------------------------------------------------


def vectors(layer):
    """(N, D) by hand: rows times projections, cluster by cluster."""
    tables = getattr(layer, "tables", None) or layer.kernels
    found = []
    sizes = np.diff([0, *layer.clusters])
    for table, projection, size in zip(
        tables, layer.projections, sizes, strict=True
    ):
        rows = np.float64(table.numpy())[:size]
        if projection is not None:
            matrix = projection.numpy()
            is_embedding = hasattr(layer, "tables")
            rows = rows @ (matrix if is_embedding else matrix.T)
        found.append(rows)
    return np.concatenate(found)


def test_an_item_that_comes_into_another_cluster():
    """Exact where the new cluster has the full rank, else least squares."""
    model = trained(MODELS["compressed"])
    # The first cluster holds ids 0 to 3: i12 rises into it, i1 falls.
    places = [12, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1]
    grown = grow(model, reordered(model, places), start="mean")
    for name in ("item_embedding", "item_softmax"):
        old, new = (vectors(getattr(m, name)) for m in (model, grown))
        np.testing.assert_allclose(new[1], old[12], atol=1e-6)
        np.testing.assert_allclose(new[2:12], old[2:12], atol=1e-6)
        # i1 has one number now: the nearest multiple of the projection.
        layer = getattr(grown, name)
        direction = np.float64(layer.projections[2].numpy()).ravel()
        nearest = direction * (old[1] @ direction) / (direction @ direction)
        np.testing.assert_allclose(new[12], nearest, atol=1e-5)
    # The root's columns of the clusters are where they were: behind.
    for m in (model, grown):
        assert m.item_softmax.kernels[0].shape == (6, 8)
    np.testing.assert_array_equal(
        grown.item_softmax.kernels[0].numpy()[4:],
        model.item_softmax.kernels[0].numpy()[4:],
    )


def test_a_new_item_of_a_compressed_model():
    model = trained(MODELS["compressed"])
    grown = grow(model, reordered(model, range(1, 13), ("x",)), start="mean")
    # 13 columns in clusters up to 4, 8, 13 become 14 up to 4, 9, 14.
    assert grown.compression.clusters == (4, 9, 14)
    old, new = (vectors(m.item_embedding) for m in (model, grown))
    direction = np.float64(grown.item_embedding.projections[2].numpy()).ravel()
    mean = old[1:].mean(axis=0)
    nearest = direction * (mean @ direction) / (direction @ direction)
    np.testing.assert_allclose(new[13], nearest, atol=1e-5)


@pytest.mark.parametrize(
    ("clusters", "num_columns", "expected"),
    [
        ((2, 5, 10), 20, (4, 10, 20)),
        ((1, 2, 10), 3, (1, 2, 3)),
        ((8, 9, 10), 5, (3, 4, 5)),
        ((10,), 4, (4,)),
    ],
)
def test_clusters_keep_their_share(clusters, num_columns, expected):
    ranks = tuple(range(len(clusters), 0, -1))
    found = Compression(clusters, ranks).scaled_to(num_columns)
    assert found == Compression(expected, ranks)


def test_too_few_columns_for_the_clusters():
    with pytest.raises(ValueError, match="num_columns=2"):
        Compression((2, 5, 10), (3, 2, 1)).scaled_to(2)
    only_shared = Compression(sharing="cross_block")
    assert only_shared.scaled_to(2) == only_shared


# --- users ------------------------------------------------------------------


def test_users_keep_their_rows_and_new_ones_are_the_mean():
    model = trained(MODELS["ssept"])
    old = model.user_embedding.get_weights()[0]
    same = grow(model, model.vocabulary, "mean")
    np.testing.assert_array_equal(same.user_embedding.get_weights()[0], old)
    grown = grow(model, model.vocabulary, "mean", source_users=[4, None, 0])
    np.testing.assert_allclose(
        grown.user_embedding.get_weights()[0],
        [old[4], old.mean(axis=0), old[0]],
        atol=1e-6,
    )
    assert grown.num_users == 3
    with pytest.raises(ValueError, match=r"0\.\.4, or None.*with 5"):
        grow(model, model.vocabulary, "mean", source_users=[5])
    with pytest.raises(ValueError, match="NextItNet knows no users"):
        grow(five_items(), vocabulary("a"), "mean", source_users=[0])


# --- the optimizer ----------------------------------------------------------


def slots_of(model, variable):
    """Adam's two of a variable, by their paths."""
    name = variable.path.replace("/", "_")
    return [
        slot.numpy()
        for kind in ("momentum", "velocity")
        for slot in model.optimizer.variables
        if slot.path.endswith(f"{name}_{kind}")
    ]


def test_the_optimizer_is_new_unless_it_is_kept():
    model = trained(MODELS["nextitnet"])
    model.compile(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True)
    rows = checks.histories_for(model, num_rows=8, length=T)
    for _ in range(3):
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
    larger = reordered(model, WITHIN_CLUSTERS, ("new",))
    assert getattr(grow(model, larger, "mean"), "optimizer", None) is None
    grown = grow(model, larger, "mean", keep_optimizer=True)
    assert int(grown.optimizer.iterations) == 3
    order = [0, *WITHIN_CLUSTERS]
    for old, new in (
        (model.item_embedding.embeddings, grown.item_embedding.embeddings),
        (model.item_softmax.kernel, grown.item_softmax.kernel),
        (model.item_softmax.bias, grown.item_softmax.bias),
    ):
        before, after = slots_of(model, old), slots_of(grown, new)
        assert len(before) == len(after) == 2
        for was, now in zip(before, after, strict=True):
            assert was.any()
            np.testing.assert_array_equal(now[:-1], was[order])
            assert not now[-1].any()
    kernel = "block_1/conv1/kernel"
    (old,), (new,) = (
        [v for v in m.trainable_variables if v.path.endswith(kernel)]
        for m in (model, grown)
    )
    for was, now in zip(
        slots_of(model, old), slots_of(grown, new), strict=True
    ):
        np.testing.assert_array_equal(now, was)


def test_kept_slots_go_on_as_if_nothing_was_renamed():
    """A step of the reordered model is the step of the old one."""
    model = trained(MODELS["gru4rec"])
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        jit_compile=False,
        label_smoothing=0.2,
    )
    rows = checks.histories_for(model, num_rows=8, length=T)
    for _ in range(3):
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
    new = reordered(model, WITHIN_CLUSTERS)
    grown = grow(model, new, "mean", keep_optimizer=True)
    place = np.array([0, *(WITHIN_CLUSTERS.index(i) + 1 for i in range(1, 13))])
    model.train_on_batch(rows[:, :-1], rows[:, 1:])
    rows = place[rows]
    grown.train_on_batch(rows[:, :-1], rows[:, 1:])
    np.testing.assert_allclose(
        grown.item_embedding.get_weights()[0][place],
        model.item_embedding.get_weights()[0],
        atol=1e-6,
    )


def test_an_optimizer_that_is_not_there():
    with pytest.raises(ValueError, match="still has its optimizer"):
        grow(five_items(), vocabulary("a"), "mean", keep_optimizer=True)


# --- refusals ---------------------------------------------------------------


def test_models_that_do_not_grow():
    new = vocabulary("a", "new")
    counted = nextitnet_tf.MostPop(4)
    counted.vocabulary = vocabulary("a", "b", "c", "d")
    with pytest.raises(ValueError, match="counted anew.*model=MostPop"):
        grow(counted, new, "mean")
    few_bits = five_items()
    few_bits.quantize("int8", filters="^item_")
    with pytest.raises(ValueError, match="a model of few bits"):
        grow(few_bits, new, "mean")
    unknown = five_items()
    unknown.vocabulary = None
    with pytest.raises(ValueError, match="0 columns of 5"):
        grow(unknown, new, "mean")
    tuned = nextitnet_tf.FineTuned(five_items(), 4)
    tuned.vocabulary = vocabulary("t", "u", "v", "w")
    with pytest.raises(ValueError, match="one vocabulary.*model=FineTuned"):
        grow(tuned, new, "mean")
    with pytest.raises(ValueError, match="at least one item"):
        grow(five_items(), vocabulary("new"), "mean")
    for name in ("sasrec", "skiprec attention"):
        with pytest.raises(ValueError, match=f"history_length={T + 1}"):
            grow(trained(MODELS[name]), vocabulary("i1", length=T + 1), "mean")


def test_what_recipes_may_say():
    assert growing.DEFAULT_START in growing.STARTS
