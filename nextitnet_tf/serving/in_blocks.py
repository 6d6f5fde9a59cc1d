"""A file of histories answered block by block, in bounded memory.

Answers go to files of a block each, in a folder beside the output, and are
joined at the end: a command that was interrupted goes on after the last block
that was whole.
"""

import json
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from typing import TypeVar
from typing import cast

import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf import locks
from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending
from nextitnet_tf.models import saved
from nextitnet_tf.serving import history_files
from nextitnet_tf.serving.blocks import Answers
from nextitnet_tf.serving.blocks import Block
from nextitnet_tf.serving.blocks import kind_of
from nextitnet_tf.vocabulary import RawId

_Item = TypeVar("_Item")
Report = Callable[[int, list[RawId], bool], None]
BLOCK = 4096
# Rows scored at a time, at most: a block has whole batches.
_BATCH = 256
# Batches answered at a time: what one does on a single core, another fills.
_AT_ONCE = 2


def recommend_file(
    model_path: Path,
    source: Path,
    target: Path,
    k: int = 10,
    exclude_seen: bool = True,
    has_users: bool = False,
    progress: Callable[[int], None] = lambda num_done: None,
    report: Report = lambda number, unknown, is_popular: None,
) -> int:
    """Answers each history of a file.

    Args:
        model_path: a model.keras.
        source: the file; see `history_files` for what it may be.
        target: gets the answers, in order; what was there gives way when they
            are whole.
        k: items that a history gets.
        exclude_seen: leave out every item of a history.
        has_users: whether a line of text begins with its user.
        progress: called after each block with the histories done by then.
        report: called with each history that has unknown items, of those that
            are answered now: its number in the file, from 1, those items, and
            whether it has no others and gets the most popular ones.

    Returns:
        How many items of all histories the model does not know; of those that
        were answered now.

    Raises:
        ValueError: a history that cannot be read, with its line; k below 1; a
            model that cannot be frozen.
        OSError: a file cannot be read or written; another process answers
            into the same file.
    """
    for known in (model_path, source):
        if target.resolve() == known.resolve():
            raise ValueError(
                f"Expected another file for the answers than {known}, which "
                f"would be lost. Received: {target}"
            )
    kind = kind_of(target)
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(
            "Expected a file for the answers, in a folder that is there. "
            f"Received: {target}"
        )
    blocks = target.with_name(f"{target.name}.blocks")
    with locks.holding(blocks):
        model = saved.load_model(model_path)
        raw_ids.vocabularies(model)  # there must be some
        recommending.at_most(k, model)
        answer = _Answering(model, k, exclude_seen, report)
        _begin(
            blocks,
            {
                "model": atomic_files.file_digest(model_path),
                "source": atomic_files.file_digest(source),
                "suffix": target.suffix,
                "k": k,
                "exclude_seen": exclude_seen,
                "has_users": has_users,
                "block": BLOCK,
            },
        )

        def place(number: int) -> Path:
            return blocks / f"{number:08d}{target.suffix}"

        found = history_files.read_blocks(
            source,
            BLOCK,
            answer.known,
            has_users,
            lambda number: place(number).exists(),
            users_of_one_kind=kind == "parquet",
        )
        try:
            num_blocks = _answer_blocks(answer, found, place, progress)
        except BaseException:
            # What is there is gone on with; nothing leaves nothing behind.
            if not place(0).exists():
                shutil.rmtree(blocks)
            raise
        with atomic_files.replacing(target) as partial:
            history_files.join([place(i) for i in range(num_blocks)], partial)
        shutil.rmtree(blocks)
        return answer.num_unknown


