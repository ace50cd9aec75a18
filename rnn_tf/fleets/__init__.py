"""Shadow models: who is trained on what, training them, and keeping what they say."""
