"""A model that has some of another's blocks."""

from collections.abc import Sequence

from nextitnet_tf.models.sequential_recommender import SequentialRecommender


def with_blocks(model: SequentialRecommender, blocks: Sequence[int]):
    """A model of some blocks of another, with its weights.

    What `SkipRec` would compute if every history ran these blocks, without a
    policy that decides so.

    Args:
        model: built, with blocks.
        blocks: places of those that stay, increasing.

    Returns:
        A model of the same class; the weights are copies.

    Raises:
        ValueError: no blocks, places that the model has not or that do not
            increase; kernels that blocks share.
    """
    num_blocks = len(getattr(model, "blocks", None) or ())
    places = sorted({*blocks} & {*range(num_blocks)})
    if not places or places != list(blocks):
        raise ValueError(
            f"Expected increasing places of the model's {num_blocks} blocks. "
            f"Received: blocks={list(blocks)}"
        )
    if model.sharing != "none":
        raise ValueError(
            "Expected blocks with kernels of their own: which of them own a "
            "kernel changes with their number. Received: a "
            f"{type(model).__name__} with sharing={model.sharing!r}"
        )
    config = model.get_config()
    config["num_blocks"] = len(places)
    if "dilation_rates" in config:
        rates = config["dilation_rates"]
        config["dilation_rates"] = [rates[i % len(rates)] for i in places]
    fewer = type(model).from_config(config)
    pairs = [
        (model.blocks[i], block)
        for i, block in zip(places, fewer.blocks, strict=True)
    ]
    of_parts = zip(model.parts().values(), fewer.parts().values(), strict=True)
    for of_model, of_fewer in of_parts:
        pairs += zip(of_model, of_fewer, strict=True)
    for source, target in pairs:
        target.set_weights(source.get_weights())
    return fewer
