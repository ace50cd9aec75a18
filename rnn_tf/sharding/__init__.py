"""Sharded models: training their shards, slice by slice, and keeping each stage."""
