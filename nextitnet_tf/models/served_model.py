"""What a trained model does for those who use it."""

import functools
import os

import keras

from nextitnet_tf import atomic_files
from nextitnet_tf.models import answers
from nextitnet_tf.models import evaluating
from nextitnet_tf.models import exported
from nextitnet_tf.models import frozen
from nextitnet_tf.models import incremental
from nextitnet_tf.models import recommending
from nextitnet_tf.vocabulary import Vocabulary


class ServedModel(keras.Model):
    """A model that recommends in raw ids, is saved and is exported.

    Attributes:
        vocabulary: of the items that it recommends; None until it is set.
            It is saved with the model.
        history_vocabulary: of the items in histories.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary: Vocabulary | None = None

    def recommend(
        self,
        histories,
        k=10,
        exclude_seen=True,
        batch_size=256,
        explain=False,
        with_scores=False,
        **columns,
    ):
        """The items likeliest to follow, in raw ids.

        Ids the model does not know are skipped (and counted in a warning);
        of a long history the latest `vocabulary.history_length` items count;
        a history with no known item gets the most popular items.

        Args:
            histories: one sequence of raw ids a user, oldest first; or a
                table (pandas, polars, Arrow, a mapping of columns) of one row
                an event, in order if it has no column beside.
            k: how many items a user gets.
            exclude_seen: leave out every item of the user's history.
            batch_size: users scored at a time, at most; fewer where there
                are so many items that their scores would need much memory.
            explain: whether to tell, too, which blocks ran for whom; of a
                model that chooses them (`SkipRec`).
            with_scores: whether each item comes with what it was ranked by:
                its logit (of a tree softmax its log-probability), or how
                often it occurs, where a user gets the most popular items.
            **columns: `user`, `item` and `time` of a table, names of its
                columns where they are no usual ones, as for
                `Sessions.from_interactions`.

        Returns:
            One list a user of at most k raw ids, likeliest first, or with
            `with_scores` of pairs (raw id, score); of a
            table a dictionary of those by user. With `explain` a pair of that
            and of a (users, L) int32 array, 1 where a block ran for a user;
            of one who gets the most popular items none did.

        Raises:
            ValueError: a model without a vocabulary; a history that is no
                sequence of raw ids; columns that a table has not; k below 1;
                `explain` of a model that runs all its blocks.
            FloatingPointError: scores that are NaN or infinite.
        """
        return answers.recommend(
            self,
            histories,
            k,
            exclude_seen,
            batch_size,
            explain,
            with_scores,
            **columns,
        )

    def evaluate_sessions(
        self, sessions, exclude_seen=False, batch_size=256
    ) -> dict[str, float]:
        """How the model ranks the last item of sessions after the others.

        Sessions may be numbered in another way than those of the training:
        items are looked up by their raw ids. What the model does not know is
        left out of a history, and is missed as a target.

        Args:
            sessions: `data.Sessions`; `data.part(sessions, "test")` are those
                that training has kept apart.
            exclude_seen: whether items of the history are left out of the
                ranking, as `recommend` does.
            batch_size: sessions scored at a time.

        Returns:
            Metrics by name, such as `mrr_at_5`, and `num_sessions`.

        Raises:
            ValueError: a model without a vocabulary, or one that needs other
                users.
            FloatingPointError: scores that are NaN or infinite.
        """
        return evaluating.evaluate_sessions(
            self, sessions, exclude_seen, batch_size
        )

    def start(self, history):
        """Begins to recommend to one user, click by click.

        What the convolutions have seen is kept, so that one more click costs
        one position a block; `recommend` computes all of the history anew.
        The two see different rows after a click: `recommend` the latest
        `vocabulary.history_length` items, as in training; a `Session` the row
        it began with and all that followed, with paddings where they were.
        They agree at the start. Where clicks come fast, begin a session and
        begin it anew after about as many clicks as a history has items; where
        answers must be those of the evaluation, use `recommend`.

        Args:
            history: raw ids of one user, oldest first, as `recommend` takes
                them; it may be empty.

        Returns:
            A `Session`: `append(item)`, `top(k)`.

        Raises:
            ValueError: a model that is no NextItNet with causal convolutions
                and no SkipRec around one; one without a vocabulary; a history
                that is no sequence of raw ids.
        """
        return incremental.Session(self, history)

    def freeze(self):
        """This model with its weights held, compiled to answer fast.

        For a process that serves: `recommend` and `start` of what is returned
        answer as this model does, at a fraction of the time for one user,
        since weights are constants of a compiled program there (as of
        TensorFlow's frozen graphs). It has nothing to do with which layers
        are trained. What becomes of this model's weights afterwards is not
        seen: freeze again.

        Returns:
            A `FrozenModel`.

        Raises:
            ValueError: a model without a vocabulary; a SkipRec that draws at
                each answer (`is_noisy`).
        """
        return frozen.FrozenModel(self)

    def check_incremental(self):
        """Raises ValueError for a model that `start` is not for."""
        raise ValueError(
            f"A {type(self).__name__} does not grow by a click: expected a "
            "NextItNet with causal convolutions, or a SkipRec around one. "
            f"Received: model={self.name!r}"
        )

    def top_items(self, item_ids, k=10, exclude_seen=True):
        """The k likeliest items, in the graph: `recommending.top_items`."""
        return recommending.top_items(self, item_ids, k, exclude_seen)

    def export(self, filepath, *args, input_signature=None, **kwargs):
        """Writes the model for serving, as `keras.Model.export` does.

        Args:
            filepath: a folder.
            *args: as for `keras.Model.export`.
            input_signature: default (None, None) int32 item ids.
            **kwargs: as for `keras.Model.export`.
        """
        signature = input_signature or [recommending.item_ids_spec()]
        return super().export(
            filepath, *args, input_signature=signature, **kwargs
        )

    def export_recommender(self, filepath, format="saved_model"):
        """Writes what answers in a process that has not this package.

        Args:
            filepath: a folder that is not there yet.
            format: "saved_model", for TensorFlow and TensorFlow Serving, in
                raw ids (`exported.export_saved_model`); or "onnx", for
                onnxruntime, in the model's ids, with files that say which
                raw id each has (`exported.export_onnx`).

        Raises:
            ValueError: a model without a vocabulary; another format; a model
                that the format has no place for.
            FileExistsError: there is something at `filepath`.
        """
        exported.export(self, filepath, format)

    @property
    def history_vocabulary(self):
        """Of the items in histories: those that are recommended."""
        return self.vocabulary

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Saves the model: a `.keras` file is either whole or not there.

        Args:
            filepath: as for `keras.Model.save`.
            overwrite: whether a file that is there is replaced; a failed
                save leaves it as it was.
            zipped: as for `keras.Model.save`.
            **kwargs: as for `keras.Model.save`.

        Raises:
            FileExistsError: a file that is not to be replaced.
            OSError: the file cannot be written.
        """
        save = functools.partial(super().save, zipped=zipped, **kwargs)
        name = str(filepath)
        # Keras' other formats are folders, or elsewhere, or refused by it.
        if zipped is False or "://" in name or not name.endswith(".keras"):
            return save(filepath, overwrite=overwrite)
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(
                "Expected a file that is not there, or `overwrite=True`. "
                f"Received: filepath={name!r}"
            )
        with atomic_files.replacing(filepath) as partial:
            save(partial)

    def save_assets(self, dir_path):
        if self.vocabulary is not None:
            self.vocabulary.save(dir_path)

    def load_assets(self, dir_path):
        if Vocabulary.is_saved(dir_path):
            self.vocabulary = Vocabulary.load(dir_path)
