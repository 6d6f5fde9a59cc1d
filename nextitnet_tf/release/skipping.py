"""The weights of SkipRec's release, from a TF1 checkpoint or an npz."""

import re
from collections.abc import Iterator

from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.skip_rec import SkipRec
from nextitnet_tf.release import named_weights
from nextitnet_tf.release.named_weights import Named

_POLICY = "policy_net"
# A block's name tells its place and its dilation, and whether it has alpha.
_BLOCK = re.compile(r"(rez_)?layer_(\d+)_(\d+)/dilated_conv1/weight$")
_EXPECTED = (
    "expected the variables of SkipRec's release, a NextItNet+ and its policy "
    "of convolutions"
)


def load_skiprec(
    source, dilation_rates: tuple[int, ...] | None = None
) -> SkipRec:
    """A SkipRec with the weights of SkipRec's release.

    Depth, dilations and whether blocks have alpha are read off names. The ids
    are the release's: 0 is `<UNK>`, padding is an item. Of the release's
    policies the convolutional one is read; of those with a GRU and with
    attention there are no measured numbers.

    Args:
        source: prefix of a TF1 checkpoint, or path of an npz of its variables
            by name (of those that begin with `state/`, if some do).
        dilation_rates: one a block, cycled. The names say them; others are
            refused.

    Returns:
        A built model whose policy's logits pass a sigmoid, as in the release.
        At inference it takes what the policy is for, where the release draws
        (`SkipRec(is_noisy=True)`).

    Raises:
        ValueError: no such file, or one of another model: a variable is
            missing, superfluous or of another shape.

    Reference:
        SkipRec's release; Chen et al., AAAI 2021.
    """
    tensors = named_weights.read(source)
    rates, use_alpha = _blocks(tensors, "", source)
    policy_rates, _ = _blocks(tensors, f"{_POLICY}/", source)
    named_weights.check_dilations(source, rates, dilation_rates)
    table = tensors.get("item_embedding")
    if table is None or table.ndim != 2 or len(policy_rates) != 2:
        raise ValueError(
            f"{source}: {_EXPECTED}. Received: "
            f"{', '.join(sorted(tensors)[:3])}, ..."
        )
    kernel = next(t for n, t in tensors.items() if _BLOCK.match(n))
    backbone = NextItNet(
        num_items=len(table) - 1,
        num_blocks=len(rates),
        embedding_dim=table.shape[1],
        kernel_size=kernel.shape[-3],
        dilation_rates=rates,
        use_alpha=use_alpha,
    )
    model = SkipRec(backbone, sigmoid_logits=True)
    named_weights.assign(source, tensors, _named_variables(model), _EXPECTED)
    return model


def _blocks(tensors, scope: str, source) -> tuple[tuple[int, ...], bool]:
    """Dilations of the blocks of a scope, and whether they have alpha."""
    found = [
        match
        for name in tensors
        if name.startswith(scope)
        and (match := _BLOCK.match(name[len(scope) :]))
    ]
    rates = {int(m.group(2)): int(m.group(3)) for m in found}
    if not rates or sorted(rates) != list(range(len(rates))):
        raise ValueError(
            f"{source}: {_EXPECTED} ({scope}rez_layer_0_1/... and so on). "
            f"Received: {', '.join(sorted(tensors)[:3])}, ..."
        )
    return tuple(rates[i] for i in range(len(rates))), bool(found[0].group(1))


def _named_variables(model: SkipRec) -> Iterator[Named]:
    backbone, policy = model.backbone, model.skip_policy
    yield "item_embedding", backbone.item_embedding.embeddings, False
    yield "softmax_w", backbone.item_softmax.kernel, False
    yield "softmax_b", backbone.item_softmax.bias, False
    yield from _of_blocks("", backbone.blocks)
    table = policy.item_embedding.embeddings
    yield f"{_POLICY}/item_embedding", table, False
    yield f"{_POLICY}/softmax_w", policy.kernel, False
    yield f"{_POLICY}/softmax_b", policy.bias, False
    yield from _of_blocks(f"{_POLICY}/", policy.readers)


def _of_blocks(scope: str, blocks) -> Iterator[Named]:
    for i, block in enumerate(blocks):
        kind = "rez_layer" if block.use_alpha else "layer"
        place = f"{scope}{kind}_{i}_{block.dilation_rate}"
        if block.use_alpha:
            yield f"{place}/rez", block.rezero.alpha, False
        for s, (conv, norm) in enumerate(
            ((block.conv1, block.norm1), (block.conv2, block.norm2)), 1
        ):
            yield f"{place}/dilated_conv{s}/weight", conv.kernel, False
            yield f"{place}/dilated_conv{s}/bias", conv.bias, False
            for name in ("beta", "gamma"):
                variable = getattr(norm, name)
                yield f"{place}/layer_norm{s}/{name}", variable, False
