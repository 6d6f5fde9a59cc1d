"""What users took in one domain, and then in another: files and splits.

A pair is what a user took in the source domain, and one item that the same
user took in the target domain. A model reads the former and is to rank the
latter.
"""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextitnet_tf import release
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.data.splits import Split
from nextitnet_tf.data.splits import check_apart
from nextitnet_tf.data.splits import split_users
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.vocabulary import Vocabulary


@dataclass(frozen=True)
class Pairs:
    """Histories in the source domain, and items of the target domain.

    Attributes:
        histories: (num_pairs, T) int32 source items.
        targets: (num_pairs,) int32 target items, 1..num_items.
        users: (num_pairs,) int32 line of the file.
        source_vocabulary: of the numbers in `histories`.
        vocabulary: of the target items.
        meta: name and sha256 of the file, and what is in it.
    """

    histories: np.ndarray
    targets: np.ndarray
    users: np.ndarray
    source_vocabulary: Vocabulary
    vocabulary: Vocabulary
    meta: dict

    @property
    def num_items(self) -> int:
        """Target items; columns of the softmax but one."""
        return len(self.vocabulary.raw_ids) - 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when a pair, its user, its numbering or a raw id does.

        Raw ids count with their types: 1 and "1" are two items.
        """
        digest = hashlib.sha256()
        for array in (self.histories, self.targets, self.users):
            digest.update(np.ascontiguousarray(array).data)
        raw_ids = [
            list(vocabulary.raw_ids)
            for vocabulary in (self.source_vocabulary, self.vocabulary)
        ]
        digest.update(json.dumps(raw_ids).encode())
        return digest.hexdigest()[:16]


def read_pairs(csv, sessions: Sessions, fine_tuning: FineTuning) -> Pairs:
    """Reads a file of `source items,,target items`, a user a line.

    Args:
        csv: path of the file (gzip too), oldest item first.
        sessions: what the model is pre-trained on; they say what its items
            are called.
        fine_tuning: its `source_ids` says how source items are looked up.
            By those of pre-training, what is no item (0) and histories
            without a known item are left out; by the file's, all of it is
            read as the release reads it.

    Returns:
        One pair a target item, in the file's order.

    Raises:
        ValueError: not such a file; one with no source item that the
            sessions know; or, where the file's own numbers are taken, with
            more source items than they have.
    """
    as_release = fine_tuning.source_ids == "file"
    found = release.read_transfer(csv, whole_fields=not as_release)
    sources, tokens = (
        list(found.source_vocabulary),
        list(found.target_vocabulary),
    )
    histories, targets = found.examples[:, :-2], found.examples[:, -1]
    users = found.users
    known = sessions.vocabulary.ids
    meta = {
        "file": Path(csv).name,
        "sha256": hashlib.sha256(Path(csv).read_bytes()).hexdigest(),
        "num_source_items": sum(t != "0" for t in sources[1:]),
        "num_unknown_source_items": sum(
            t not in known for t in sources[1:] if t != "0"
        ),
        "num_source_items_by_their_number": sum(
            known.get(token) == i for i, token in enumerate(sources)
        ),
    }
    if as_release:
        source_vocabulary = _of_the_file(sources, histories.shape[1])
        num_columns = sessions.num_items + 1
        if len(sources) > num_columns:
            raise ValueError(
                "Expected no more source items than the pre-trained model "
                f"has ({num_columns}), to take the file's own numbers for its "
                "(source_ids='file'). Received: "
                f"{len(sources)} in {csv}"
            )
    else:
        source_vocabulary = sessions.vocabulary
        histories = _in_numbers_of(sessions.vocabulary, histories, sources)
        is_empty = (histories == sessions.vocabulary.padding_id).all(axis=1)
        if is_empty.all():
            raise ValueError(
                "Expected source items that the pre-training sessions have, "
                f"too. Received: {csv}, none of whose "
                f"{meta['num_source_items']} is known"
            )
        no_item = tokens.index("0") if "0" in tokens else -1
        is_pair = ~is_empty & (targets != no_item)
        meta["num_pairs_left_out"] = int((~is_pair).sum())
        histories, users = histories[is_pair], users[is_pair]
        targets, tokens = _by_frequency(targets[is_pair], tokens)
    counts = np.bincount(targets, minlength=len(tokens))
    vocabulary = Vocabulary(
        raw_ids=[None, *_as_integers(tokens[1:])],
        counts=counts.tolist(),
        padding_id=0,
        history_length=histories.shape[1],
    )
    meta |= {
        "num_pairs": len(targets),
        "num_users": len(np.unique(users)),
        "num_items": len(tokens) - 1,
    }
    return Pairs(histories, targets, users, source_vocabulary, vocabulary, meta)


def split_pairs(pairs: Pairs, fine_tuning: FineTuning) -> Split:
    """Which pairs are for training, validation and test.

    Raises:
        ValueError: too few of them.
        RuntimeError: pairs, or users, on two sides: an error of the library's.
    """
    if fine_tuning.split == "users":
        parts = split_users(pairs.users)
    else:
        train, test = release.split(len(pairs.targets), 1)
        parts = Split(train, test, test)
    for name in ("train", "validation", "test"):
        if not len(getattr(parts, name)):
            raise ValueError(
                f"Too few pairs: none is left for the {name} set. "
                f"Received: {len(pairs.targets)} pairs"
            )
    sides = {"train": parts.train, "test": parts.test}
    if fine_tuning.split == "users":
        sides["validation"] = parts.validation
        of_users = {name: pairs.users[rows] for name, rows in sides.items()}
        check_apart("users", of_users)
    check_apart("pairs", sides)
    return parts


def _in_numbers_of(
    vocabulary: Vocabulary, histories: np.ndarray, tokens: list[str]
) -> np.ndarray:
    """Histories in a model's own numbers.

    Items it does not know are left out; rows are padded on the left, and
    keep the latest items that a model looks at.
    """
    ids = vocabulary.ids
    # What fills up short lines, and the word that does: no items.
    is_item = np.array([i > 0 and t != "0" for i, t in enumerate(tokens)])
    new_ids = np.array([ids.get(token, -1) for token in tokens], "int32")
    is_known = (new_ids >= 0) & is_item
    new_ids[~is_known] = vocabulary.padding_id
    # False sorts before True, and equals keep their order: padding first.
    order = np.argsort(is_known[histories], axis=1, kind="stable")
    moved = np.take_along_axis(new_ids[histories], order, axis=1)
    return moved[:, -vocabulary.history_length :]


def _of_the_file(tokens: list[str], length: int) -> Vocabulary:
    """The file's own numbers of source items; the word 0 pads."""
    is_padding = [i == 0 or token == "0" for i, token in enumerate(tokens)]
    items = iter(
        _as_integers(
            [t for t, no in zip(tokens, is_padding, strict=True) if not no]
        )
    )
    return Vocabulary(
        raw_ids=[None if no else next(items) for no in is_padding],
        counts=[0] * len(tokens),
        padding_id=tokens.index("0") if "0" in tokens else 0,
        history_length=length,
    )


def _by_frequency(
    targets: np.ndarray, tokens: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Numbers by falling frequency, ties by first appearance."""
    counts = np.bincount(targets, minlength=len(tokens))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    new_ids = np.zeros(len(tokens), "int32")
    new_ids[order] = np.arange(1, len(order) + 1)
    return new_ids[targets], [tokens[0], *(tokens[i] for i in order)]


def _as_integers(tokens: list[str]) -> list:
    """Raw ids as integers if all are written so."""
    if all(token.isdecimal() and str(int(token)) == token for token in tokens):
        return [int(token) for token in tokens]
    return tokens
