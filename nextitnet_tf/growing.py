"""Growing a trained model's vocabulary: which row comes from which old one."""

from collections.abc import Mapping
from collections.abc import Sequence

from nextitnet_tf.optimizer_slots import copy_optimizer
from nextitnet_tf.optimizer_slots import optimizer_slots
from nextitnet_tf.vocabulary import Vocabulary

# How the rows of an item begin that the model has never seen: as the mean of
# all items that it knows; as the mean of those that are in a session with it,
# by how often they are, and of all where there is none; as in a new model.
STARTS = ("mean", "co_occurring", "random")
DEFAULT_START = "mean"

# Old ids, and their weights in the mean.
Mixture = tuple[Sequence[int], Sequence[float]]


def source_rows(old: Vocabulary, new: Vocabulary) -> list[int | None]:
    """Which row of the old model each row of the new one comes from.

    Items are known by their raw ids, as text. Padding comes from padding; the
    other columns that are no items come from each other, in order.

    >>> old = Vocabulary([None, "a", "b"], [0, 9, 4], 0, history_length=5)
    >>> new = Vocabulary(["b", "c", "a", None], [7, 5, 3, 0], 3, 5)
    >>> source_rows(old, new)
    [2, None, 1, 0]

    Args:
        old: of the model that is trained.
        new: of the one that it becomes.

    Returns:
        One old id a new id; None where an item is new.

    Raises:
        ValueError: no item is in both.
    """
    found: list[int | None] = [
        None if raw is None else old.ids.get(str(raw)) for raw in new.raw_ids
    ]
    if all(row is None for row in found):
        raise ValueError(
            "Expected at least one item that the model knows. Received: "
            f"{new.num_items:,} items, such as {_example(new)}, of which none "
            f"is among its {old.num_items:,}, such as {_example(old)}"
        )
    found[new.padding_id] = old.padding_id
    others = (
        [i for i in known.not_items if i != known.padding_id]
        for known in (new, old)
    )
    for column, source in zip(*others, strict=False):
        found[column] = source
    return found


def mixtures(
    old: Vocabulary,
    sources: Sequence[int | None],
    start: str,
    co_occurrences: Mapping[int, Mapping[int, float]] | None = None,
) -> list[Mixture | None]:
    """What the row of each new item begins as.

    >>> old = Vocabulary([None, "a", "b"], [0, 9, 4], 0, history_length=5)
    >>> mixtures(old, [0, 2, None, 1], "mean")[2]
    ([1, 2], [1.0, 1.0])
    >>> mixtures(old, [0, 2, None, 1], "co_occurring", {2: {1: 3, 3: 1}})[2]
    ([2, 1], [3, 1])

    Args:
        old: vocabulary of the model that is trained.
        sources: `source_rows`.
        start: one of `STARTS`.
        co_occurrences: of a new item, by its new id, how often each other
            item is in a session with it, by new ids, too. Items that are new
            themselves do not count.

    Returns:
        Old ids and their weights in the mean, one pair a row; None where a
        row has a source, or begins as in a new model. Rows of the same mean
        share the pair.

    Raises:
        ValueError: an unknown start; a start by co-occurrences without them.
    """
    if start not in STARTS:
        raise ValueError(
            f"`start` must be one of {STARTS}. Received: start={start!r}"
        )
    if start == "co_occurring" and co_occurrences is None:
        raise ValueError(
            'start="co_occurring" needs co_occurrences. Received: '
            "co_occurrences=None"
        )
    if start == "random":
        return [None] * len(sources)
    items = [i for i, raw in enumerate(old.raw_ids) if raw is not None]
    mean = (items, [1.0] * len(items))
    found: list[Mixture | None] = []
    for new_id, source in enumerate(sources):
        beside = (co_occurrences or {}).get(new_id, {})
        known = [
            (sources[other], weight)
            for other, weight in beside.items()
            if sources[other] is not None and weight > 0
        ]
        if source is not None:
            found.append(None)
        elif start == "mean" or not known:
            found.append(mean)
        else:
            ids, weights = zip(*known, strict=True)
            found.append((list(ids), list(weights)))
    return found


