"""What an optimizer remembers of each weight, and how it is copied."""


def optimizer_slots(model):
    """The optimizer's variables for each trainable variable, by its id.

    Args:
        model: compiled, with a built optimizer.

    Returns:
        {id(variable): its slots}; for Adam the first and second moment.

    Raises:
        ValueError: an optimizer that keeps them in another order, or scales
            the loss.
    """
    optimizer = model.optimizer
    if hasattr(optimizer, "inner_optimizer"):
        raise ValueError(
            "Copying optimizer slots needs an optimizer that scales no loss: "
            "expected another dtype than mixed_float16. Received: "
            f"{type(optimizer).__name__}"
        )
    # A fresh optimizer has its own few variables (iterations, learning rate);
    # building appends the slots, all those of one model variable together.
    fresh = type(optimizer).from_config(optimizer.get_config())
    slots = optimizer.variables[len(fresh.variables) :]
    variables = model.trainable_variables
    each = len(slots) // len(variables)
    found = {
        id(variable): slots[i * each : (i + 1) * each]
        for i, variable in enumerate(variables)
    }
    # Some (Adam with amsgrad, ...) keep them in another order.
    for variable in variables:
        if any(slot.shape != variable.shape for slot in found[id(variable)]):
            raise ValueError(
                "Copying optimizer slots needs an optimizer that keeps those "
                "of each variable together, as Adam does. "
                f"Received: optimizer={optimizer.get_config()}"
            )
    return found


def copy_optimizer(model, deep, pairs):
    """Compiles a model as another is, and copies slots along with weights.

    Args:
        model: compiled and trained.
        deep: the model that gets an optimizer of its own.
        pairs: (layer of `model`, layer of `deep`) of what was copied.

    Raises:
        ValueError: `model` has no optimizer, or one whose slots cannot be
            told apart.
    """
    if getattr(model, "optimizer", None) is None or not model.optimizer.built:
        raise ValueError(
            "Copying optimizer slots needs a model that has been trained and "
            "still has its optimizer. Received: a model without one"
        )
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    deep.compile(
        optimizer=optimizer,
        num_sampled=model.num_sampled,
        l2=model.l2,
        label_smoothing=model.label_smoothing,
    )
    optimizer.iterations.assign(model.optimizer.iterations)
    shallow_slots = optimizer_slots(model)
    deep_slots = optimizer_slots(deep)
    for shallow_layer, deep_layer in pairs:
        for variable, copy in zip(
            shallow_layer.trainable_variables,
            deep_layer.trainable_variables,
            strict=True,
        ):
            for slot, slot_copy in zip(
                shallow_slots[id(variable)], deep_slots[id(copy)], strict=True
            ):
                slot_copy.assign(slot)
