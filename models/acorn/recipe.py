"""The numbers of the recipe."""

STEPS = {"acorn-small": 4900, "acorn": 480}  # in this order
GROWN = {"acorn": "acorn-small"}  # which size starts from which
HEIGHT = {"acorn-small": 1.0, "acorn": 0.4}  # of the rates
STORIES, SHORTS = (3, 2), (14, 14, 6, 2)  # chats in one step, in groups of rising length
MATRIX_RATE, RATE = 0.02, 4e-3  # of the matrices in the blocks; of the embedding and the norms
PROMPT_WEIGHT = 0.1  # how much a token that the person types counts
SEED = 20261122
