r"""All three papers at once: trained sooner, stored small, served faster.

One deep NextItNet in full, and what StackRec, CpRec and SkipRec make of it:
each alone, each two together, all three.

    make reproduce-all-three DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores with ML-1M: about half an hour a line. Expected
numbers: none are published.
"""

import itertools

from experiments.papers import counted
from experiments.papers.cprec import combined
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "all_three"
TITLE = "StackRec, CpRec and SkipRec together"
KIND = "compressed"
USES = ("settings", "depths")
_PAPERS = ("stackrec", "cprec", "skiprec")
# Which papers a line takes.
_LINES = {
    "+".join(names) or "plain": names
    for count in range(len(_PAPERS) + 1)
    for names in itertools.combinations(_PAPERS, count)
}
NAMES = ("counting", *_LINES)
DEFAULTS = {**ways.DEFAULTS, "protocol": "clean"}
CLAIMS = (
    Claim("The three papers go together", "", [stored_claims.against_full]),
)


def rows(choices: Choices) -> list[Row]:
    """What is counted, then the lines, from none of the papers to all.

    Raises:
        ValueError: a depth that has no half.
    """
    plain = combined.line(choices, "plain")
    return counted.tried_rows(choices) + [
        combined.line(
            choices,
            setting,
            "cprec" in names,
            "stackrec" in names,
            "skiprec" in names,
            compared_with=plain,
        )
        if names
        else plain
        for setting, names in _LINES.items()
        if setting in choices.settings
    ]
