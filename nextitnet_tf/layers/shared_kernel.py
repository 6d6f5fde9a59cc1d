"""A layer that can use the kernel of another."""


class SharedKernel:
    """Lets a layer of Keras' use the kernel and bias of another of its kind.

    Mixed into a layer that has both. Who uses the weights of another has none
    of its own: they are counted, copied, saved and frozen at their owner
    alone, and their gradient is the sum over all who use them. They are one
    variable; copies that stacking ties (`training.fitting`) are several, each
    with slots of the optimizer, as the release's are, so that is another
    mechanism.
    """

    _owner = None
    _is_used = False  # by another layer, too

    def use_kernel_of(self, owner):
        """Makes this layer, which is not built yet, use another's weights.

        Args:
            owner: a layer of the same kind, or one that itself uses the
                weights of another; it is built first.

        Raises:
            ValueError: this layer has weights already.
        """
        if self.built:
            raise ValueError(
                "Expected a layer without weights. Received: the built layer "
                f"{self.name}"
            )
        owner = owner.find_owner()
        # Past Keras, which would take the owner for a part of this layer.
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(owner, "_is_used", True)

    def find_owner(self):
        """The layer that has the weights: this one, or another."""
        return self if self._owner is None else self._owner

    @property
    def kernel(self):
        """The owner's."""
        owner = self._owner
        return super().kernel if owner is None else owner.kernel

    def build(self, input_shape):
        if self._owner is None:
            super().build(input_shape)
            return
        object.__setattr__(self, "bias", self._owner.bias)
        self.built = True

    def quantize(self, *args, **kwargs):
        self._check_own("quantized")
        super().quantize(*args, **kwargs)

    def enable_lora(self, *args, **kwargs):
        self._check_own("given a LoRA")
        super().enable_lora(*args, **kwargs)

    def save_own_variables(self, store):
        if self._owner is None:
            super().save_own_variables(store)

    def load_own_variables(self, store):
        if self._owner is None:
            super().load_own_variables(store)

    def _check_own(self, what):
        if self._is_used or self._owner is not None:
            raise ValueError(
                f"A kernel that blocks share is not {what}. Received: the "
                f"layer {self.name}"
            )
