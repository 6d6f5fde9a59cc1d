"""What the names and shapes in a TF1 checkpoint of the release say."""

import re
from collections.abc import Iterator

import keras

from nextitnet_tf.models.nextitnet import NextItNet

_BLOCK = "nextitnet_residual_blockdecoder_layer_"
_BLOCK_NAME = re.compile(rf"{_BLOCK}(\d+)(?:_(\d+))?/")
_DEFAULT_RATES = (1, 4)


def named_variables(
    model: NextItNet, *, with_dilations: bool
) -> Iterator[tuple[str, keras.Variable, tuple[int, ...]]]:
    """(name, variable, shape in the checkpoint), in TF1's order."""
    width, columns = model.embedding_dim, model.num_items + 1
    yield (
        "allitem_embeddings",
        model.item_embedding.embeddings,
        (columns, width),
    )
    for i, block in enumerate(model.blocks):
        start = f"{_BLOCK}{i}"
        if with_dilations:
            start += f"_{block.dilation_rate}"
        if block.rezero:
            yield f"{start}/rez", block.rezero.alpha, (1,)
        for k, conv, norm in (
            (1, block.conv1, block.norm1),
            (2, block.conv2, block.norm2),
        ):
            # (width, in, out) is an image of height 1 in the release.
            shape = (1, model.kernel_size, width, width)
            yield f"{start}/dilated_conv{k}/weight", conv.kernel, shape
            yield f"{start}/dilated_conv{k}/bias", conv.bias, (width,)
            yield f"{start}/layer_norm{k}/beta", norm.beta, (width,)
            yield f"{start}/layer_norm{k}/gamma", norm.gamma, (width,)
    head = model.item_softmax
    if model.relu_before_softmax:
        yield "logits/weight", head.kernel, (1, 1, width, columns)
        yield "logits/bias", head.bias, (columns,)
    else:
        yield "softmax_w", head.kernel, (columns, width)
        yield "softmax_b", head.bias, (columns,)


def have_dilations(names) -> bool:
    """Whether the names of blocks end in their dilation."""
    return any(m.group(2) for m in map(_BLOCK_NAME.match, names) if m)


def check_depth(names, prefix: str) -> None:
    """Blocks count from 0 without a gap: cheap to see before any is built."""
    found = {int(m.group(1)) for m in map(_BLOCK_NAME.match, names) if m}
    missing = sorted(set(range(len(found))) - found)
    if missing:
        raise ValueError(
            f"{prefix}: expected variables {_BLOCK}{missing[0]}/..., since "
            f"there are some of block {max(found)}. Received: a checkpoint "
            "without them"
        )


def read_config(
    shapes: dict[str, tuple[int, ...]],
    dilation_rates: tuple[int, ...] | None,
    prefix: str,
) -> dict:
    """The arguments of NextItNet that names and shapes tell."""
    matches = [m for m in map(_BLOCK_NAME.match, sorted(shapes)) if m]
    if not matches:
        raise ValueError(
            f"{prefix}: expected a NextItNet's variables ({_BLOCK}0/...). "
            f"Received: {', '.join(sorted(shapes)[:3])}, ..."
        )
    num_blocks = 1 + max(int(m.group(1)) for m in matches)
    table = shapes.get("allitem_embeddings")
    if table is None:
        raise ValueError(
            f"{prefix}: expected a variable allitem_embeddings of shape "
            f"(items, width). Received: {len(shapes)} variables without it"
        )
    if len(table) != 2 or table[0] < 2 or table[1] < 1:
        raise ValueError(
            f"{prefix}: expected allitem_embeddings of shape (items, width). "
            f"Received: {table}"
        )
    first_kernel = [
        shape
        for name, shape in shapes.items()
        if re.match(rf"{_BLOCK}0(_\d+)?/dilated_conv1/weight$", name)
        and len(shape) == 4
    ]
    return {
        "num_items": table[0] - 1,
        "num_blocks": num_blocks,
        "embedding_dim": table[1],
        "kernel_size": first_kernel[0][1] if first_kernel else 3,
        "dilation_rates": _rates(matches, num_blocks, dilation_rates, prefix),
        # The release starts all kernels alike, those of stacking, too.
        "kernel_seed": None if have_dilations(shapes) else 1,
        "use_alpha": any(name.endswith("/rez") for name in shapes),
        "relu_before_softmax": any(n.startswith("logits/") for n in shapes),
    }


def _rates(matches, num_blocks, given, prefix) -> tuple[int, ...]:
    """Dilations by the names, which the caller must not contradict."""
    named = {int(m.group(1)): m.group(2) for m in matches}
    known = {i: int(rate) for i, rate in named.items() if rate is not None}
    if not known:
        return tuple(given or _DEFAULT_RATES)
    rates = tuple(known.get(i, 1) for i in range(num_blocks))
    if not given:
        period = next(
            p
            for p in range(1, num_blocks + 1)
            if all(rates[i] == rates[i % p] for i in range(num_blocks))
        )
        return rates[:period]
    for i, rate in known.items():
        if given[i % len(given)] != rate:
            raise ValueError(
                f"{prefix}: the names say that block {i} has dilation {rate}. "
                f"Received: dilation_rates={tuple(given)}, which gives it "
                f"{given[i % len(given)]}"
            )
    return tuple(given)


def check_names(found, expected: set[str], prefix: str) -> None:
    """One error that names the first difference."""
    missing = sorted(expected - set(found), key=in_block_order)
    if missing:
        raise ValueError(
            f"{prefix}: expected a variable {missing[0]}. Received: "
            f"{len(found)} variables without it"
            + (f" and {len(missing) - 1} others" if missing[1:] else "")
            + "; a checkpoint of one model has all the variables of each "
            "block, from block 0 on"
        )
    superfluous = sorted(set(found) - expected, key=in_block_order)
    if superfluous:
        raise ValueError(
            f"{prefix}: expected a NextItNet's {len(expected)} variables "
            f"only. Received: {superfluous[0]}, which is none of them"
        )


def in_block_order(name: str) -> tuple[int, str]:
    """A key that sorts names block by block."""
    match = _BLOCK_NAME.match(name)
    return (int(match.group(1)) if match else -1, name)


def check_shape(name, found, expected, prefix) -> None:
    """One error that names the variable."""
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"{prefix}: expected {name} of shape {tuple(expected)}, as "
            f"allitem_embeddings and the first block say. "
            f"Received: {tuple(found)}"
        )
