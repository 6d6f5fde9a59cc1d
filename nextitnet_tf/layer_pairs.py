"""Which layer of a shallow model is copied into which of a deep one."""


def layer_pairs(model, deep, sources, switches):
    """The layers of everything that stacking copies.

    Where kernels are shared, each distinct kernel of the deep model is copied
    from that which the source of its owner uses.

    Args:
        model: shallow.
        deep: of the same class and configuration, but for its depth.
        sources: which shallow block each deep block is copied from
            (`stacking.source_blocks`).
        switches: what is copied (`stacking.SWITCHES`).

    Yields:
        (shallow layer, deep layer), both with weights of their own.
    """
    for shallow_layer, deep_layer in _parts(model, deep, sources, switches):
        if _owner(deep_layer) is deep_layer:
            yield _owner(shallow_layer), deep_layer


def _owner(layer):
    """The layer that has the weights (`SharedKernel`)."""
    return layer.find_owner() if hasattr(layer, "find_owner") else layer


def _parts(model, deep, sources, switches):
    of_shallow = model.parts()
    for part, layers in deep.parts().items():
        if switches[part]:
            yield from zip(of_shallow[part], layers, strict=True)
    copied = set()
    for block, source in zip(deep.blocks, sources, strict=True):
        if source is None:
            continue
        is_first = source not in copied
        copied.add(source)
        shallow_parts = model.blocks[source].parts()
        for part, layers in block.parts().items():
            starts_at_zero = part == "alpha" and switches["identity"]
            if switches[part] and (is_first or not starts_at_zero):
                yield from zip(shallow_parts[part], layers, strict=True)
