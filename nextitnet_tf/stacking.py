"""Growing a trained model: which block copies which, and the copying."""

from collections.abc import Mapping
from collections.abc import Sequence

from nextitnet_tf.layer_pairs import layer_pairs
from nextitnet_tf.optimizer_slots import copy_optimizer
from nextitnet_tf.optimizer_slots import optimizer_slots as optimizer_slots

METHODS = ("adjacent", "cross", "random", "embedding", "adjacent_release")

# What can be copied from the shallow model, in the order it is described.
# "blocks" are convolutions, or query, key and value; "feed_forward" are the
# dense layers of a Transformer block. "tied" is no part: it lets the copies of
# one block share their steps ever after. Nor is "identity": alpha then goes to
# the first copy of a block alone.
SWITCHES = (
    "blocks",
    "feed_forward",
    "alpha",
    "norm",
    "embedding",
    "head",
    "optimizer",
    "tied",
    "identity",
)

# A preset says so for each method. What blocks that start fresh would get
# does not matter, so StackE (only the embedding) is the same in all.
_ALL = ("blocks", "feed_forward", "alpha", "norm", "embedding", "head")
_ALL_BUT_ALPHA = ("blocks", "feed_forward", "norm", "embedding", "head")
_PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    # The release: StackA and StackC restart alphas and norms, StackR keeps
    # those of the blocks it keeps; the head always starts fresh. Of
    # Transformers it copies query, key and value alone.
    "release": {
        "adjacent": ("blocks", "embedding"),
        "adjacent_release": ("blocks", "embedding"),
        "cross": ("blocks", "embedding"),
        "random": ("blocks", "feed_forward", "alpha", "norm", "embedding"),
        "embedding": ("embedding",),
    },
    # The paper's text: everything that is a parameter.
    "paper": {
        "adjacent": _ALL,
        "adjacent_release": _ALL,
        "cross": _ALL,
        "random": _ALL,
        "embedding": ("embedding",),
    },
    # Of NextItNet, by the means of three seeds on ML-1M (results/ml1m, Table
    # 2); Transformers have another `best_preset`. StackR keeps alpha: its new
    # blocks start at 0, and the function stays the shallow model's.
    "best": {
        "adjacent": _ALL_BUT_ALPHA,
        "adjacent_release": _ALL_BUT_ALPHA,
        "cross": _ALL_BUT_ALPHA,
        "random": _ALL,
        "embedding": ("embedding",),
    },
    # The deep model begins as the shallow one is (StackC, StackR).
    "identity": {
        "adjacent": (*_ALL, "identity"),
        "adjacent_release": (*_ALL, "identity"),
        "cross": (*_ALL, "identity"),
        "random": _ALL,
        "embedding": ("embedding",),
    },
}
PRESETS = tuple(_PRESETS)


def source_blocks(
    num_source: int, num_target: int, method: str
) -> list[int | None]:
    """Which shallow block each block of the deep model is copied from.

    Any multiple repeats every block alike; where the new blocks do not go
    round, the top ones are repeated once more.

    >>> source_blocks(num_source=4, num_target=8, method="adjacent")
    [0, 0, 1, 1, 2, 2, 3, 3]
    >>> source_blocks(num_source=4, num_target=8, method="cross")
    [0, 1, 2, 3, 0, 1, 2, 3]
    >>> source_blocks(num_source=4, num_target=6, method="adjacent")
    [0, 1, 2, 2, 3, 3]
    >>> source_blocks(num_source=2, num_target=7, method="cross")
    [0, 1, 0, 1, 0, 1, 1]
    >>> source_blocks(num_source=2, num_target=4, method="random")
    [0, 1, None, None]
    >>> source_blocks(num_source=4, num_target=5, method="adjacent_release")
    [0, 1, 2, 3, 2]

    Args:
        num_source: L, blocks of the shallow model.
        num_target: blocks of the deep one, L + 1 or more; the paper has up
            to 2 L.
        method: "adjacent" (StackA) puts copies next to their original;
            "cross" (StackC) puts the copies on top, in order; "random"
            (StackR) puts fresh blocks on top; "embedding" (StackE) starts
            all blocks fresh; "adjacent_release" is what the release has for
            StackA of Transformers, copies in no order, up to 2 L.

    Returns:
        One 0-based index a deep block; None where a block starts fresh.

    Raises:
        ValueError: an unknown method, or a depth that cannot be reached.

    Reference:
        StackRec, Section 3.2 and Figure 1; Table 4 for StackR and StackE;
        Table 5 for growth short of doubling.
    """
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {METHODS}. Received: method={method!r}"
        )
    if num_source < 1:
        raise ValueError(
            "Stacking needs a model with at least one block. "
            f"Received: num_source={num_source}"
        )
    if not num_source < num_target:
        raise ValueError(
            f"{num_source} blocks can be stacked to {num_source + 1} blocks "
            f"or more. Received: num_target={num_target}"
        )
    if method == "embedding":
        return [None] * num_target
    if method == "random":
        return [*range(num_source), *[None] * (num_target - num_source)]
    if method == "adjacent_release":
        return _adjacent_release(num_source, num_target)
    rounds, more = divmod(num_target, num_source)
    top = range(num_source - more, num_source)
    if method == "adjacent":
        return [
            i for i in range(num_source) for _ in range(rounds + (i in top))
        ]
    return [*range(num_source)] * rounds + [*top]


