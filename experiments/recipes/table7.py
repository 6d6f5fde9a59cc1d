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
from collections.abc import Sequence
from typing import Any

from experiments.recipes import rows
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import Protocol

NAME = "table7"
TITLE = "Other deep models (StackRec, Table 7)"
_TRANSFORMER = rows.Setting(0.8, 1.0, 18, 24)
SETTINGS = {
    "GRec": rows.Setting(0.8, 1.0, 16, 32),
    "SASRec": _TRANSFORMER,
    "SSEPT": _TRANSFORMER,
}
NAMES = tuple(SETTINGS)

PAPER: dict[str, rows.Figures] = {
    "ml20": {
        "GRec": {
            "GRec-16": (0.0819, 0.1392, 0.0960, None),
            "GRec-32": (0.0867, 0.1483, 0.1019, 1.00),
            "StackC-GRec-32": (0.0875, 0.1488, 0.1027, 2.33),
            "StackA-GRec-32": (0.0878, 0.1492, 0.1029, 2.47),
        },
        "SASRec": {
            "SASRec-18": (0.0894, 0.1509, 0.1042, None),
            "SASRec-24": (0.0925, 0.1565, 0.1083, 1.00),
            "StackC-SASRec-24": (0.0927, 0.1566, 0.1085, 2.06),
            "StackA-SASRec-24": (0.0927, 0.1569, 0.1086, 2.28),
        },
        "SSEPT": {
            "SSEPT-18": (0.1010, 0.1689, 0.1178, None),
            "SSEPT-24": (0.1043, 0.1740, 0.1215, 1.00),
            "StackC-SSEPT-24": (0.1066, 0.1773, 0.1241, 2.16),
            "StackA-SSEPT-24": (0.1068, 0.1776, 0.1243, 2.48),
        },
    },
}


def select(
    names: Sequence[str],
    protocol: Protocol,
    presets: Sequence[str] | None,
    seed: int,
    divide_depth: int = 1,
    **options,
) -> list[Row]:
    """The lines; see `table2.select`."""
    found: list[Row] = []
    for name, setting in SETTINGS.items():
        if name not in names:
            continue
        is_transformer = setting is _TRANSFORMER
        found += rows.growth(
            rows.Maker(_protocol(name, protocol), seed, options),
            name,
            setting,
            family=name,
            stacked_family=name,
            methods=("cross", "adjacent"),
            presets=presets,
            best_preset="paper" if is_transformer else "best",
            divide_depth=divide_depth,
            method_of=_method_of_release if is_transformer else _same,
            model=name.lower(),
            **_changes(name, options.get("model_config", {})),
        )
    return found


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
