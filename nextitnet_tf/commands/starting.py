"""The flags of training that begins from a saved model."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from absl import flags

from nextitnet_tf import data
from nextitnet_tf import growing
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags as shared
from nextitnet_tf.commands import model_flags
from nextitnet_tf.commands import trained_as
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import saved
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import Run
from nextitnet_tf.training import beginning

FROM = flags.DEFINE_string(
    "from",
    None,
    "A model.keras to go on with, on newer data. It keeps what it knows; items "
    "that it has never seen begin as --new_items says. What no flag says of "
    "the model is as it is there, and how it is trained as run.json beside it "
    "says. The default is to begin from scratch.",
)
NEW_ITEMS = flags.DEFINE_enum(
    "new_items",
    None,
    list(growing.STARTS),
    "With --from: how an item begins that the model has never seen: as the "
    "mean of all it knows or of those that are in a session with it, both as "
    "probable as it is frequent in the new data, or as in a model that knows "
    f"nothing. The default is {growing.DEFAULT_START}.",
)
# Arguments of a model that stage and data decide.
_DECIDED = ("num_items", "num_blocks", "padding_id", "backbone", "quantized")
# Those that Keras has for every model.
_OF_KERAS = ("name", "trainable")


@dataclasses.dataclass(frozen=True)
class Source:
    """A saved model, and how it was trained.

    Attributes:
        path: of its file.
        model: built.
        run: what run.json beside it says; None if there is none.
    """

    path: Path
    model: Any
    run: Run | None

    @property
    def depth(self) -> int:
        """Its number of blocks, 1 without any."""
        return len(getattr(self.model, "backbone", self.model).blocks) or 1

    @property
    def t(self) -> int | None:
        """Items of a session that it was trained on, if it says so."""
        known = self.model.history_vocabulary
        return None if known is None else known.history_length + 1

    @property
    def name(self) -> str:
        """What a recipe calls its class.

        Raises:
            ValueError: a class that no recipe trains.
        """
        inner = getattr(self.model, "backbone", self.model)
        for name, model_class in MODELS.items():
            if type(inner) is model_class and not hasattr(inner, "adapt"):
                return name
        raise ValueError(
            "Expected a model that is trained to predict the next item. "
            f"Received: --from={self.path}, a {type(inner).__name__}"
        )

    @property
    def config(self) -> dict[str, Any]:
        """Its arguments, as a recipe says them."""
        if self.run is not None:
            return dict(self.run.recipe.model_config)
        found = _arguments(getattr(self.model, "backbone", self.model))
        if isinstance(self.model, SkipRec):
            found["skip"] = _arguments(self.model)
        return found


def read() -> Source | None:
    """What --from names, if it does.

    From then on --model is what the model is, unless it was said.

    Raises:
        ValueError: no such model, or one of another class than --model; flags
            that need one.
    """
    if FROM.value is None:
        if NEW_ITEMS.value is not None:
            raise ValueError(
                "--new_items needs --from=MODEL, whose items are known. "
                "Received: no --from"
            )
        return None
    path = Path(FROM.value)
    model = saved.load_model(path)
    source = Source(path, model, trained_as.run_beside(path))
    if model_flags.MODEL.present and model_flags.MODEL.value != source.name:
        raise ValueError(
            "A model goes on as what it is, not as another architecture: "
            f"expected --model={source.name}, which {path} is. "
            f"Received: --model={model_flags.MODEL.value}"
        )
    flags.FLAGS[model_flags.MODEL.name].parse(source.name)
    return source


def recipe(source: Source | None) -> Recipe:
    """What the flags ask to be trained.

    Args:
        source: what it begins from; what no flag says is as it was trained.

    Raises:
        ValueError: flags of another model; a lower depth.
    """
    usual = asked = model_flags.recipe()
    if source is None:
        return asked
    if source.run is not None:
        usual = source.run.recipe
    said = {
        name: value
        for name, value in asked.model_config.items()
        if flags.FLAGS["skip_policy" if name == "skip" else name].present
    }
    options = shared.optimization()
    if shared.BATCH_SIZE.present:
        options["batch_size"] = shared.BATCH_SIZE.value
    if asked.protocol.sampled_fraction:  # which has no smoothed labels
        options.setdefault("label_smoothing", 0.0)
    return dataclasses.replace(
        usual,
        stages=_stages(usual.stages[-1], source),
        protocol=asked.protocol,
        model=source.name,
        model_config={**source.config, **said},
        seed=asked.seed,
        start=beginning.start_of(source.path),
        **options,
    )


def sessions_for(
    source: Source, recipe: Recipe, sessions: data.Sessions, output: Path
) -> data.Sessions:
    """The sessions, in which all that the model knows can occur.

    Says so on stderr where the model may have been trained on their test.

    Args:
        source: what the training begins from.
        recipe: what is trained.
        sessions: as they were prepared.
        output: where the new model goes.

    Raises:
        ValueError: the new model would take the place of the old one; no
            item that the old one knows.
    """
    if (output / "model.keras").resolve() == source.path.resolve():
        raise ValueError(
            f"Expected an --output other than {output}, whose model.keras is "
            "what the training begins from and would be overwritten. "
            f"Received: --from={source.path}"
        )
    known = source.model.vocabulary
    larger = sessions
    if known is not None:
        # Refuses data of other items, before they are put beside its own.
        growing.source_rows(known, sessions.vocabulary)
        larger = sessions.with_items_of(known)
    until = None if source.run is None else source.run.trained_until
    parts = data.split(larger, recipe.protocol)
    if until is None or (parts.first_time_of_evaluation or until) <= until:
        print(
            f"note: nothing says that {source.path} was not trained on some of "
            "the sessions that are evaluated here; PROTOCOL=temporal for both, "
            "with --train_until behind its data, does",
            file=sys.stderr,
        )
    return larger


def _stages(usual: Stage, source: Source) -> tuple[Stage, ...]:
    """One stage a depth, the first of which goes on with the source."""
    usual = usual.with_budget(**shared.budget())
    new_items = NEW_ITEMS.value or growing.DEFAULT_START
    depths, before = [source.depth], source.depth
    if model_flags.NUM_BLOCKS.value is not None:
        depths = flag_values.whole_numbers(model_flags.NUM_BLOCKS)
    found = []
    for depth in depths:
        if depth < before:
            raise ValueError(
                "A model does not lose blocks, but may grow: expected depths "
                f"of {before} or more, from one to the next. "
                f"Received: --num_blocks={','.join(map(str, depths))}"
            )
        method = "continue" if depth == before else model_flags.METHOD.value
        found.append(
            dataclasses.replace(
                usual,
                num_blocks=depth,
                data_ratio=1.0,
                method=method,
                preset=model_flags.PRESET.value,
                switches=(),
                new_items=new_items,
            )
        )
        before = depth
    return tuple(found)


def _arguments(model) -> dict[str, Any]:
    config = model.get_config()
    left_out = {*_DECIDED, *_OF_KERAS, "dtype"}
    found = {k: v for k, v in config.items() if k not in left_out}
    if model.dtype_policy.name != "float32":
        found["dtype"] = model.dtype_policy.name
    return found
