"""Differentially private training: how it is done, and what it amounts to."""
