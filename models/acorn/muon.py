"""Muon: momentum whose matrices are made nearly orthogonal, for the matrices inside the blocks.

The method is Keller Jordan's, with a Newton-Schulz iteration of the fifth order. In a short trial here
the loss fell much faster than with AdamW alone; nothing was measured side by side.
"""

import torch

A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices, rounds=5):
    """Push the singular values of each matrix of the stack (n, rows, columns) towards 1."""
    turned = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if turned else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.transpose(1, 2)
        x = A * x + (B * square + C * square @ square) @ x
    return x.transpose(1, 2) if turned else x


class Muon(torch.optim.Optimizer):
    """Matrices of one shape are treated in one stack, which is faster."""

    def __init__(self, weights, lr=0.02, momentum=0.95, weight_decay=0.01):
        shapes = {}
        for weight in weights:
            shapes.setdefault(tuple(weight.shape), []).append(weight)
        groups = [{"params": same} for same in shapes.values()]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            updates = []
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                updates.append(weight.grad.lerp(state["momentum"], group["momentum"]))
            rows, columns = updates[0].shape
            scale = group["lr"] * max(1.0, rows / columns) ** 0.5
            for weight, update in zip(group["params"], orthogonal(torch.stack(updates))):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)