def _answer_blocks(
    answer: "_Answering",
    found: Iterator[Block | int],
    place: Callable[[int], Path],
    progress: Callable[[int], None],
) -> int:
    """Writes the answers of each block that is wanted; how many there are."""
    num_done = number = 0
    blocks = _one_ahead(map(answer.encode, found))
    # Written while the next one is answered.
    with futures.ThreadPoolExecutor(1) as pool:
        writing: futures.Future[None] | None = None
        for number, block in enumerate(blocks, 1):
            if isinstance(block, int):
                num_done += block
            else:
                answers = answer(block, num_done)
                if writing is not None:
                    writing.result()
                writing = pool.submit(_write, place(number - 1), answers)
                num_done += len(block.histories)
            progress(num_done)
        if writing is not None:
            writing.result()
    return number


def _write(path: Path, answers: Answers) -> None:
    with atomic_files.replacing(path) as partial:
        history_files.write_block(partial, answers)


class _Answering:
    """Blocks of histories -> answers, by a frozen model.

    Attributes:
        known: text of the items that histories may have.
        num_unknown: items of histories that the model does not know.
    """

    def __init__(self, model, k: int, exclude_seen: bool, report: Report):
        self._vocabulary, self._of_histories = raw_ids.vocabularies(model)
        self._frozen = model.freeze()
        self._k, self._exclude_seen = k, exclude_seen
        largest = recommending.largest_batch(len(self._vocabulary.raw_ids))
        self._batch_size = min(_BATCH, max(1, largest // _AT_ONCE))
        self.known = self._of_histories.ids
        self.num_unknown = 0
        self._report = report
        self._num_read = 0

    def encode(self, block: Block | int) -> Block | int:
        """A block in ids of the model; one that is not wanted as it is."""
        if isinstance(block, int):
            self._num_read += block
            return block
        encoded: list[list[RawId]] = []
        for number, history in enumerate(block.histories, self._num_read + 1):
            ids, num_unknown = self._of_histories.encode(history)
            encoded.append([*ids])
            if num_unknown:
                self.num_unknown += num_unknown
                unknown = [
                    raw
                    for raw in history
                    if self._of_histories.encode([raw])[1]
                ]
                self._report(number, unknown, not ids)
        self._num_read += len(encoded)
        return Block(block.users, encoded)

    def __call__(self, block: Block, first: int) -> Answers:
        """Answers a block whose first history has a number in the file."""
        starts = range(0, len(block.histories), self._batch_size)
        items: list[list] = []
        scores: list[list[float]] = []
        with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            for of_batch in pool.map(
                lambda start: self._answer(block.histories, start, first),
                starts,
            ):
                items += of_batch[0]
                scores += of_batch[1]
        return Answers(block.users, items, scores)

    def _answer(
        self, encoded: list[list[RawId]], start: int, first: int
    ) -> tuple[list[list], list[list[float]]]:
        """Items and scores of the batch that starts there."""
        batch = encoded[start : start + self._batch_size]
        size = len(batch)
        # One shape for all, the last batch included.
        batch = [*batch, *[[]] * (self._batch_size - size)]
        found = self._frozen.top_items(
            raw_ids.padded(batch, self._of_histories),
            self._k,
            np.full((len(batch), 1), self._exclude_seen),
        )
        items = raw_ids.decode(found, size, self._vocabulary, first + start)
        scores = found["scores"][:size]
        return items, raw_ids.recommended(scores, scores)


def _one_ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same, each made while the one before is used."""
    end = object()
    with futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield cast(_Item, item)


def _begin(blocks: Path, identity: dict[str, Any]) -> None:
    """A folder of blocks of this very task; those of another one go."""
    known = blocks / "identity.json"
    try:
        if json.loads(known.read_text(encoding="utf-8")) == identity:
            return
    except (OSError, ValueError):
        pass
    # A command that ended at its very beginning leaves nothing, or a part.
    begun = set(atomic_files.left_of(known))
    is_ours = blocks.is_dir() and (
        known.is_file() or {*blocks.iterdir()} <= begun
    )
    if blocks.exists() and not is_ours:
        raise ValueError(
            "Expected a name that is free, for the blocks of answers. "
            f"Received: {blocks}, which holds something else"
        )
    if blocks.exists():
        shutil.rmtree(blocks)
    blocks.mkdir()
    atomic_files.write_json(known, identity)
