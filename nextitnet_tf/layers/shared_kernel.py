"""A layer that can use the kernel of another."""


class SharedKernel:
    """Lets a layer of Keras' use the kernel and bias of another of its kind.

    Mixed into a layer that has both. Who uses the weights of another has none
    of its own: they are counted, copied and saved at their owner alone, and
    its gradients are summed with those of the owner.
    """

    _owner = None

    def use_kernel_of(self, owner):
        """Makes this layer, which is not built yet, use another's weights.

        Args:
            owner: a layer of the same kind, or one that itself uses the
                weights of another; it is built first.
        """
        # Past Keras, which would take the owner for a part of this layer.
        object.__setattr__(self, "_owner", owner.find_owner())

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

    def save_own_variables(self, store):
        if self._owner is None:
            super().save_own_variables(store)

    def load_own_variables(self, store):
        if self._owner is None:
            super().load_own_variables(store)
