"""The weights of CpRec's release, from a TF1 checkpoint or an npz."""

import re
from collections.abc import Iterator

import numpy as np

from nextitnet_tf.compression import Compression
from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.release import named_weights
from nextitnet_tf.release.named_weights import Named
from nextitnet_tf.sharing import kernel_owners

_BLOCK = "nextitnet_residual_blockdecoder_layer"
_INPUT = "blockwiseembedding_block"
_OUTPUT = "BlockWiseEmbeddingForSoftmax/blockwiseembedding_softmax_block"
# A norm's name tells the place and the dilation of its block.
_NORM = re.compile(rf"{_BLOCK}_(\d+)_(\d+)(_norm1)?/layer_norm1/gamma$")
_EXPECTED = "expected the variables of CpRec's release"


def load_cprec(
    source, dilation_rates: tuple[int, ...] | None = None
) -> NextItNet:
    """A compressed NextItNet with the weights of CpRec's release.

    Which kernels are shared, clusters, ranks, depth and dilations are read
    off names and shapes. The ids are the release's: 0..V - 1 by falling
    frequency, padding among them.

    Args:
        source: prefix of a TF1 checkpoint, or path of an npz of its variables
            by name (of those that begin with `state/`, if some do).
        dilation_rates: one a block, cycled. The names say them; others are
            refused.

    Returns:
        A built model, without alpha.

    Raises:
        ValueError: no such file, or one of another model: a variable is
            missing, superfluous or of another shape.

    Reference:
        CpRec's release; Sun et al., SIGIR 2020.
    """
    tensors = named_weights.read(source)
    with named_weights.naming(source):
        model = NextItNet(**_config(tensors, dilation_rates, source))
    named_weights.assign(source, tensors, _named_variables(model), _EXPECTED)
    return model


def _config(tensors, dilation_rates, source) -> dict:
    """The arguments of NextItNet that names and shapes tell."""
    norms = [m for m in map(_NORM.match, sorted(tensors)) if m]
    rates = {int(m.group(1)): int(m.group(2)) for m in norms}
    kernels = [
        tensor
        for name, tensor in tensors.items()
        if re.search(r"dilated_conv\d?/weight$", name) and tensor.ndim == 4
    ]
    if not kernels or sorted(rates) != list(range(len(rates))):
        raise ValueError(
            f"{source}: {_EXPECTED} ({_BLOCK}_0_1/... and so on). Received: "
            f"{', '.join(sorted(tensors)[:3])}, ..."
        )
    named = tuple(rates[i] for i in range(len(rates)))
    named_weights.check_dilations(source, named, dilation_rates)
    _, kernel_size, width, _ = kernels[0].shape
    sizes, embedding_ranks = _clusters(tensors, _INPUT, columns_last=False)
    columns, softmax_ranks = _clusters(tensors, _OUTPUT, columns_last=True)
    if columns:  # the root has a column for each leaf
        columns = [columns[0] - len(columns) + 1, *columns[1:]]
    sizes = sizes or columns
    full = tensors.get("word_embedding_")
    num_columns = sum(sizes) or (0 if full is None else len(full))
    if num_columns < 2:
        raise ValueError(
            f"{source}: {_EXPECTED}, an item embedding among them. Received: "
            "a file without"
        )
    return {
        "num_items": num_columns - 1,
        "num_blocks": len(named),
        "embedding_dim": width,
        "kernel_size": kernel_size,
        "dilation_rates": named,
        "kernel_seed": 1,
        "use_alpha": False,
        "compression": Compression(
            tuple(np.cumsum(sizes)),
            embedding_ranks,
            softmax_ranks,
            _scheme(tensors, bool(norms[0].group(3))),
        ),
    }


def _scheme(names, have_own_norms: bool) -> str:
    """How kernels are shared, by their names."""
    if any(name.startswith(f"{_BLOCK}/") for name in names):
        return "cross_layer"
    if any(re.match(rf"{_BLOCK}_\d+/", name) for name in names):
        return "cross_block"
    if any("/dilated_conv/" in name for name in names):
        return "adjacent_layer"
    return "adjacent_block" if have_own_norms else "none"


def _clusters(
    tensors, start: str, columns_last: bool
) -> tuple[list[int], tuple[int, ...] | None]:
    """Rows and rank of each cluster's table."""
    tables: list[np.ndarray] = []
    while (table := tensors.get(f"{start}{len(tables) + 1}_w")) is not None:
        if table.ndim != 2:
            break
        tables.append(table.T if columns_last else table)
    if not tables:
        return [], None
    return [len(t) for t in tables], tuple(t.shape[1] for t in tables)


def _named_variables(model: NextItNet) -> Iterator[Named]:
    compression = model.compression
    embedding, softmax = model.item_embedding, model.item_softmax
    if compression.embedding_ranks:
        yield from _of_clusters(
            _INPUT, embedding.tables, embedding.projections, False
        )
    else:
        yield "word_embedding_", embedding.embeddings, False
    if compression.softmax_ranks:
        yield from _of_clusters(
            _OUTPUT, softmax.kernels, softmax.projections, True
        )
    else:
        yield "softmax_w", softmax.kernel, True
        yield "softmax_b", softmax.bias, False
    yield from _of_blocks(model)


def _of_clusters(start, tables, projections, are_columns) -> Iterator[Named]:
    """A projection is (rank, width) in the input, (width, rank) in the output.

    So it is here.
    """
    for j, (table, projection) in enumerate(
        zip(tables, projections, strict=True), 1
    ):
        yield f"{start}{j}_w", table, are_columns
        if projection is not None:
            yield f"{start}{j}_proj_w", projection, False


def _of_blocks(model: NextItNet) -> Iterator[Named]:
    scheme = model.sharing
    owners = kernel_owners(len(model.blocks), scheme)
    for b, block in enumerate(model.blocks):
        place = f"{_BLOCK}_{b}_{block.dilation_rate}"
        for s, (conv, norm) in enumerate(
            ((block.conv1, block.norm1), (block.conv2, block.norm2))
        ):
            scope = {
                "none": f"{place}/dilated_conv{s + 1}",
                "cross_layer": f"{_BLOCK}/dilated_conv",
                "cross_block": f"{_BLOCK}_{s}/dilated_conv{s + 1}",
                "adjacent_layer": f"{place}/dilated_conv",
                "adjacent_block": f"{_BLOCK}_{b // 2}_{s}/dilated_conv{s + 1}",
            }[scheme]
            if owners[2 * b + s] == (b, s):
                yield f"{scope}/weight", conv.kernel, False
                yield f"{scope}/bias", conv.bias, False
            own = scheme not in ("none", "adjacent_layer")
            norm_scope = f"{place}_norm{s + 1}" if own else place
            for name in ("beta", "gamma"):
                variable = getattr(norm, name)
                yield f"{norm_scope}/layer_norm{s + 1}/{name}", variable, False
