"""The paper's data sets, with the settings that it trained each with.

Kuaibao was never released, ColdRec's and ML20's files can no longer be had as
they were: whoever has a file of their format names it, and gets the paper's
settings.

    make reproduce-table2 DATASET=ml20
    make reproduce-table2 DATASET=kuaibao RAW=kuaibao.csv
    make train DATASET=coldrec RAW=source.csv ARGS="--num_blocks=8,16"
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class PaperData:
    """A data set of the paper.

    Attributes:
        description: size and source.
        t: items of a session.
        dilation_rates: of NextItNet's blocks.
        batch_size: sessions a step.
        budget: max_steps, eval_every, patience of a stage.
        l2: the release's penalty.
    """

    description: str
    t: int
    budget: Mapping[str, int]
    dilation_rates: tuple[int, ...] = (1, 4)
    batch_size: int = 256
    l2: float = 0.0


_RELEASE_BUDGET = {"max_steps": 300_000, "eval_every": 6_000, "patience": 8}
PAPER_DATA: Mapping[str, PaperData] = {
    "ml20": PaperData("ML20, 27.5 M actions", t=20, budget=_RELEASE_BUDGET),
    # The paper's text: dilations 1, 2, 2, 4; in none of the release's scripts.
    "kuaibao": PaperData(
        "Kuaibao, 22.7 M actions",
        t=30,
        budget=_RELEASE_BUDGET,
        dilation_rates=(1, 2),
    ),
    # Pre-training; the release has 256 for the paper's 64.
    "coldrec": PaperData(
        "ColdRec, source domain, 82.5 M actions",
        t=50,
        budget=_RELEASE_BUDGET,
        batch_size=64,
        l2=0.001,
    ),
}
# What people call its sizes: ml1m, ml-25m, ml_latest, movielens-100k.
_MOVIELENS = re.compile(r"ml[-_]?(\d|latest)|movielens")
# Of data that the paper has not: small enough for 2 cores.
_SMALL_BUDGET = {"max_steps": 20_000, "eval_every": 100, "patience": 5}


def budget(dataset: str) -> Mapping[str, int]:
    """Steps a stage at most, steps between evaluations, patience."""
    known = PAPER_DATA.get(dataset)
    return known.budget if known else _SMALL_BUDGET


def comparable(dataset: str) -> str | None:
    """Whose figures of the paper's may stand beside a data set's, if any.

    Its own; for another MovieLens those of ML20. Beside anything else, a news
    feed say, they would mean nothing.
    """
    if dataset in PAPER_DATA:
        return dataset
    return "ml20" if _MOVIELENS.match(dataset.lower()) else None


def recipe_options(dataset: str) -> dict[str, Any]:
    """Batch size and dilations that a data set is trained with."""
    known = PAPER_DATA.get(dataset)
    return {
        "batch_size": known.batch_size if known else 256,
        "dilation_rates": list(known.dilation_rates if known else (1, 4)),
    }


def protocol_changes(dataset: str) -> dict[str, Any]:
    """Fields of a protocol that a data set is trained with."""
    known = PAPER_DATA.get(dataset)
    return {"l2": known.l2} if known and known.l2 else {}


def session_length(dataset: str) -> int | None:
    """t, where the paper says it and it is not the default."""
    known = PAPER_DATA.get(dataset)
    return known.t if known else None
