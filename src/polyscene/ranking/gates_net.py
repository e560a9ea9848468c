"""The network of `gates`: scenario gates, shared and task experts, towers, a chain of tasks.

    x'   = x ⊙ 2σ(g(x, e_s))                        the gate of the scenario on the inputs
    h_t  = Σ_k softmax(G_t(x', e_s))_k · E_k(x')     over shared experts and those of the task
    z_t  = tower_t(h_t ⊙ 2σ(r_t(e_s)))               the logit, or the value, of a task
    p_t  = σ(z_t) · p_before                         along the chain, where a task is part of it

e_s is an embedding of the scenario. References: Ma et al. (2018), Modeling Task Relationships in
Multi-task Learning with Multi-gate Mixture-of-Experts, KDD; Tang et al. (2020), Progressive Layered
Extraction, RecSys; Chang et al. (2023), PEPNet, KDD; Ma et al. (2018), Entire Space Multi-Task
Model, SIGIR; Kendall, Gal and Cipolla (2018), Multi-Task Learning Using Uncertainty to Weigh
Losses, CVPR. This module needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GatesNet", "balanced_loss"]

_TINY = 1e-6
"""The distance of a probability from 0 and 1, at least, where it becomes a logit."""


class GatesNet(nn.Module):
    """Logits of all tasks for rows of features.

    Args:
        inputs: Width of the features.
        scenarios: How many scenarios there are.
        tasks: How many tasks.
        chain: Numbers of tasks of which each presupposes the one before it.
        hidden: Width of experts and towers.
        shared: Experts that all tasks share.
        own: Experts of each task.
        embedding_size: Width of the embedding of a scenario.
    """

    def __init__(
        self,
        inputs: int,
        scenarios: int,
        tasks: int,
        chain: Sequence[int],
        hidden: int,
        shared: int,
        own: int,
        embedding_size: int,
    ) -> None:
        super().__init__()
        self.chain = list(chain)
        self.scenario = nn.Embedding(scenarios + 1, embedding_size)  # the last is an unknown one
        both = inputs + embedding_size
        self.input_gate = _two_layers(both, hidden, inputs)
        self.shared = nn.ModuleList(_two_layers(inputs, hidden, hidden) for _ in range(shared))
        self.own = nn.ModuleList(
            nn.ModuleList(_two_layers(inputs, hidden, hidden) for _ in range(own))
            for _ in range(tasks)
        )
        self.choice = nn.ModuleList(nn.Linear(both, shared + own) for _ in range(tasks))
        self.tower_gate = nn.ModuleList(nn.Linear(embedding_size, hidden) for _ in range(tasks))
        self.towers = nn.ModuleList(_two_layers(hidden, hidden, 1) for _ in range(tasks))
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, features: Tensor, scenario: Tensor) -> Tensor:
        """Logits, or values, of shape (n, tasks).

        Args:
            features: Shape (n, inputs).
            scenario: Code of each row's scenario, shape (n,).
        """
        embedded = self.scenario(scenario)
        gate = self.input_gate(torch.cat([features.detach(), embedded], dim=1))
        gated = features * 2 * torch.sigmoid(gate)
        context = torch.cat([gated, embedded], dim=1)
        common = [expert(gated) for expert in self.shared]
        found = []
        for own, choice, tower_gate, tower in zip(
            self.own, self.choice, self.tower_gate, self.towers, strict=True
        ):
            assert isinstance(own, nn.ModuleList)
            experts = torch.stack([*common, *(expert(gated) for expert in own)], dim=2)
            mixed = (experts * choice(context).softmax(dim=1)[:, None, :]).sum(dim=2)
            found.append(tower(mixed * 2 * torch.sigmoid(tower_gate(embedded)))[:, 0])
        for before, task in zip(self.chain, self.chain[1:], strict=False):
            chance = torch.sigmoid(found[before]) * torch.sigmoid(found[task])
            found[task] = torch.logit(chance, eps=_TINY)
        return torch.stack(found, dim=1)


def balanced_loss(
    said: Tensor, labels: Tensor, of_value: Sequence[bool], log_variance: Tensor | None
) -> Tensor:
    """The sum of the losses of all tasks over what is known.

    Log loss, or half of the squared error of values. With a learned variance of each task it is
    Σ_t exp(-s_t)·L_t + s_t/2, so that a task that is hard to predict counts less.

    Args:
        said: Logits and values, shape (n, tasks).
        labels: What happened, NaN where it is not known, same shape.
        of_value: Which tasks are values.
        log_variance: s, shape (tasks,); None for equal weights.
    """
    total = said.new_zeros(())
    for task, value in enumerate(of_value):
        known = ~torch.isnan(labels[:, task])
        if not known.any():
            continue
        own, truth = said[known, task], labels[known, task]
        loss = (
            0.5 * functional.mse_loss(own, truth)
            if value
            else functional.binary_cross_entropy_with_logits(own, truth)
        )
        if log_variance is not None:
            loss = torch.exp(-log_variance[task]) * loss + 0.5 * log_variance[task]
        total = total + loss
    return total


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
