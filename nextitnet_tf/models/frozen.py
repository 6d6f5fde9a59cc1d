"""A model's answers with its weights held: for a process that serves.

What answers a single user is hundreds of tiny operations. Calling them one by
one, and reading as many weights, takes longer than their arithmetic. Here they
are one program, in which weights are constants, so that compilers lay them out
beforehand.
"""

import threading
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from nextitnet_tf.layers.pruned_top_items import leaf_reaches
from nextitnet_tf.models import answers
from nextitnet_tf.models import incremental
from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending

# Larger weights, tables of items, are handed to a program at each call, and so
# are all that come after so many: each program has several copies of its
# constants, and compiling takes their time.
_MOST_BYTES = 4_000_000
_MOST_BYTES_OF_ALL = 16_000_000


class HeldWeights:
    """Weights as they are now, and programs around them.

    Args:
        variables: Keras variables. What is assigned to them afterwards is not
            seen.
    """

    def __init__(self, variables):
        self._constants, self._tables = [], []
        left = _MOST_BYTES_OF_ALL
        for variable in variables:
            value = ops.convert_to_numpy(variable)
            if value.nbytes <= min(_MOST_BYTES, left):
                left -= value.nbytes
                self._constants.append((variable, np.array(value)))
            else:
                table = ops.copy(ops.convert_to_tensor(variable))
                self._tables.append((variable, table))

    def compile(self, call, is_xla=True, shapes=None, **more) -> Callable:
        """`call` as a program, compiled for each shape of its inputs.

        Args:
            call: of a tensor, or of a dictionary of tensors; it writes to no
                variable.
            is_xla: whether XLA compiles it; else the backend as it does
                anyway. A backend that compiles nothing calls it as it is.
            shapes: of a dictionary of inputs, by name, None where a size may
                change: TensorFlow compiles for all of them once.
            **more: further weights, `(variable, value)` each.

        Returns:
            A function of what `call` takes.
        """
        constants = [*self._constants, *more.values()]
        variables = [variable for variable, _ in self._tables]
        values = [value for _, value in self._tables]

        def program(inputs, *values):
            held = [*constants, *zip(variables, values, strict=True)]
            with keras.StatelessScope(state_mapping=held):
                return call(inputs)

        compiled = _compile(program, is_xla, shapes)
        return lambda inputs: compiled(inputs, *values)


class FrozenModel:
    """Recommends as a model did when it was frozen, at a fraction of the time.

    Answers equal the model's, up to rounding: in half precision items that
    score nearly the same may change places. A program is compiled for each
    number of histories, in powers of two, and a small one for each `k`,
    `exclude_seen` and length of the longest history, in powers of two beyond
    `history_length`; the first answer of a kind waits for it, and each takes
    memory, several times the weights that are its constants (16 MB at most).
    Several threads may ask at once.

    Args:
        model: see `ServedModel.freeze`.

    Raises:
        ValueError: as `ServedModel.freeze`; of an answer, where the model has
            become another since: another vocabulary, fewer bits.
    """

    def __init__(self, model):
        self._vocabularies = raw_ids.vocabularies(model)
        layers = list(model._flatten_layers())
        for layer in layers:
            if getattr(layer, "is_noisy", False):
                raise ValueError(
                    "A model that draws at each answer cannot be frozen. "
                    f"Received: a {type(layer).__name__} with is_noisy=True"
                )
        self._model = model
        self._variables = model.variables
        self._weights = HeldWeights(self._variables)
        # Recurrent layers call kernels on GPUs that XLA has not.
        self._is_xla = all(layer.supports_jit for layer in layers)
        self._reaches = (
            leaf_reaches(model.item_softmax)
            if recommending.is_tree(model)
            else None
        )
        self._programs: dict = {}

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
        """The items likeliest to follow: as `ServedModel.recommend`."""
        self._check_unchanged()
        return answers.recommend(
            self._model,
            histories,
            k,
            exclude_seen,
            batch_size,
            explain,
            with_scores,
            make_finder=self.finder,
            **columns,
        )

    def start(self, history):
        """Begins to recommend click by click: as `ServedModel.start`."""
        self._check_unchanged()
        return incremental.Session(self._model, history, self)

    def top_items(self, item_ids, k, exclude_seen):
        """`recommending.top_items` for a service: rows as each one asks.

        Hidden states are computed by a program for each number of rows; what
        follows is one program for any `k`, so that no `k` waits for another
        to be compiled. TensorFlow's alone: other backends compile for one `k`.

        Args:
            item_ids: (B, S) int32, see there; S at least `history_length`.
            k: how many items; if the model knows fewer, all of them.
            exclude_seen: (B, 1) bool, of each row.

        Returns:
            {"item_ids": (B, k), "scores": (B, k)}, of NumPy.

        Raises:
            ValueError: the model has become another since.
        """
        self._check_unchanged()
        shapes = {"item_ids": (None, None), "k": (), "exclude_seen": (None, 1)}
        inputs = {
            "item_ids": item_ids,
            "k": np.array(recommending.at_most(k, self._model), "int32"),
            "exclude_seen": np.asarray(exclude_seen, "bool"),
        }
        if hasattr(self._model, "item_softmax"):
            inputs["hidden"] = self._last_hidden(item_ids)
            shapes["hidden"] = (None, *inputs["hidden"].shape[1:])

        def top_items(inputs):
            return recommending.top_items(self._model, **inputs)

        program = self._programs.get("top_items")
        if program is None:
            program = self._weights.compile(
                top_items, is_xla=False, shapes=shapes
            )
            program = self._programs.setdefault("top_items", program)
        found = program(inputs)
        return {name: ops.convert_to_numpy(x) for name, x in found.items()}

    # What a `Session` asks of whom it has its answers from.

    def finder(
        self,
        model,
        k,
        exclude_seen,
        explain=False,
        kind=recommending.TopItems,
    ):
        """What finds the best items, as `recommending.finder`."""
        how = recommending.at_most(k, model), bool(exclude_seen), bool(explain)
        has_hidden = hasattr(model, "item_softmax") and not explain
        if kind is recommending.TopItems and has_hidden:
            of_hidden = self.finder(
                model, k, exclude_seen, kind=recommending.TopOfHidden
            )
            return _Finder(of_hidden.predict_on_batch, self._last_hidden)

        def make():
            find = kind(model, *how)
            more = {}
            if self._reaches is not None:
                more["reaches"] = (find.reaches, np.array(self._reaches))
            return find, more

        return _Finder(self._program((kind, *how), make))

    def encode(self, inputs):
        """See `incremental.Encoder`."""

        def make():
            return incremental.Encoder(self._model), {}

        return self._program("encode", make)(inputs)

    def keep(self, item_ids):
        """See `SkipRec.keep`."""
        return self._program("keep", lambda: (self._model.keep, {}))(item_ids)

    def _last_hidden(self, item_ids):
        """Of histories of any length."""
        _, of_histories = self._vocabularies
        latest = item_ids[:, -of_histories.history_length :]

        def last_hidden(item_ids):
            return self._model.last_hidden(item_ids, training=False)

        return self._program("last_hidden", lambda: (last_hidden, {}))(latest)

    def _program(self, key, make):
        """The program of a call and of further weights, which `make` gives."""
        if key not in self._programs:
            call, more = make()
            program = self._weights.compile(call, self._is_xla, **more)
            # Of threads that ask at once, the first one's.
            self._programs.setdefault(key, program)
        return self._programs[key]

    def _check_unchanged(self):
        """Programs are traced as they are asked for: of the same model."""
        model = self._model
        old = [*self._vocabularies, *self._variables]
        new = [*raw_ids.vocabularies(model), *model.variables]
        if len(old) != len(new) or any(
            a is not b for a, b in zip(old, new, strict=True)
        ):
            raise ValueError(
                "The model has become another since it was frozen: expected "
                "the same vocabulary and variables, or another `freeze()`. "
                f"Received: {type(model).__name__} {model.name!r}"
            )