def _adjacent_release(num_source: int, num_target: int) -> list[int | None]:
    """The release's formula for Transformers, its slip included.

    It has 6 for the number of added blocks and means to double the top ones.
    """
    added = num_target - num_source
    if added > num_source:
        raise ValueError(
            "The release's StackA of Transformers at most doubles the depth. "
            f"Received: num_source={num_source}, num_target={num_target}"
        )
    sources: list[int | None] = [
        j if j < num_source else (j - added) // 2 + added
        for j in range(num_target)
    ]
    if max(i for i in sources if i is not None) >= num_source:
        raise ValueError(
            "The release's index of StackA reaches beyond the shallow model "
            "when so many blocks are added; method 'adjacent' does not. "
            f"Received: num_source={num_source}, num_target={num_target}"
        )
    return sources


def copies_of_each(sources: Sequence[int | None]) -> list[list[int]]:
    """Which deep blocks are copies of the same block, where several are.

    >>> copies_of_each([0, 1, 2, 1, 2, None, None])
    [[1, 3], [2, 4]]
    """
    copies: dict[int, list[int]] = {}
    for block, source in enumerate(sources):
        if source is not None:
            copies.setdefault(source, []).append(block)
    return [blocks for blocks in copies.values() if len(blocks) > 1]


def preset_switches(preset: str, method: str) -> dict[str, bool]:
    """What a preset copies.

    >>> copied = preset_switches("release", "adjacent")
    >>> [name for name, on in copied.items() if on]
    ['blocks', 'embedding']

    Args:
        preset: "release", "paper", "best" or "identity".
        method: one of `METHODS`.

    Returns:
        On or off for each of `SWITCHES`.

    Raises:
        ValueError: an unknown preset.
    """
    if preset not in _PRESETS:
        raise ValueError(
            f"`preset` must be one of {PRESETS}. Received: preset={preset!r}"
        )
    return {name: name in _PRESETS[preset][method] for name in SWITCHES}


