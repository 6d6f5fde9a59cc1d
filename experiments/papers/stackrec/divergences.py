"""Where StackRec's paper and its TF1 release differ, and what that costs.

The list is divergences.toml; `changes` trains, on ML-1M, one model for each
difference that can be measured: protocol `release` with one thing changed,
three seeds.

    make fidelity DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Writes docs/fidelity.md, and OUTPUT/fidelity.json, the numbers behind it. Models
that Table 2 has trained in the same OUTPUT are not trained again. Expected
time on 2 cores: 2 to 4 minutes a model, 33 models in all. Expected numbers:
the paper has none; one standard error of MRR@5 on these 10,240 sessions is
0.0018. Only what moves it further in all seeds is an effect.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.stackrec import table2
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe

NAME = "fidelity"
RELEASE = PROTOCOLS["release"]
# The model that protocol fields are varied on.
NUM_BLOCKS = 4
DATA_RATIO = 0.6
# The setting in which stacking is compared.
SETTING = "40-60"

# Changes of protocol `release`, by name.
OF_PROTOCOL: Mapping[str, Mapping[str, Any]] = {
    "full softmax": {"sampled_fraction": 0.0},
    "padding masked in the loss": {"count_padding": False},
    "ids by frequency": {"item_ids": "frequency"},
}
# The same of the stacked model of `SETTING`: nesting matters only to a model
# that meets its earlier rows again.
OF_STACKED: Mapping[str, Mapping[str, Any]] = {
    "fractions truly nested": {"nesting": "repaired"},
}
# Changes of the model's arguments, under protocol `release`.
OF_MODEL: Mapping[str, Mapping[str, Any]] = {
    "mixed bfloat16": {"dtype": "mixed_bfloat16"},
}
# What stacking copies, compared with the deep model from scratch.
PRESETS = ("release", "paper", "best")


@dataclasses.dataclass(frozen=True)
class Divergence:
    """A place where the paper and the release are not the same.

    Attributes:
        topic: what it is about.
        paper: what the paper says.
        release: what the released code does.
        switch: how to choose here.
        default: what we do unasked, and why.
        changes: names of the changes (`changes`) that measure it.
    """

    topic: str
    paper: str
    release: str
    switch: str
    default: str
    changes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that is changed, for one seed.

    Attributes:
        name: of what is changed.
        row: with the change.
        base: without it.
        against: what the base is, in words.
    """

    name: str
    row: Row
    base: Row
    against: str


def read(paper: str = "stackrec") -> list[Divergence]:
    """The list of a paper, by the name of its folder."""
    path = Path(__file__).parents[1] / paper / "divergences.toml"
    listed = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Divergence(**{**entry, "changes": tuple(entry.get("changes", ()))})
        for entry in listed["divergences"]
    ]


def changes(choices: Choices) -> list[Change]:
    """What is measured for one seed.

    Args:
        choices: seed and options of every recipe; protocol and presets are
            ours.
    """
    choices = dataclasses.replace(choices, protocol=RELEASE, presets=PRESETS)
    grown = table2.grown(choices, [table2.SETTINGS[SETTING]])
    scratch = next(row for row in grown if row.role == "scratch")
    stacked = {row.preset: row for row in grown if row.method == "adjacent"}
    base = Row(
        NAME, "variant", choices.recipe(choices.stage(NUM_BLOCKS, DATA_RATIO))
    )
    model = f"{base.label} ({DATA_RATIO:.0%})"
    best = stacked["best"]
    return [
        *(
            Change(f"StackA {preset}", row, scratch, scratch.label)
            for preset, row in stacked.items()
        ),
        *(
            Change(name, _with_protocol(base, changed), base, model)
            for name, changed in OF_PROTOCOL.items()
        ),
        *(
            Change(name, _with_model(base, changed), base, model)
            for name, changed in OF_MODEL.items()
        ),
        *(
            Change(
                name,
                _with_protocol(best, changed),
                best,
                f"StackA best, {scratch.label}",
            )
            for name, changed in OF_STACKED.items()
        ),
    ]


def _with_protocol(row: Row, changed: Mapping[str, Any]) -> Row:
    protocol = dataclasses.replace(row.recipe.protocol, **changed)
    return _with(row, protocol=protocol)


def _with_model(row: Row, changed: Mapping[str, Any]) -> Row:
    return _with(row, model_config={**row.recipe.model_config, **changed})


def _with(row: Row, **changed: Any) -> Row:
    recipe: Recipe = dataclasses.replace(row.recipe, **changed)
    return dataclasses.replace(row, role="variant", recipe=recipe)
