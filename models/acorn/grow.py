"""Grows a trained Acorn small into a wider model that says the same, as a start for training Acorn.

Every number of the residual stream stands twice in the wider model. A weight that reads a doubled number
is split at random between the two, so that the copies see different gradients and grow apart.
"""

import torch


def double_rows(weight):
    return torch.cat((weight, weight), 0)


def split_columns(weight, copies):
    """`copies[i]` is the old column that new column i repeats; the shares of one old column add up to 1."""
    share = torch.rand(weight.shape[0], len(copies)) + 0.05
    total = torch.zeros_like(weight).index_add_(1, copies, share)
    return weight[:, copies] * share / total[:, copies]


def grow(small, wide):
    """The state of `wide` that computes what the state `small` computes. `wide` has twice the width and heads."""
    width = small["output_norm.weight"].shape[0]
    assert wide["output_norm.weight"].shape[0] == 2 * width, "the wide model must have twice the width"
    twice = torch.arange(2 * width) % width
    state = {}
    for name, goal in wide.items():
        weight = small[name]
        if name == "output_norm.weight":
            state[name] = weight[twice] / 2
        elif weight.dim() == 1:
            state[name] = weight[twice]
        elif name == "token_embd.weight":
            state[name] = weight[:, twice]
        elif "ffn_" in name:
            more = torch.arange(goal.shape[1 if "down" in name else 0])
            neurons = more % small[name].shape[1 if "down" in name else 0]
            if "down" in name:
                state[name] = split_columns(double_rows(weight), neurons)
            else:
                state[name] = split_columns(weight[neurons], twice)
        else:
            state[name] = split_columns(double_rows(weight), twice)
        assert state[name].shape == goal.shape, name
    return {name: weight.clone() for name, weight in state.items()}
