"""Where StackRec's paper and its TF1 release differ, and what that costs.

`DIVERGENCES` is the list; `make_rows` trains, on ML-1M, one model for each
difference that can be measured: protocol `release` with one field changed,
three seeds.

    make fidelity DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores: 2 to 4 minutes a model, 33 models in all. Expected
numbers: the paper has none; one standard error of MRR@5 on these 10,240
sessions is 0.0018. Only what moves it further in all seeds is an effect.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.stackrec import table2
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

RELEASE = PROTOCOLS["release"]
# The model that protocol fields are varied on.
NUM_BLOCKS = 4
DATA_RATIO = 0.6
# The setting in which stacking is compared.
SETTING = table2.SETTINGS["40-60"]

# Changes of protocol `release`, by the name of the variant.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "full softmax": {"sampled_fraction": 0.0},
    "padding masked in the loss": {"count_padding": False},
    "ids by frequency": {"item_ids": "frequency"},
}
# The same, on the stacked model of `SETTING`: nesting matters only to a model
# that meets its earlier rows again.
STACKED_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fractions truly nested": {"nesting": "repaired"},
}
# Changes of the model's arguments, under protocol `release`.
MODEL_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "mixed bfloat16": {"dtype": "mixed_bfloat16"},
}

# The presets of stacking, compared with the deep model from scratch.
PRESETS = ("release", "paper", "best")
STACKED = tuple(f"StackA {preset}" for preset in PRESETS)


@dataclasses.dataclass(frozen=True)
class Divergence:
    """A place where the paper and the release are not the same.

    Attributes:
        topic: what it is about.
        paper: what the paper says.
        release: what the released code does.
        switch: how to choose here.
        default: what we do unasked, and why.
        variants: names among `STACKED`, `VARIANTS`, `STACKED_VARIANTS` and
            `MODEL_VARIANTS` that were measured.
    """

    topic: str
    paper: str
    release: str
    switch: str
    default: str
    variants: tuple[str, ...] = ()


DIVERGENCES = (
    Divergence(
        "What stacking copies",
        "Embedding, softmax layer and every parameter of the blocks.",
        "StackA and StackC: convolution kernels and biases, and the item "
        "embedding. Alphas restart at 0, norms at 1 and 0, the softmax layer "
        "at random.",
        "`Stacker(preset=)`: `release`, `paper`, `best`; `switches=` one by "
        "one",
        "`best` (of NextItNet): all but alpha. Tables show the presets as rows "
        "of their own.",
        STACKED,
    ),
    Divergence(
        "Loss",
        "Cross-entropy over a (sampled) softmax; no sampling rate given.",
        "NextItNet and GRec: softmax over the target and 20 % of the items, "
        "drawn log-uniformly, corrected by expected counts. SASRec and "
        "SSE-PT: full softmax.",
        "`sampled_fraction`",
        "Protocol `release` 0.2; `clean` the full softmax, which needs no "
        "assumption about ids.",
        ("full softmax",),
    ),
    Divergence(
        "Padding in the loss",
        "Short sessions are padded with zeros.",
        "The padding token is an item: predicting it, and the first item "
        "after it, counts.",
        "`count_padding`",
        "Protocol `release` counts it; `clean` does not, since nobody asks "
        "for padding.",
        ("padding masked in the loss",),
    ),
    Divergence(
        "Padding in the ranking",
        "Not said.",
        "Padding, `<UNK>` and items already seen can all be ranked above the "
        "target.",
        "`rank_padding`; `recommend(exclude_seen=)`, `evaluate --exclude_seen`",
        "Protocol `release` ranks padding; `clean` never. `recommend` leaves "
        "seen items out, evaluation does not; tables have MRR@5 without them "
        "in a column of its own.",
    ),
    Divergence(
        "Item ids",
        "Not said.",
        "By first appearance in the file, while the sampler takes small ids "
        "for popular ones.",
        "`item_ids`",
        "Protocol `release` as the release; `clean` by falling frequency, "
        "what the sampler expects.",
        ("ids by frequency",),
    ),
    Divergence(
        "Nested fractions of the data",
        "Each larger training set contains the smaller ones.",
        "The 60 % set does not contain the 40 % set when the number of "
        "training rows is a multiple of 5 (a rounding error in "
        "0.6 - 0.2 - 0.2): on ML20 16 % of the latter are missing, and 10 % "
        "of the 60 % set from the 80 % set.",
        "`nesting`",
        "Protocol `release` keeps the flaw, `nesting=repaired` mends it; "
        "`clean` takes prefixes of one permutation.",
        ("fractions truly nested",),
    ),
    Divergence(
        "Convolution kernels at the start",
        "Random.",
        "All kernels of a network start with the same values: each has the "
        "op seed 1.",
        "`identical_kernels`; `NextItNet(kernel_seed=)`",
        "Protocol `release` equal; `clean` independent.",
    ),
    Divergence(
        "Order of the rows",
        "Not said.",
        "One permutation, never reshuffled; every pass is the same.",
        "`reshuffle`",
        "Protocol `release` fixed; `clean` reshuffles each pass, seeded.",
    ),
    Divergence(
        "Model choice",
        "Training until convergence; no validation set is mentioned.",
        "Early stopping, best checkpoint and the reported numbers all look at "
        "the same 20 % of the rows; a user's sessions lie on both sides.",
        "`split`",
        "Protocol `release` as the release: its numbers are optimistic. "
        "`clean` splits users 80/10/10 and reports on sessions it has never "
        "looked at.",
    ),
    Divergence(
        "Last batch",
        "Not said.",
        "Dropped in training and in evaluation, even when it is full.",
        "`keep_last_batch`",
        "Protocol `release` drops it; `clean` keeps it. Tables print how many "
        "sessions were evaluated.",
    ),
    Divergence(
        "Early stopping",
        "Not said.",
        "Evaluates every `eval_iter` steps, keeps the best MRR@5, stops after "
        "`early_stop` evaluations in a row that are no better.",
        "`eval_every`, `patience`, `max_steps`",
        "The same rule; the release's budget on the paper's data sets, a "
        "smaller one elsewhere.",
    ),
    Divergence(
        "Adam's epsilon",
        "Not said.",
        "1e-8 (Keras' default is 1e-7).",
        "`adam_epsilon`",
        "Protocol `release` 1e-8; `clean` 1e-7.",
    ),
    Divergence(
        "Arithmetic",
        "Not said.",
        "float32.",
        "`--dtype`, any model's `dtype`",
        "float32. In mixed precision weights, loss and optimizer stay float32; "
        "it is meant for accelerators, on CPUs it is slower.",
        ("mixed bfloat16",),
    ),
    Divergence(
        "Regularisation",
        "None stated.",
        "0 for NextItNet; 0.001 times the mean over variables of half the sum "
        "of squares when pre-training for transfer; 0.02 on target "
        "embeddings.",
        "`l2`, `target_l2`",
        "0, but where a recipe of the release says otherwise.",
    ),
    Divergence(
        "Dilations under StackA",
        "A block is copied next to itself.",
        "Dilations belong to the place, not to the weights: half of the "
        "copies work at another dilation than they were trained for.",
        "`dilation_rates`: a single rate has no mismatch",
        "As the release: dilations follow the place.",
    ),
    Divergence(
        "Alpha",
        "One scalar a block, starting at 0.",
        "Agrees; a second file of operations has blocks without it.",
        "`NextItNet(use_alpha=)`",
        "With alpha.",
    ),
    Divergence(
        "Speed-up",
        "A column of factors; how time is counted is not said.",
        "Prints the duration of a step, nothing that gives the column.",
        "`make step-times`",
        "Steps times idle step time, to the scratch model's best MRR@5; the "
        "shallow model's own training left out in continual learning.",
    ),
    Divergence(
        "CL-NextItNet, the shallow model continued",
        "A row of Table 2.",
        "Not there.",
        "`Stage(method='continue')`",
        "All weights kept, a new optimizer.",
    ),
    Divergence(
        "Metrics",
        "MRR, HR and NDCG at 5.",
        "At 5 and 10, over all columns, ties to the lower id.",
        "`metrics`",
        "Both cutoffs, the release's ties.",
    ),
    Divergence(
        "Data sets",
        "ML20 (27.5 M actions of a 2018 extract), Kuaibao, ColdRec.",
        "Links to prepared ML20 and ColdRec, another set in Kuaibao's place; "
        "no script prepares raw data.",
        "`datasets.prepare`",
        "ml-20m (20 M ratings), prepared by the paper's thresholds. Every "
        "choice is in meta.json.",
    ),
    Divergence(
        "StackR: new blocks on top, the others kept",
        "Nothing is said of alpha and norms.",
        "The kept half keeps alpha and norms as well, unlike StackA and "
        "StackC; the comparison of methods is confounded.",
        "`Stacker(method='random')`, `preset=`, `switches=`",
        "Alpha and norms of the kept half are kept under all presets: the "
        "stacked model starts as the shallow one. The head is kept, too, but "
        "under `release`.",
    ),
    Divergence(
        "Stacking SASRec and SSE-PT",
        "As NextItNet, with alpha.",
        "Query, key and value (all blocks) and the item, position and user "
        "embeddings are copied, nothing else; six blocks are added, whatever "
        "the depth; StackA's index is not that of the paper; copies share "
        "memory with their originals and train as one.",
        "`Stacker(preset=, method='adjacent_release', switches={'tied': "
        "True})`",
        "`paper`, their `best_preset` (Table 7 has all three), by the "
        "paper's index. Preset `release` copies query, key, value and the "
        "embeddings, and ties the copies; its index is the method "
        "`adjacent_release`.",
    ),
    Divergence(
        "SASRec",
        "As by its authors.",
        "No scaled embedding, no masks, norms after the residual, untied "
        "output, full cross-entropy, beta2 0.999 (SASRec's authors: 0.98). "
        "Two alphas a block.",
        "`SASRec(variant=, tie_output=)`: `stackrec`, `original`",
        "`stackrec`, which loads the release's weights "
        "(`release.load_state_dict`). Both are trained with a softmax. The "
        "tied output of `original` ranks the items of the history higher, "
        "which its authors never rank: `tie_output=False` where they are.",
    ),
    Divergence(
        "SSE-PT",
        "As by its authors.",
        "Users and items are replaced in the training data themselves, for "
        "good: after two passes nearly all users are random. Dropout is off "
        "most of the time.",
        "`SSEPT(variant=, overwrites_rows=, user_replacement=, "
        "item_replacement=)`",
        "Protocol `release` overwrites the rows; `clean` replaces anew at each "
        "step. Dropout is on in training. `stackrec` loads the release's "
        "weights.",
    ),
    Divergence(
        "GRec",
        "The encoder of GRec.",
        "A NextItNet (causal) trained with masked inputs, in which the "
        "position before a mask predicts it; the masks are not seeded.",
        "`GRec(variant=)`: `stackrec`, `original`",
        "`stackrec`, with seeded masks. `original` looks both ways, and a "
        "mask predicts the item that it hides.",
    ),
    Divergence(
        "Padding as an input",
        "Not said.",
        "The padding token has an embedding and is convolved, or attended to, "
        "like an item.",
        "`SASRec(variant='original')` masks it",
        "As the release: a convolution's zeros are its own left padding.",
    ),
    Divergence(
        "Expected counts of the sampler",
        "Not said.",
        "Those of the number of draws that each step happened to need.",
        "none",
        "Those of the number of draws needed in the mean, computed once: the "
        "sampler is a single sorting of noise, which XLA compiles.",
    ),
    Divergence(
        "Dilations of Kuaibao",
        "1, 2, 2, 4.",
        "In no script; 1, 2, 4, 8 everywhere.",
        "`dilation_rates=1,2`",
        "1, 2, 4, 8 (`dilation_rates=1,4`); with `--dataset=kuaibao` the "
        "paper's.",
    ),
    Divergence(
        "Growth short of doubling (Table 5)",
        "Any depth; the top blocks are doubled.",
        "A second file of operations with 16 blocks wired in, which must be "
        "imported by hand.",
        "`Stacker.stack(num_blocks=)`",
        "Any depth from L + 1 to 2 L, by the same map.",
    ),
    Divergence(
        "Scripts that do not run as shipped",
        "Not said.",
        "A checkpoint is looked for under `_1_` and saved under `_1.0_`; "
        "fine-tuning opens a graph file without its ending and calls "
        "Python 2; the SASRec and SSE-PT trainers call a module; `stackR` is "
        "spelt `StackR` in the code; two flags (copy softmax, copy norms) are "
        "read and ignored; TensorFlow's contrib is gone.",
        "none",
        "Nothing of it is imitated.",
    ),
    Divergence(
        "Batch sizes",
        "256 for ML20 and Kuaibao, 64 and 512 for ColdRec.",
        "NextItNet 256, GRec 1024, SSE-PT 128, ColdRec 256 and 512.",
        "`batch_size`",
        "256; with `--dataset=coldrec` 64.",
    ),
    Divergence(
        "Transfer",
        "A new softmax layer over the target items.",
        "A dot product with target embeddings, one uniform negative an "
        "example, ranked among 99 sampled items, drawn anew at each "
        "evaluation.",
        "`FineTuning`: `head`, `ranked_negatives`, `target_l2`",
        "release: as the release, with the same 99 items at every evaluation; "
        "clean: as the paper, ranked among all target items.",
    ),
    Divergence(
        "Ids in transfer",
        "Not said.",
        "Source ids are numbered anew in the fine-tuning file and match the "
        "pre-trained embedding by luck only. Short sources are padded on the "
        "right, in pre-training on the left; one user's targets lie on both "
        "sides of the split; 49 items are seen in pre-training, 50 in "
        "fine-tuning.",
        "`FineTuning`: `source_ids`, `split`; `release.read_transfer` numbers "
        "as the release does",
        "release: as the release; clean: by the numbers of pre-training, "
        "padded on the left, no user on both sides. "
        "`python -m datasets.transfer_pairs` pads on the left in any case.",
    ),
    Divergence(
        "Training from scratch",
        "Shallow stages get an eighth to a third of the steps.",
        "Caps of 50, 100 and 200 thousand steps.",
        "`python -m experiments.from_scratch --steps=...`",
        "The release's caps on ML20, 1,000 steps elsewhere; beside them a "
        "schedule that ends a stage when its curve flattens.",
    ),
)


def make_rows(seed: int, **options) -> list[Row]:
    """What is trained for one seed, the base of comparison first.

    Args:
        seed: of all rows.
        **options: max_steps, eval_every, patience of every `Stage`; the rest
            goes to every `Recipe`.

    Returns:
        Rows whose label is "release" or the variant's name; and those of the
        stacking presets, labelled by Table 2.
    """
    stage_options = {
        name: options[name]
        for name in ("max_steps", "eval_every", "patience")
        if name in options
    }
    recipe_options = {
        name: value
        for name, value in options.items()
        if name not in stage_options
    }
    choices = Choices(RELEASE, seed, presets=PRESETS, options=options)
    stacked = table2.grown(choices, [SETTING])
    stacked = [
        row
        for row in stacked
        if row.role in ("shallow", "scratch") or row.method == "adjacent"
    ]
    scratch_stages: tuple[Stage, ...] = (
        Stage(NUM_BLOCKS, DATA_RATIO, **stage_options),
    )
    stacked_stages = next(
        row.recipe.stages for row in stacked if row.preset == "best"
    )
    base = Recipe(
        stages=scratch_stages, protocol=RELEASE, seed=seed, **recipe_options
    )
    variants = {"release": base}
    for name, changes in VARIANTS.items():
        variants[name] = _with_protocol(base, changes)
    for name, changes in STACKED_VARIANTS.items():
        variants[name] = dataclasses.replace(
            _with_protocol(base, changes), stages=stacked_stages
        )
    for name, changes in MODEL_VARIANTS.items():
        variants[name] = dataclasses.replace(
            base, model_config={**base.model_config, **changes}
        )
    return stacked + [
        Row("fidelity", "variant", recipe, note=label)
        for label, recipe in variants.items()
    ]


def _with_protocol(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return dataclasses.replace(
        recipe, protocol=dataclasses.replace(recipe.protocol, **changes)
    )
