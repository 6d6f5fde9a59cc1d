"""Serves; see nextitnet_tf.commands.serve."""

from nextitnet_tf.commands.serve import main
from nextitnet_tf.commands.serve import run

__all__ = ["main"]

if __name__ == "__main__":
    run()
