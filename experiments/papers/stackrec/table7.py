r"""StackRec, Table 7: stacking other deep recommenders.

GRec (16 blocks to 32), SASRec and SSE-PT (18 to 24), from 80 % of the data to
all of it.

    make reproduce-table7                              # ML20
    make reproduce-table7 DATASET=ml1m RAW=interactions.csv.gz \
        SETTINGS=SASRec,SSEPT ARGS=--divide_depth=6

Expected time on 2 cores with ML-1M: hours at the paper's depths; at a sixth
of them (3 and 4 Transformer blocks) 2 to 4 minutes a line. Expected numbers:
the paper's, below. SSE-PT has about twice the parameters of the others, the
paper notes; and it must know its users, so that protocol `clean` splits rows.

Under preset `release` Transformers are stacked as the release stacks them:
StackA's index is a slip, and copies stay tied in training (fidelity.md).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.papers.growth import Growth
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Protocol

NAME = "table7"
TITLE = "Other deep models (StackRec, Table 7)"
KIND = "table"
USES = ("presets", "settings", "divide_depth", "measure_step_times")
DEFAULTS = {"presets": "release,paper,best"}
_TRANSFORMER = Setting(0.8, 1.0, 18, 24)
SETTINGS = {
    "GRec": Setting(0.8, 1.0, 16, 32),
    "SASRec": _TRANSFORMER,
    "SSEPT": _TRANSFORMER,
}
NAMES = tuple(SETTINGS)

PAPER: TableFigures = {
    "ml20": {
        "GRec": {
            "shallow": (0.0819, 0.1392, 0.0960, None),
            "scratch": (0.0867, 0.1483, 0.1019, 1.00),
            "cross": (0.0875, 0.1488, 0.1027, 2.33),
            "adjacent": (0.0878, 0.1492, 0.1029, 2.47),
        },
        "SASRec": {
            "shallow": (0.0894, 0.1509, 0.1042, None),
            "scratch": (0.0925, 0.1565, 0.1083, 1.00),
            "cross": (0.0927, 0.1566, 0.1085, 2.06),
            "adjacent": (0.0927, 0.1569, 0.1086, 2.28),
        },
        "SSEPT": {
            "shallow": (0.1010, 0.1689, 0.1178, None),
            "scratch": (0.1043, 0.1740, 0.1215, 1.00),
            "cross": (0.1066, 0.1773, 0.1241, 2.16),
            "adjacent": (0.1068, 0.1776, 0.1243, 2.48),
        },
    },
}
CLAIMS = (
    Claim(
        "Stacking works for other deep models",
        "Table 7: GRec, SASRec and SSE-PT get better than from scratch, in "
        "1/2.06 to 1/2.48 of the time.",
        [comparisons.against_scratch],
        about={"role": "stacked"},
    ),
)


def rows(choices: Choices) -> list[Row]:
    """The lines of the models that are asked for."""
    return [
        row
        for name in SETTINGS
        if name in choices.settings
        for row in _growth(name, choices).rows(
            dataclasses.replace(
                choices, protocol=_protocol(name, choices.protocol)
            )
        )
    ]


def _growth(name: str, choices: Choices) -> Growth:
    is_transformer = SETTINGS[name] is _TRANSFORMER
    config = choices.options.get("model_config", {})
    return Growth(
        name,
        SETTINGS[name],
        methods=("cross", "adjacent"),
        figures=choices.figures(PAPER, name),
        family=name,
        stacked_family=name,
        best_preset="paper" if is_transformer else "best",
        method_of=_method_of_release if is_transformer else _same,
        changes={"model": name.lower(), **_changes(name, config)},
    )


def _protocol(name: str, protocol: Protocol) -> Protocol:
    """The release trains Transformers with the full softmax."""
    changes: dict[str, Any] = {}
    if name != "GRec":
        changes["sampled_fraction"] = 0.0
    if name == "SSEPT":
        changes["split"] = "rows"
    return dataclasses.replace(protocol, **changes)


def _changes(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the model is configured by."""
    width = config.get("embedding_dim", 64)
    alpha = config.get("use_alpha", True)
    if name == "SASRec":
        own = {"embedding_dim": width, "use_alpha": alpha}
    elif name == "SSEPT":
        own = {
            "embedding_dim": 2 * width,
            "use_alpha": alpha,
            "dropout_rate": 0.2,
        }
    else:
        return {}
    return {"model_config": own}


def _same(method: str, preset: str) -> str:
    return method


def _method_of_release(method: str, preset: str) -> str:
    if (method, preset) == ("adjacent", "release"):
        return "adjacent_release"
    return method
