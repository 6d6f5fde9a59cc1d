r"""StackRec, Table 3: transfer (TF) to a domain where users are cold.

Pre-train in the source domain as in continual learning (8 blocks on 80 % of
the data, 16 on all), then fine-tune all parameters on users who have taken 1
to 3 items of the target domain. The paper's rows; and, to show what transfer
is worth, the same models without pre-training, and the popularity of the
target's items.

    make reproduce-table3 DATASET=coldrec RAW=rec50_pretrain.csv \
        PAIRS=rec50_finetune.csv
    make reproduce-table3 DATASET=globo_transfer RAW=source.csv.gz \
        TARGET=target.csv.gz ARGS=--divide_depth=4

Expected time on 2 cores with 109,547 source users of a news site and a
quarter of the depths: about an hour a seed. Expected numbers: the paper's,
below; those of the target rank an item among 99 random ones, which is why
they are ten times those of the source. ColdRec cannot be had any more.
"""

import dataclasses
from typing import Any

from experiments.papers.growth import Growth
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Figures
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Transfer

NAME = "table3"
TITLE = "Transfer (StackRec, Table 3)"
KIND = "transfer"
USES = (
    *("presets", "divide_depth", "target_raw", "pairs", "max_targets"),
    *("fine_tuning", "tune"),
)
DEFAULTS = {"presets": "release,best"}
SETTING = Setting(0.8, 1.0, 8, 16)
DEPTH = SETTING.num_blocks_after  # of the deepest lines
PAPER_DATA = "coldrec"

# Source MRR@5 and HR@5, target MRR@5 and HR@5, speed-up of pre-training.
PAPER: dict[str, Figures] = {
    "shallow": (0.0212, 0.0419, 0.2014, 0.3497, None),
    "scratch": (0.0218, 0.0430, 0.2048, 0.3548, 1.00),
    "cross": (0.0220, 0.0436, 0.2051, 0.3570, 3.09),
    "adjacent": (0.0220, 0.0437, 0.2056, 0.3582, 3.58),
}
# Of pairs that the paper has not: few enough that an evaluation every 1,000
# steps would be the only one.
_SMALL_EVAL_EVERY = 50
CLAIMS = (
    Claim(
        "Pre-training by stacking transfers",
        "Table 3 (ColdRec): target MRR@5 0.2048 for the deep model from "
        "scratch, 0.2051 and 0.2056 for StackC and StackA, pre-trained "
        "3.09 and 3.58 times sooner. What no pre-training gives it does "
        "not say.",
        [figure_comparisons.worth_of_pretraining],
    ),
)


@dataclasses.dataclass(frozen=True)
class TransferRow:
    """A line of the table.

    Attributes:
        row: the pre-training; one that is not pre-trained has role
            "untrained". Its figures are the paper's above.
        transfer: it and the fine-tuning.
    """

    row: Row
    transfer: Transfer

    @property
    def reading(self) -> tuple[FineTuning, str]:
        """What decides how a file of pairs is read: rows may share it."""
        protocol = self.transfer.pretraining.protocol
        return self.transfer.fine_tuning, protocol.item_ids


def fine_tuning(dataset: str, name: str, **changes: Any) -> FineTuning:
    """How a data set is fine-tuned.

    Args:
        dataset: what the data are called.
        name: in `FINE_TUNINGS`.
        **changes: of fields.
    """
    if dataset != PAPER_DATA:
        changes = {"eval_every": _SMALL_EVAL_EVERY, **changes}
    return dataclasses.replace(FINE_TUNINGS[name], **changes)


def rows(choices: Choices, tuning: FineTuning) -> list[TransferRow]:
    """The lines.

    Args:
        choices: how the source domain is learned.
        tuning: what follows in the target domain.
    """
    growth = Growth(NAME, SETTING, ("cross", "adjacent"), PAPER)
    small = SETTING.divided(choices.divide_depth)
    untrained = [
        untrained_row(NAME, choices, depth)
        for depth in (small.num_blocks, small.num_blocks_after)
    ]
    return [
        TransferRow(row, Transfer(row.recipe, tuning, row.role != "untrained"))
        for row in (*untrained, *growth.rows(choices))
    ]


def untrained_row(setting: str, choices: Choices, num_blocks: int) -> Row:
    """A model that is not pre-trained."""
    return Row(
        setting,
        "untrained",
        # Its stage says how deep it is; nothing of it is run.
        Recipe(
            stages=(Stage(num_blocks),),
            protocol=choices.protocol,
            seed=choices.seed,
            model_config=choices.options.get("model_config", {}),
        ),
    )
