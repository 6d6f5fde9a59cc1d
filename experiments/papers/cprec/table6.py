r"""CpRec, Table 6: small models transfer to a domain where users are cold.

Pre-train NextItNet in full and as CpRec with each way of sharing that the
paper has, then fine-tune all parameters with a new softmax over the target's
items. The softmax of pre-training is thrown away: what is transferred is the
embedding and the blocks.

    make reproduce-cprec-table6 DATASET=coldrec RAW=rec50_pretrain.csv \
        PAIRS=rec50_finetune.csv
    make reproduce-cprec-table6 DATASET=globo_transfer RAW=source.csv.gz \
        TARGET=target.csv.gz ARGS=--divide_depth=4

Expected time on 2 cores with 109,547 source users of a news site and a
quarter of the depth: an hour and a half a seed. Expected numbers: the paper's,
below, of an item among 99 random ones. ColdRec cannot be had any more.
"""

from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Figures
from experiments.papers.rows import Row
from experiments.papers.stackrec.table3 import PAPER_DATA
from experiments.papers.stackrec.table3 import TransferRow
from experiments.papers.stackrec.table3 import untrained_row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Transfer

NAME = "cprec_table6"
TITLE = "Transfer of small models (CpRec, Table 6)"
KIND = "transfer"
USES = (
    *("divide_depth", "target_raw", "pairs", "max_targets", "fine_tuning"),
    "tune",
)
DEFAULTS = {"protocol": "clean", "embedding_dim": "256"}
DEPTH = 8
# Target MRR@5 and HR@5; of the source the paper has none.
PAPER: dict[str, Figures] = {
    "": (None, None, 0.2012, 0.3496, None),
    "Cb": (None, None, 0.2035, 0.3540, None),
    "Al": (None, None, 0.2022, 0.3507, None),
    "Ab": (None, None, 0.2025, 0.3517, None),
}
CLAIMS = (
    Claim(
        "Small models transfer as well",
        "Table 6 (ColdRec): target MRR@5 0.2012 of 102 M parameters against "
        "0.2022 (Al), 0.2025 (Ab) and 0.2035 (Cb) of 32 M.",
        [figure_comparisons.worth_of_pretraining],
    ),
)


def rows(choices: Choices, tuning: FineTuning) -> list[TransferRow]:
    """The lines; first what is not pre-trained.

    Args:
        choices: how the source domain is learned; `num_items` is its own.
        tuning: what follows in the target domain.

    Raises:
        ValueError: a depth that cannot be divided evenly.
    """
    if DEPTH % choices.divide_depth:
        raise ValueError(
            f"{DEPTH} blocks are to be divided evenly. "
            f"Received: divide_depth={choices.divide_depth}"
        )
    depth = DEPTH // choices.divide_depth
    found = [untrained_row(NAME, choices, depth)]
    for name, figures in PAPER.items():
        fields = ways.recipe_fields(
            choices,
            "nextitnet",
            f"Bio-{name}" if name else "",
            choices.embedding_dim,
        )
        found.append(
            Row(
                NAME,
                "baseline" if name else "scratch",
                choices.recipe(choices.stage(depth), **fields),
                figures if choices.figures_of == PAPER_DATA else None,
                f"CpRec-{name}" if name else "",
            )
        )
    return [
        TransferRow(row, Transfer(row.recipe, tuning, row.role != "untrained"))
        for row in found
    ]
