"""Exports; see nextitnet_tf.commands.export."""

from nextitnet_tf.commands.export import main
from nextitnet_tf.commands.export import run

__all__ = ["main"]

if __name__ == "__main__":
    run()
