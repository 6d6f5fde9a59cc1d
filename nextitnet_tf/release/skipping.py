"""The weights of SkipRec's release, from a TF1 checkpoint or an npz."""

import re
from collections.abc import Iterator

from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.sasrec import SASRec
from nextitnet_tf.models.skip_rec import SkipRec
from nextitnet_tf.release import named_weights
from nextitnet_tf.release.named_weights import Named

_POLICY = "policy_net"
# A block's name tells its place and its dilation, and whether it has alpha.
_BLOCK = re.compile(r"(rez_)?layer_(\d+)_(\d+)/dilated_conv1/weight$")
_SAS_BLOCK = re.compile(r"sas_layer_(\d+)/ln_input/gamma$")
_EXPECTED = (
    "expected the variables of SkipRec's release: a NextItNet+ and its policy "
    "of convolutions, or a SASRec+ and its policy of attention"
)
# What the scripts of the release train SASRec+ with; no name says it.
_NUM_HEADS, _DROPOUT_RATE = 2, 0.2


def load_skiprec(
    source,
    dilation_rates: tuple[int, ...] | None = None,
    num_heads: int | None = None,
) -> SkipRec:
    """A SkipRec with the weights of SkipRec's release.

    Two of its models are read: NextItNet+ with the policy of convolutions,
    and SASRec+ with that of attention, a block of its own form. Depth,
    dilations and whether blocks have alpha are read off names. The ids
    are the release's: 0 is `<UNK>`, padding is an item.

    NextItNet+ gives the numbers that were measured in the release. Of SASRec+
    none were measured: it is read by the names and the description of the
    release alone. A policy with a GRU is refused, since nobody has written
    down what its variables are called.

    Args:
        source: prefix of a TF1 checkpoint, or path of an npz of its variables
            by name (of those that begin with `state/`, if some do).
        dilation_rates: one a block, cycled. The names say them; others are
            refused.
        num_heads: of SASRec+, whose heads no name says; by default 2, as in
            the release's scripts.

    Returns:
        A built model whose policy's logits pass a sigmoid, as in the release.
        At inference it takes what the policy is for, where the release draws
        (`SkipRec(is_noisy=True)`).

    Raises:
        ValueError: no such file, or one of another model: a variable is
            missing, superfluous or of another shape; an argument that the
            model does not have.

    Reference:
        SkipRec's release; Chen et al., AAAI 2021.
    """
    tensors = named_weights.read(source)
    _check_policy(tensors, source)
    is_sasrec = any(_SAS_BLOCK.match(name) for name in tensors)
    given = dilation_rates if is_sasrec else num_heads
    if given is not None:
        name = "dilation_rates" if is_sasrec else "num_heads"
        raise ValueError(
            f"{source}: a {'SASRec+' if is_sasrec else 'NextItNet+'} has no "
            f"{name}. Received: {name}={given}"
        )
    with named_weights.naming(source):
        if is_sasrec:
            backbone = _make_sasrec(tensors, num_heads or _NUM_HEADS, source)
            model = SkipRec(backbone, policy="attention", sigmoid_logits=True)
        else:
            backbone = _make_nextitnet(tensors, dilation_rates, source)
            model = SkipRec(backbone, sigmoid_logits=True)
    named_weights.assign(source, tensors, _named_variables(model), _EXPECTED)
    return model


def _check_policy(tensors, source) -> None:
    """Raises ValueError for a policy whose names nobody has written down."""
    names = [name for name in tensors if name.startswith(f"{_POLICY}/")]
    for name in names:
        if "gru" in name.lower():
            raise ValueError(
                f"{source}: {_EXPECTED}; how the release names the variables "
                f"of a policy with a GRU is not known. Received: {name}"
            )


def _table(tensors, name: str, source):
    """A variable of two axes, by which a model is sized."""
    table = tensors.get(name)
    if table is None or table.ndim != 2:
        raise ValueError(
            f"{source}: {_EXPECTED}, {name} among them. Received: "
            f"{', '.join(sorted(tensors)[:3])}, ..."
        )
    return table


