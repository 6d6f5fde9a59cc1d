"""The same on Spark; see nextitnet_tf.commands.prepare_spark."""

from nextitnet_tf.commands import prepare_spark

if __name__ == "__main__":
    prepare_spark.run()
