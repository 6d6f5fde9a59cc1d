"""From a checkout: raw files become sessions on disk.

`python -m datasets.prepare` is what `nextitnet-tf prepare` is; the work is
done in `nextitnet_tf.preparation`. What prepares only for a table of a paper
(`transfer_pairs`) and what measures how fast it is (`measure`) lives here.
"""
