"""Deleting training examples from a model, and finding out whether they are gone."""
