"""StackRec, Table 2: continual learning on ML20.

The training data grow: a shallow model was trained on an earlier fraction;
now there are more data and a deeper model is wanted. Train it from scratch,
go on with the shallow one, or stack?

    make reproduce-table2                              # ML20, downloads it
    make reproduce-table2 DATASET=ml1m RAW=interactions.csv.gz

Expected time on 2 cores with ML-1M: about 50 minutes for setting 40-60,
twice that for 60-80; ML20 wants a GPU. Expected numbers: the paper's, below
(MRR@5, HR@5, NDCG@5, speed-up; ML20, t = 20, 24 K items, 64 channels).

A machine without a GPU trains a fraction of the paper's depths:
ARGS=--divide_depth=2.

The paper trained on a 2018 `ml-latest` extract of 27.5 M actions that cannot
be had any more; `ml20` here is ml-20m, 20,000,263 ratings.
"""

from collections.abc import Sequence

from experiments.recipes import rows
from experiments.recipes.rows import Row
from experiments.recipes.rows import Setting
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Stage

NAME = "table"
TITLE = "Continual learning (StackRec, Table 2)"

PAPER: dict[str, rows.Figures] = {
    "ml20": {
        "100-100": {
            "MostPop": (0.0062, 0.0182, 0.0092, None),
            "NFM": (0.0360, 0.0665, 0.0435, None),
            "Caser": (0.0762, 0.1291, 0.0892, None),
            "GRU4Rec": (0.0786, 0.1357, 0.0929, None),
            "SNextItNet-32": (0.0838, 0.1431, 0.0984, None),
            "NextItNet-32": (0.0866, 0.1473, 0.1017, None),
        },
        "40-60": {
            "NextItNet-4 (40%)": (0.0703, 0.1209, 0.0827, None),
            "NextItNet-8 (60%)": (0.0757, 0.1288, 0.0889, 1.00),
            "CL-NextItNet-4": (0.0710, 0.1218, 0.0835, None),
            "StackC-Next-8": (0.0762, 0.1306, 0.0896, 2.50),
            "StackA-Next-8": (0.0766, 0.1306, 0.0899, 2.50),
        },
        "60-80": {
            "NextItNet-8 (60%)": (0.0757, 0.1288, 0.0889, None),
            "NextItNet-16 (80%)": (0.0816, 0.1379, 0.0955, 1.00),
            "CL-NextItNet-8": (0.0766, 0.1310, 0.0901, None),
            "StackC-Next-16": (0.0819, 0.1391, 0.0961, 2.05),
            "StackA-Next-16": (0.0822, 0.1402, 0.0965, 2.05),
        },
        "80-100": {
            "NextItNet-16 (80%)": (0.0816, 0.1379, 0.0955, None),
            "NextItNet-32 (100%)": (0.0866, 0.1473, 0.1017, 1.00),
            "CL-NextItNet-16": (0.0820, 0.1400, 0.0963, None),
            "StackC-Next-32": (0.0869, 0.1479, 0.1020, 3.21),
            "StackA-Next-32": (0.0872, 0.1480, 0.1022, 3.21),
        },
    },
    "kuaibao": {
        "100-100": {
            "MostPop": (0.0055, 0.0175, 0.0084, None),
            "NFM": (0.0301, 0.0578, 0.0369, None),
            "Caser": (0.0628, 0.1069, 0.0737, None),
            "GRU4Rec": (0.0634, 0.1074, 0.0744, None),
            "SNextItNet-32": (0.0667, 0.1096, 0.0772, None),
            "NextItNet-32": (0.0694, 0.1120, 0.0797, None),
        },
        "40-60": {
            "NextItNet-4 (40%)": (0.0525, 0.0916, 0.0621, None),
            "NextItNet-8 (60%)": (0.0558, 0.0974, 0.0660, 1.00),
            "CL-NextItNet-4": (0.0515, 0.0913, 0.0613, None),
            "StackC-Next-8": (0.0578, 0.0997, 0.0682, 2.45),
            "StackA-Next-8": (0.0581, 0.0997, 0.0683, 2.45),
        },
        "60-80": {
            "NextItNet-8 (60%)": (0.0558, 0.0974, 0.0660, None),
            "NextItNet-16 (80%)": (0.0642, 0.1060, 0.0746, 1.00),
            "CL-NextItNet-8": (0.0557, 0.0979, 0.0661, None),
            "StackC-Next-16": (0.0653, 0.1082, 0.0759, 2.45),
            "StackA-Next-16": (0.0658, 0.1083, 0.0763, 3.06),
        },
        "80-100": {
            "NextItNet-16 (80%)": (0.0642, 0.1060, 0.0746, None),
            "NextItNet-32 (100%)": (0.0694, 0.1120, 0.0797, 1.00),
            "CL-NextItNet-16": (0.0638, 0.1065, 0.0744, None),
            "StackC-Next-32": (0.0701, 0.1132, 0.0807, 2.71),
            "StackA-Next-32": (0.0708, 0.1139, 0.0814, 3.29),
        },
    },
}

