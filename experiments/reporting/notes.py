"""What a reader must know to use the numbers of a table."""

import math
from collections.abc import Iterable
from collections.abc import Sequence

from experiments.reporting.lines import Line
from experiments.reporting.store import Store
from nextitnet_tf.protocol import Protocol

_PROTOCOLS = {
    "release": "Protocol release: the original release's. Training stops and "
    "reports on the same 20 % of the sessions; padding is an item like any "
    "other; fractions are nested as in the release (nesting=release), whose "
    "60 % set can miss rows of its 40 % set, unless the column Protocol "
    "says nesting=repaired.",
    "clean": "Protocol clean: split by users 80/10/10, stops on validation, "
    "reports on test; padding is never an item; fractions are nested.",
    "cprec_release": "Protocol cprec_release: that of CpRec's release. "
    "Training stops and reports on the same 20 % of the sessions; padding is "
    "an item like any other; ties go to the higher id; an L2 penalty that its "
    "paper does not mention is on.",
    "skiprec_release": "Protocol skiprec_release: that of SkipRec's release. "
    "Training stops and reports on the same 10 % of the sessions; padding is "
    "an item like any other; ties go to the higher id.",
    "skiprec_paper": "Protocol skiprec_paper: that of SkipRec's release with "
    "its paper's shares of the sessions: 80 % train, 5 % validate, 15 % test.",
    "temporal": "Protocol temporal: trains on what was over before a time, "
    "validates until a second, tests what follows, whoever the user is.",
}
# Splits in which training knows what comes after a test, and by what they are.
_LEAKING = {
    "rows": "sessions",
    "users": "users",
    "leave_one_out": "the last item of each user",
}
_LEAK = (
    "A split by {splits} knows the future: it trains on what happened after "
    "some of its tests, as no service can. Protocol temporal does not."
)
_UNSEEN = (
    "Unseen MRR@5: the same model and sessions, the session's other items "
    "left out of the ranking, as SASRec's authors evaluate and `recommend` "
    "answers; the release ranks them. Blank where a run has not kept it."
)
_COPIED = (
    "Copied: what stacking copies. release: kernels, biases and item "
    "embedding (of Transformers query, key, value and embeddings, copies "
    "tied); paper: every parameter; best: every parameter but alpha, the "
    "best of the three for NextItNet in the mean of three seeds."
)
_SPEEDUP = (
    "Speed-up: seconds the model from scratch takes to its best "
    "validation MRR@5, over the seconds of this line to its first "
    "evaluation at least as good; '-' if it never is. The shallow "
    "model's own training is not counted. FLOP: the same, counting the "
    "arithmetic of the weights instead of seconds."
)
_RANKED = {False: "of all items", True: "without seen items"}
IDLE = "measured on an otherwise idle machine"
SAME_RUN = "measured in the same run"
SHARED = (
    "the median of the runs themselves, which may have shared their machine, "
    "wherever step_times.json has none of an idle one"
)


def of_table(
    lines: Sequence[Line],
    store: Store,
    paper_data: str | None,
    measured: str = IDLE,
) -> list[str]:
    """Sentences below a table.

    Args:
        lines: of the table.
        store: has their runs.
        paper_data: what the paper's figures were measured on.
        measured: how the time of a step was, where it was.
    """
    seeds = sorted({line.row.seed for line in lines})
    is_idle = all(line.is_idle_time for line in lines if line.seconds)
    names = dict.fromkeys(line.summary["protocol"]["name"] for line in lines)
    has_unseen = any(
        store.ranks(line.run, exclude_seen=True) is not None for line in lines
    )
    notes = [
        of_data("Data", store) + ".",
        "Metrics rank the last item of each session among all items; "
        "Sessions is how many were evaluated.",
        *([_UNSEEN] if has_unseen else []),
        *protocols(*names),
        *leaks(line.row.recipe.protocol for line in lines),
        _COPIED,
        _SPEEDUP,
        "Seconds: training steps to the best evaluation times the time of "
        f"a step of that depth, {measured if is_idle else SHARED}; "
        "compilation and evaluations are not in it. Wall seconds, all "
        "included, are in table.json.",
        *(
            [
                "A run that was evaluated once since it began or went on has "
                "compilation in the time of its step; such times count where "
                "there are no others."
            ]
            if any(
                line.summary.get("step_seconds_with_compilation")
                for line in lines
            )
            else []
        ),
        _budget(lines),
        *(
            [
                "CL-NextItNet goes on with the shallow model's weights and a "
                "new optimizer."
            ]
            if any(line.row.role == "continued" for line in lines)
            else []
        ),
        "Sampling of sessions alone gives an MRR@5 a standard error of up "
        f"to {_largest_error(lines):.4f}; the lines share their sessions, so "
        "that differences between them are somewhat surer than that.",
        f"Seeds: {', '.join(map(str, seeds))}."
        + " One seed is an anecdote: differences of the size of that error "
        "are not told apart." * (len(seeds) == 1),
    ]
    if paper_data and any(line.paper for line in lines):
        notes.append(
            f"The paper's figures are for {paper_data}, for orientation only "
            "(Ratio: ours over the paper's MRR@5): its files cannot be had any "
            "more, and the original release stops and reports on the test set."
        )
    return notes


def protocols(*names: str) -> list[str]:
    """What protocols are, by their names, as far as there is more to say."""
    return [_PROTOCOLS[name] for name in names if name in _PROTOCOLS]


def leaks(protocols: Iterable[Protocol]) -> list[str]:
    """A warning where training knows what comes after a test."""
    splits = sorted({p.split for p in protocols if p.split in _LEAKING})
    if not splits:
        return []
    return [_LEAK.format(splits=" and by ".join(_LEAKING[s] for s in splits))]


def of_data(what: str, store: Store) -> str:
    """What the sessions are."""
    meta = store.meta
    sessions = next(iter(store.sessions.values()))
    num_rows, t = sessions.rows.shape
    return (
        f"{what}: {meta.get('source')}, {num_rows:,} sessions of t = {t}, "
        f"{meta.get('num_items'):,} items"
    )


def _largest_error(lines: Sequence[Line]) -> float:
    """An upper bound of the standard error of any line's MRR@5.

    A reciprocal rank lies in [0, 1], so its variance is at most m (1 - m).
    """
    tests = [line.summary["test"] for line in lines]
    return max(
        math.sqrt(
            test["mrr_at_5"] * (1 - test["mrr_at_5"]) / test["num_sessions"]
        )
        for test in tests
    )


def _budget(lines: Sequence[Line]) -> str:
    """How long stages train, for each way that occurs."""
    budgets = dict.fromkeys(
        f"{line.row.last.max_steps:,} {line.row.last.budget_in} at most, "
        f"evaluated every {line.row.last.eval_every:,}, stopped after "
        f"{line.row.last.patience} evaluations without a better validation "
        f"MRR@5 {_RANKED[line.row.recipe.protocol.stop_on_unseen]}"
        for line in lines
        if line.seconds
    )
    return f"A stage: {'; '.join(budgets) or 'counted, not trained'}."