class Stacker:
    """Makes a deeper model out of a trained one.

    The deep model is built fresh from the shallow one's configuration; then,
    layer by layer, `get_weights()` of what is to be copied is set into it.
    Whatever is not copied keeps its fresh start: alpha 0, norms 1 and 0, the
    head's and embedding's random values. A dilation belongs to the place of
    a block, not to its weights.

    Args:
        method: "adjacent" (StackA), "cross" (StackC), "random" (StackR),
            "embedding" (StackE), or "adjacent_release" (see
            `source_blocks`).
        preset: what is copied. For StackA and StackC: "release" (kernels,
            biases and the item embedding), "paper" (every parameter),
            "best" (every parameter but alpha) or "identity" (every
            parameter, alpha of the first copy of each block alone). StackR
            keeps alpha and norms of the kept blocks under all of them, and
            the head but under "release"; StackE copies the item embedding
            alone. Default: what our ablations on ML-1M favour for the model,
            its `best_preset`: "best", of Transformers "paper" (results/ml1m,
            Tables 2 and 7).
        switches: overrides of the preset, by name: {"alpha": True, ...};
            the names are those of `SWITCHES`. "optimizer" copies the
            optimizer with its slots; the deep model then is compiled.
            "tied" makes `training.run` keep copies of the same block equal:
            each step moves all of them by the sum of what it would move
            each. That is what the release's Transformers do, whose copies
            share memory, and on for them under preset "release".

    Raises:
        ValueError: an unknown method, preset or switch.

    Reference:
        StackRec, Algorithm 1 and Section 3.2.
    """

    def __init__(
        self,
        method: str = "adjacent",
        preset: str | None = None,
        switches: Mapping[str, bool] | None = None,
    ):
        if method not in METHODS:
            raise ValueError(
                f"`method` must be one of {METHODS}. "
                f"Received: method={method!r}"
            )
        self.method = method
        self.preset = preset
        if preset is not None:
            preset_switches(preset, method)
        self.overrides = dict(switches or {})
        if not set(self.overrides) <= set(SWITCHES):
            raise ValueError(
                f"`switches` must be among {SWITCHES}. "
                f"Received: switches={switches!r}"
            )

    def switches_for(self, model) -> dict[str, bool]:
        """What is copied of a model: the preset, and what overrides it.

        Args:
            model: a `SequentialRecommender`.

        Returns:
            On or off for each of `SWITCHES`.
        """
        preset = self.preset or model.best_preset
        switches = preset_switches(preset, self.method)
        switches["tied"] = preset == "release" and model.release_ties_copies
        return {**switches, **self.overrides}

    def stack(self, model, num_blocks: int | None = None):
        """A new, built model with the copied weights; `model` stays as it is.

        Args:
            model: a `SequentialRecommender` with `blocks`.
            num_blocks: depth of the new one, L + 1 or more; default 2 L.

        Returns:
            A model of the same class.

        Raises:
            ValueError: a model without blocks, a depth out of reach, a
                head to be copied without the embedding that it is tied to,
                tied copies of blocks that share kernels, a model of few
                bits, or optimizer slots asked of one without an optimizer.
        """
        blocks = getattr(model, "blocks", None)
        if not blocks:
            raise ValueError(
                "Stacking needs a model with blocks. "
                f"Received: model={type(model).__name__}"
            )
        if getattr(model, "is_quantized", False):
            raise ValueError(
                "A quantized model is not trained any further: expected the "
                "model before. Received: a model of few bits"
            )
        if num_blocks is None:
            num_blocks = 2 * len(blocks)
        sources = source_blocks(len(blocks), num_blocks, self.method)
        switches = self.switches_for(model)
        _check_tied_head(model, switches)
        if switches["tied"] and getattr(model, "sharing", "none") != "none":
            raise ValueError(
                "Copies are tied, or blocks share kernels: expected the switch "
                '"tied" off for a model that shares. '
                f"Received: sharing={model.sharing!r}"
            )
        deep = type(model).from_config(
            {**model.get_config(), "num_blocks": num_blocks}
        )
        deep.vocabulary = model.vocabulary
        pairs = list(layer_pairs(model, deep, sources, switches))
        for shallow_layer, deep_layer in pairs:
            deep_layer.set_weights(shallow_layer.get_weights())
        if switches["optimizer"]:
            copy_optimizer(model, deep, pairs)
        if switches["tied"] and switches["blocks"]:
            deep.tied_blocks = copies_of_each(sources)
        return deep


def _check_tied_head(model, switches):
    """A tied head is the embedding: copying it copies that, too."""
    if switches["embedding"] or not switches["head"]:
        return
    of_embedding, of_head = (
        {id(v) for layer in model.parts()[part] for v in layer.weights}
        for part in ("embedding", "head")
    )
    if of_embedding & of_head:
        raise ValueError(
            "The head of this model is tied to its item embedding, and "
            "copying one copies both: switch both on or both off. "
            f"Received: model={type(model).__name__} with embedding=False, "
            "head=True"
        )