SETTINGS = {
    s.name: s
    for s in (
        Setting(0.4, 0.6, 4, 8),
        Setting(0.6, 0.8, 8, 16),
        Setting(0.8, 1.0, 16, 32),
    )
}
# The models that are trained once, on all data.
BASELINES = "100-100"
NAMES = (BASELINES, *SETTINGS)
_BASELINE_LABELS = {"nfm": "NFM", "caser": "Caser", "gru4rec": "GRU4Rec"}
_BASELINE_DEPTH = 32
# Not in the paper's table: SASRec as its own authors have it, and the same with
# an output of its own, because theirs ranks items of the history high, which
# they never count.
_SASREC_LABELS = {
    "SASRec-2 (its authors')": {},
    "SASRec-2 (its authors', untied)": {"tie_output": False},
}
_SASREC = {
    "variant": "original",
    "use_alpha": False,
    "dropout_rate": 0.2,
}


def select(
    names: Sequence[str],
    protocol: Protocol,
    presets: Sequence[str] | None,
    seed: int,
    divide_depth: int = 1,
    chain: bool = False,
    **options,
) -> list[Row]:
    """The lines of the named settings (`NAMES`).

    Args:
        names: of settings; MostPop is in every table.
        protocol: how data become numbers.
        presets: what stacking copies; a line each (see `rows.growth`).
        seed: of all the lines.
        divide_depth: of the paper's depths.
        chain: see `make_rows`.
        **options: see `make_rows`.
    """
    found = make_rows(
        [SETTINGS[name] for name in names if name in SETTINGS],
        protocol,
        presets,
        seed,
        chain,
        divide_depth,
        **options,
    )
    if BASELINES not in names:
        return found
    maker = rows.Maker(protocol, seed, options)
    width = options.get("model_config", {}).get("embedding_dim", 64)
    baselines = [
        Row(
            BASELINES,
            label,
            "baseline",
            maker.recipe(
                maker.stage(1, 1.0),
                model=model,
                model_config={"embedding_dim": width},
            ),
        )
        for model, label in _BASELINE_LABELS.items()
    ]
    baselines += [
        Row(
            BASELINES,
            label,
            "baseline",
            maker.recipe(
                maker.stage(2, 1.0),
                model="sasrec",
                model_config={"embedding_dim": width, **_SASREC, **changes},
            ),
        )
        for label, changes in _SASREC_LABELS.items()
    ]
    if _BASELINE_DEPTH % divide_depth == 0:
        depth = _BASELINE_DEPTH // divide_depth
        baselines += [
            Row(
                BASELINES,
                f"{label}-{depth}",
                "baseline",
                maker.recipe(maker.stage(depth, 1.0), **changes),
                f"{label}-{_BASELINE_DEPTH}",
            )
            for label, changes in (
                ("SNextItNet", {"config_changes": {"use_alpha": False}}),
                ("NextItNet", {}),
            )
        ]
    return [found[0], *baselines, *found[1:]]


def make_rows(
    settings: Sequence[Setting],
    protocol: Protocol,
    presets: Sequence[str] | None,
    seed: int,
    chain: bool = False,
    divide_depth: int = 1,
    **options,
) -> list[Row]:
    """MostPop, then each setting's shallow and scratch models first.

    Args:
        settings: in order.
        protocol: how data become numbers.
        presets: what stacking copies; a line each (see `rows.growth`).
        seed: of all the lines.
        chain: stack each setting upon the stacked model of the one before,
            instead of a shallow model trained from scratch.
        divide_depth: of the settings' depths.
        **options: of every `Stage` (max_steps, eval_every, patience) and of
            the `Recipe` (batch_size, learning_rate, model_config).

    Returns:
        The lines.
    """
    maker = rows.Maker(protocol, seed, options)
    found = [
        Row(
            BASELINES,
            "MostPop",
            "baseline",
            maker.recipe(
                maker.stage(1, 1.0), model="most_pop", model_config={}
            ),
        )
    ]
    stacked: dict[tuple[str, str], tuple[Stage, ...]] = {}
    for s in settings:
        of_setting = rows.growth(
            maker,
            s.name,
            s,
            family="NextItNet",
            stacked_family="Next",
            methods=("adjacent", "cross"),
            presets=presets,
            divide_depth=divide_depth,
            show_ratio=True,
            before=stacked,
        )
        if chain:
            for row in of_setting:
                last = row.recipe.stages[-1]
                if row.role == "stacked" and last.method:
                    stacked[last.method, last.preset] = row.recipe.stages
        small = s.divided(divide_depth)
        continued = maker.recipe(
            maker.stage(small.num_blocks, s.ratio_before),
            maker.stage(small.num_blocks, s.ratio_after, "continue"),
        )
        found += [
            *of_setting,
            Row(
                s.name,
                f"CL-NextItNet-{small.num_blocks}",
                "continued",
                continued,
                f"CL-NextItNet-{s.num_blocks}",
            ),
        ]
    return found