class _Finder:
    """Compiled programs that are asked as Keras' `TopItems` are."""

    def __init__(self, find, last_hidden=None):
        self._find = find
        self._last_hidden = last_hidden

    def look_at_weights(self, num_histories):
        """Nothing: they were looked at once for good."""

    def predict_on_batch(self, inputs):
        if self._last_hidden is not None:
            hidden = self._last_hidden(inputs)
            return self._find({"item_ids": inputs, "hidden": hidden})
        found = self._find(inputs)
        return {name: ops.convert_to_numpy(x) for name, x in found.items()}


def _compile(program, is_xla, shapes):
    """By the backend."""
    if keras.backend.backend() == "tensorflow":
        return _Traced(program, is_xla, shapes)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(program)
    return program


class _Traced:
    """TensorFlow's programs of a function, one a shape of its inputs.

    Found here, not by `tf.function`: what that does at each call to find them
    takes as long as sixteen blocks do.
    """

    def __init__(self, program, is_xla, shapes=None):
        self._program = program
        self._is_xla = is_xla
        self._shapes = shapes
        self._traced = {}
        self._tracing = threading.Lock()

    def __call__(self, inputs, *values):
        # Where there is none, models work on other backends.
        import tensorflow as tf

        names = tuple(inputs) if isinstance(inputs, dict) else None
        given = inputs.values() if names else [inputs]
        given = [tf.convert_to_tensor(x) for x in given]
        shapes = (
            tuple(self._shapes[name] for name in names)
            if self._shapes
            else tuple(tuple(x.shape) for x in given)
        )
        key = (names, shapes, *(x.dtype for x in given))
        with self._tracing:
            if key not in self._traced:
                self._traced[key] = self._trace(names, shapes, given, values)
        return self._traced[key](*given, *values)

    def _trace(self, names, shapes, given, values):
        """The program of inputs of these names, shapes and types."""
        import tensorflow as tf

        def of_tensors(*tensors):
            given = tensors[: len(tensors) - len(values)]
            inputs = dict(zip(names, given, strict=True)) if names else given[0]
            return self._program(inputs, *tensors[len(given) :])

        function = tf.function(of_tensors, jit_compile=self._is_xla or None)
        shapes = (*shapes, *(value.shape for value in values))
        return function.get_concrete_function(
            *(
                tf.TensorSpec(shape, x.dtype)
                for shape, x in zip(shapes, (*given, *values), strict=True)
            )
        )
