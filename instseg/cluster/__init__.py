"""Predictions of any number of photos on a Ray cluster, as Parquet shards."""
