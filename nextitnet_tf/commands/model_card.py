"""What stands beside a model that others will use: its card, in markdown."""

import time
from pathlib import Path

import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf import comparing
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.commands import stored
from nextitnet_tf.models import MODELS
from nextitnet_tf.protocol import protocol_differences

FILE = "model_card.md"
# Answers that are timed, after as many to warm up.
_ANSWERS = 20
_METRICS = {
    "MRR@5": (comparing.reciprocal_ranks, 5),
    "MRR@10": (comparing.reciprocal_ranks, 10),
    "NDCG@5": (comparing.discounted_gains, 5),
    "NDCG@10": (comparing.discounted_gains, 10),
}
# What would be html, or would end a cell of a table.
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": "\\|", "\n": "; ", "`": "'"}
)


def write(
    run: training.Run,
    sessions: data.Sessions,
    counted: training.Run | None,
    folder: Path,
) -> None:
    """Writes the card of a model.

    Args:
        run: that trained it.
        sessions: that it was trained on.
        counted: the best of counting on the same sessions, if it was counted.
        folder: that holds the model.
    """
    parts = data.split(sessions, run.recipe.protocol)
    text = "\n\n".join(
        [
            f"# {_name(run)}",
            _what_it_is(run),
            "## Data\n\n" + _of_data(sessions, parts, run),
            "## Results\n\n" + _results(run, counted, parts),
            "## Size and speed\n\n" + _speed(run, sessions, parts),
            "## Use\n\n" + _use(folder),
            "## Not for\n\n" + _NOT_FOR,
            "## Licence\n\nNot stated: whoever passes the model on says here "
            "under which licence, and whether that of the data allows it.",
        ]
    )
    atomic_files.write_text(folder / FILE, text + "\n")


def _name(run: training.Run) -> str:
    name = MODELS[run.recipe.model].__name__
    is_deep = "num_blocks" in MODELS[run.recipe.model].arguments()
    depth = run.recipe.stages[-1].num_blocks
    return f"{name}-{depth}" if is_deep else name


def _what_it_is(run: training.Run) -> str:
    recipe, made = run.recipe, run.summary
    depths = " to ".join(str(stage.num_blocks) for stage in recipe.stages)
    config = ", ".join(f"{k}={v}" for k, v in recipe.model_config.items())
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items())
    grown = f"grown from {depths} blocks" * (len(recipe.stages) > 1)
    said = ", ".join(filter(None, [grown, config, f"seed {recipe.seed}"]))
    return (
        "A sequential recommender: from what a user has taken, in order, it "
        f"scores what comes next. {_plain(said)}. Trained for "
        f"{made['best_step']:,} steps in {made['train_seconds']:,.0f} s on "
        f"{_plain(made['device'])}, at commit {_plain(made['commit'])}, with "
        f"{_plain(versions)}. `run.json` beside it says all of it."
    )


def _of_data(
    sessions: data.Sessions, parts: data.Split, run: training.Run
) -> str:
    meta, protocol = sessions.meta, run.recipe.protocol
    steps = [
        f"| {_plain(c['step'])} | {c['interactions']:,} | {c['users']:,} | "
        f"{c['items']:,} |"
        for c in meta.get("counts", ())
        if isinstance(c, dict) and {"step", "interactions"} <= c.keys()
    ]
    table = (
        "\n\n| | Interactions | Users | Items |\n|---|---|---|---|\n"
        + "\n".join(steps)
        if steps
        else ""
    )
    name = " ".join([protocol.name, *protocol_differences(protocol)])
    return (
        f"{_plain(meta.get('source', 'sessions'))}: "
        f"{len(sessions.rows):,} sessions of up to "
        f"{sessions.rows.shape[1]} items, {sessions.num_items:,} different "
        f"ones. Protocol {_plain(name)}: {len(parts.train):,} to train, "
        f"{len(parts.validation):,} to stop, {len(parts.test):,} to test."
        + table
    )


def _results(
    run: training.Run, counted: training.Run | None, parts: data.Split
) -> str:
    users = parts.rows.users[parts.test]
    heads = ["All items ranked", "Without those of the history"]
    shown = [run, *([counted] if counted else [])]
    names = [_name(run)]
    if counted:
        names.append(f"{MODELS[counted.recipe.model].__name__} (counted)")
    columns = [f"{name}: {head}" for name in names for head in heads]
    lines = [
        f"| Test, 95 % over users | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for metric, (score, at) in _METRICS.items():
        cells = []
        for one in shown:
            for is_unseen in (False, True):
                ranks = one.read_ranks(is_unseen)
                cells.append(_range(ranks, score, at, users))
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    if counted is None:
        note = "No floor was counted: nothing says what the model is worth."
    else:
        note = (
            "The floor is the counted model that validates best: a model that "
            "is not above it is not worth its training."
        )
    return "\n".join(lines) + f"\n\n{note}"


def _range(ranks: np.ndarray | None, score, at: int, users: np.ndarray) -> str:
    if ranks is None:
        return "not kept"
    scores = score(ranks, at)[None]
    mean, low, high = comparing.paired_difference(
        scores, np.zeros_like(scores), groups=users[: len(ranks)]
    )
    return f"{mean:.4f} ({max(low, 0):.4f} to {min(high, 1):.4f})"


def _speed(
    run: training.Run, sessions: data.Sessions, parts: data.Split
) -> str:
    model = run.load_model()
    raw_ids = model.history_vocabulary.raw_ids
    rows = parts.rows.rows[parts.test[:256], :-1]
    histories = [
        [raw_ids[i] for i in row if raw_ids[i] is not None] for row in rows
    ]
    one = _milliseconds(model, histories[:1])
    many = _milliseconds(model, histories)
    return (
        f"{_plain(stored.in_short(run, sessions))}.\n\n"
        f"`recommend` of 10 items takes {one:.1f} ms for one user and "
        f"{many:.0f} ms for {len(histories)}, after the first answer, on "
        f"{_plain(distribution.device_name())}."
    )


def _milliseconds(model, histories: list) -> float:
    """Of an answer: the median, after as many to warm up."""
    seconds = []
    for _ in range(2 * _ANSWERS):
        before = time.perf_counter()
        model.recommend(histories)
        seconds.append(time.perf_counter() - before)
    return 1e3 * float(np.median(seconds[_ANSWERS:]))


def _use(folder: Path) -> str:
    return (
        "```python\n"
        "import nextitnet_tf\n\n"
        'model = nextitnet_tf.load_model("model.keras")\n'
        "model.recommend([[first_item, second_item]], k=10)  # oldest first\n"
        "```\n\n"
        f"or `nextitnet-tf recommend --model={_plain(folder)}/model.keras "
        "--history=...`. For ranking the items above to users of the service "
        "that the data are of, as long as what they do is as it was then: "
        "train it on with newer data, which says what it is worth there "
        "(`nextitnet-tf train --raw=newer.csv --from=model.keras`; items that "
        "are new are unknown to it until then)."
    )


_NOT_FOR = (
    "Decisions about people. Users or items of another service. Measuring what "
    "users would have done with other recommendations: the data hold what they "
    "did under those that they had. The model repeats what is popular in its "
    "data, and may reveal single histories of small data to who can ask it "
    "often."
)


def _plain(text: object) -> str:
    """Text from data or files, which is no markdown."""
    return str(text).translate(_ESCAPES)
