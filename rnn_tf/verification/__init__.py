"""Whether the figures of a run are what its stored scores and ids say."""