def _make_sasrec(tensors, num_heads: int, source) -> SASRec:
    numbers = {
        scope: sorted(
            int(match.group(1))
            for name in tensors
            if name.startswith(scope)
            and (match := _SAS_BLOCK.match(name[len(scope) :]))
        )
        for scope in ("", f"{_POLICY}/")
    }
    blocks, of_policy = numbers.values()
    if blocks != list(range(len(blocks))) or of_policy != [0]:
        raise ValueError(
            f"{source}: {_EXPECTED} (sas_layer_0/... and so on, "
            f"{_POLICY}/sas_layer_0/...). Received: blocks {blocks}, of the "
            f"policy {of_policy}"
        )
    table = _table(tensors, "item_embedding", source)
    return SASRec(
        num_items=len(table) - 1,
        num_blocks=len(blocks),
        embedding_dim=table.shape[1],
        max_length=len(_table(tensors, "pos_embedding", source)),
        num_heads=num_heads,
        dropout_rate=_DROPOUT_RATE,
        block="plus",
    )


def _make_nextitnet(tensors, dilation_rates, source) -> NextItNet:
    rates, use_alpha = _blocks(tensors, "", source)
    policy_rates, _ = _blocks(tensors, f"{_POLICY}/", source)
    named_weights.check_dilations(source, rates, dilation_rates)
    table = _table(tensors, "item_embedding", source)
    if len(policy_rates) != 2:
        raise ValueError(
            f"{source}: {_EXPECTED}, which has two blocks. Received: a policy "
            f"of {len(policy_rates)}"
        )
    kernel = next(t for n, t in tensors.items() if _BLOCK.match(n))
    return NextItNet(
        num_items=len(table) - 1,
        num_blocks=len(rates),
        embedding_dim=table.shape[1],
        kernel_size=kernel.shape[-3],
        dilation_rates=rates,
        use_alpha=use_alpha,
    )


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
    table = policy.item_embedding.embeddings
    yield f"{_POLICY}/item_embedding", table, False
    yield f"{_POLICY}/softmax_w", policy.kernel, False
    yield f"{_POLICY}/softmax_b", policy.bias, False
    if isinstance(backbone, SASRec):
        for scope, owner, blocks in (
            ("", backbone, backbone.blocks),
            (f"{_POLICY}/", policy, policy.readers),
        ):
            places = owner.position_embedding.embeddings
            yield f"{scope}pos_embedding", places, False
            yield from _of_sas_blocks(scope, blocks)
        return
    yield from _of_blocks("", backbone.blocks)
    yield from _of_blocks(f"{_POLICY}/", policy.readers)


def _of_sas_blocks(scope: str, blocks) -> Iterator[Named]:
    for i, block in enumerate(blocks):
        place = f"{scope}sas_layer_{i}"
        for name, norm in (
            ("ln_input", block.norm_in),
            ("ln_intermediate", block.norm_mid),
            ("ln_output", block.norm_out),
        ):
            yield f"{place}/{name}/beta", norm.beta, False
            yield f"{place}/{name}/gamma", norm.gamma, False
        attention = block.attention
        for branch, rezero, layers in (
            (
                "multi_head_attention_rezero",
                block.rezero1,
                {
                    "dense": attention.query,
                    "dense_1": attention.key,
                    "dense_2": attention.value,
                },
            ),
            (
                "feed_forward_rezero",
                block.rezero2,
                {"conv1d": block.inner, "conv1d_1": block.outer},
            ),
        ):
            yield f"{place}/{branch}/rez", rezero.alpha, False
            for name, layer in layers.items():
                yield f"{place}/{branch}/{name}/kernel", layer.kernel, False
                yield f"{place}/{branch}/{name}/bias", layer.bias, False


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
