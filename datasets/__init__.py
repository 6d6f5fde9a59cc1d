"""Prepare raw files as sessions on disk.

`datasets.prepare` is the way in, from Python and from the command line; one
module a raw format does the work, and `datasets.sessions` knows the format on
disk. Nothing in this package imports TensorFlow or Keras: data is prepared
once, on any machine, and read by `nextitnet_tf.data` ever after.
"""
