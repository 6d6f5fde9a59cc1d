"""Raw files become sessions on disk; see nextitnet_tf.commands.prepare."""

from nextitnet_tf.commands import prepare

if __name__ == "__main__":
    prepare.run()