def grow(
    model,
    vocabulary: Vocabulary,
    start: str = DEFAULT_START,
    co_occurrences: Mapping[int, Mapping[int, float]] | None = None,
    counts: Sequence[float] | None = None,
    histories=None,
    source_users: Sequence[int | None] | None = None,
    keep_optimizer: bool = False,
):
    """A new, built model of another vocabulary; `model` stays as it is.

    Whatever belongs to no item is copied. Known items keep their rows, of the
    item embedding, of the softmax and of whatever else has a row an item; new
    ones begin as `start` says. Of a compressed model each cluster keeps its
    share of the columns, and an item that comes into another cluster begins
    there as near to its vector as the rank allows (`layers.item_rows`).

    Args:
        model: a `SequentialRecommender` that knows its vocabulary.
        vocabulary: of the new one. An item that is not in it is forgotten
            (`Vocabulary.with_items_of` keeps them all).
        start: one of `STARTS`.
        co_occurrences: as for `mixtures`; `data.co_occurrences` counts them.
        counts: beside `histories`: how often each new id occurs in the new
            data; by default the counts of the vocabulary.
        histories: (B, T) some of the new data, in new ids. With them the bias
            of a new item makes it, on average over them, as probable as it is
            frequent: without, it takes a hundred steps until it is ranked. A
            softmax without biases, tied or of a tree, stays as it is.
        source_users: of a model with users, which old user each is, None for
            a new one, who begins as the mean of all. Default: the same users.
        keep_optimizer: whether the optimizer is copied, too: what it keeps of
            a weight goes where the weight goes; of new rows it knows nothing.
            The new model then is compiled.

    Returns:
        A model of the same class, depth and width.

    Raises:
        ValueError: a model that is counted, of few bits, fine-tuned to other
            items or without a vocabulary; no shared item; histories longer
            than the model's positions; an unknown start; a user there is not.
    """
    _check_model(model, vocabulary)
    sources = source_rows(model.vocabulary, vocabulary)
    begins = mixtures(model.vocabulary, sources, start, co_occurrences)
    users = _check_users(model, source_users)
    grown = _enlarged(model, vocabulary, len(users))
    grown.vocabulary = vocabulary
    grown.tied_blocks = model.tied_blocks
    pairs = _row_pairs(model, grown)
    of_rows = {
        id(table) for rows in pairs for _, new in rows for table in new.tables
    }
    for old, new in zip(model.weights, grown.weights, strict=True):
        if id(new) not in of_rows:
            new.assign(old)
    of_items, of_users = pairs
    for old, new in of_items:
        new.fill(old, sources, begins)
    for old, new in of_users:
        everybody = list(range(old.sizes[0]))
        mean_user = (everybody, [1.0] * len(everybody))
        new.fill(old, users, [mean_user] * len(users))
    if histories is not None and hasattr(grown.item_softmax, "set_shares"):
        new_ids = [i for i, source in enumerate(sources) if source is None]
        if new_ids:
            grown.item_softmax.set_shares(
                grown.last_hidden(histories),
                new_ids,
                vocabulary.counts if counts is None else counts,
            )
    if keep_optimizer:
        _move_optimizer(model, grown, (of_items, sources), (of_users, users))
    return grown


def _example(vocabulary: Vocabulary) -> str:
    return repr(next(raw for raw in vocabulary.raw_ids if raw is not None))


def _check_model(model, vocabulary: Vocabulary) -> None:
    """Raises ValueError for a model whose vocabulary cannot grow."""
    name = type(model).__name__
    if hasattr(model, "adapt"):
        raise ValueError(
            "A model that is counted is counted anew: expected one that is "
            f"trained. Received: model={name}"
        )
    if getattr(model, "is_quantized", False):
        raise ValueError(
            "A quantized model is not trained any further: expected the "
            "model before. Received: a model of few bits"
        )
    known = model.vocabulary
    if known is None or len(known.raw_ids) != model.num_items + 1:
        raise ValueError(
            "Expected a model that knows the raw ids of its items. "
            f"Received: model={name}, whose vocabulary has "
            f"{0 if known is None else len(known.raw_ids)} columns of "
            f"{model.num_items + 1}"
        )
    if model.history_vocabulary is not known:
        raise ValueError(
            "Expected a model of one vocabulary. Received: "
            f"model={name}, whose histories are of other items than its "
            "answers"
        )
    reach = getattr(getattr(model, "backbone", model), "max_length", None)
    if reach is not None and vocabulary.history_length > reach:
        raise ValueError(
            f"Expected histories of at most {reach} items, for which the model "
            "has positions. Received: "
            f"history_length={vocabulary.history_length}"
        )


def _check_users(
    model, source_users: Sequence[int | None] | None
) -> list[int | None]:
    """Which old user each user is; nobody of a model without users."""
    if not model.needs_users:
        if source_users is not None:
            raise ValueError(
                f"A {type(model).__name__} knows no users: expected "
                "source_users=None. Received: "
                f"{len(source_users)} users"
            )
        return []
    if source_users is None:
        return list(range(model.num_users))
    for user in source_users:
        if user is not None and not 0 <= user < model.num_users:
            raise ValueError(
                f"Expected users of 0..{model.num_users - 1}, or None. "
                f"Received: source_users with {user}"
            )
    return list(source_users)


def _enlarged(model, vocabulary: Vocabulary, num_users: int):
    """A fresh model of the same arguments, for other items and users."""
    config = model.get_config()
    if hasattr(model, "backbone"):
        config["backbone"] = _enlarged(model.backbone, vocabulary, num_users)
        return type(model)(**config)
    columns = len(vocabulary.raw_ids)
    config["num_items"] = columns - 1
    config["padding_id"] = vocabulary.padding_id
    if model.needs_users:
        config["num_users"] = num_users
    if model.compression:
        scaled = model.compression.scaled_to(columns)
        config["compression"] = scaled.to_config()
    return type(model).from_config(config)


def _row_pairs(model, grown):
    """(old, new) `ItemRows` of items, and those of users."""
    layers = list(
        zip(model._flatten_layers(), grown._flatten_layers(), strict=True)
    )
    return tuple(
        [
            pair
            for old, new in layers
            if hasattr(old, name)
            for pair in zip(
                getattr(old, name)(), getattr(new, name)(), strict=True
            )
        ]
        for name in ("item_rows", "user_rows")
    )


def _move_optimizer(model, grown, *moves) -> None:
    """Compiles a model as another is; slots go where their weights go."""
    copy_optimizer(model, grown, [])
    old_slots, new_slots = optimizer_slots(model), optimizer_slots(grown)
    done = set()
    for pairs, sources in moves:
        for old, new in pairs:
            slots = [old_slots[id(table)] for table in old.tables]
            for k, of_tables in enumerate(zip(*slots, strict=True)):
                moved = old.moved(of_tables, new, sources)
                for table, (rows, _) in zip(new.tables, moved, strict=True):
                    new_slots[id(table)][k].assign(rows)
            done |= {id(table) for table in new.tables}
    for old, new in zip(
        model.trainable_variables, grown.trainable_variables, strict=True
    ):
        if id(new) not in done:
            for slot, copy in zip(
                old_slots[id(old)], new_slots[id(new)], strict=True
            ):
                copy.assign(slot)
