"""Samples in shards over Dask distributed: the same results, whoever computes them."""
