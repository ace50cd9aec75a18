"""Networks forward and backward by hand, so that every example's gradient is at hand.

A layer's gradient is kept as products of what went into it and what came back to
it (`products`), from which follow the gradient of the batch, the norm of each
example's gradient, and the sum of clipped gradients.
"""
