"""The degradation encoder's pre-training: what it updates, what it refuses, and that it learns to tell degradations."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.restorers import DegradationEncoder, MomentumContrast


def images(count=3, seed=0):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def contrast(**options) -> MomentumContrast:
    torch.manual_seed(0)
    return MomentumContrast(**({"queue": 8} | options))


def test_the_vector_does_not_depend_on_the_size():
    encoder = DegradationEncoder().eval()
    for side in (4, 16, 33):
        v = encoder(torch.rand(2, 3, side, side))
        assert v.shape == encoder.embed(torch.rand(2, 3, side, side)).shape == (2, 256)


@torch.no_grad()
def test_the_queue_keeps_the_latest_keys():
    network = contrast()
    before = network.queue.clone()
    assert torch.allclose(before.norm(dim=0), torch.ones(8), atol=1e-6)
    for step in range(3):  # 9 keys into 8 places: the ninth takes the first one's
        network(images(seed=step), images(seed=10 + step))
    assert int(network.queue_ptr) == 1
    assert torch.allclose(network.queue.norm(dim=0), torch.ones(8), atol=1e-6)
    assert not (network.queue == before).any(dim=0).all()
    latest, places = network.queue.clone(), [1, 2, 3]
    logits = network(images(seed=7), images(seed=8))
    assert (network.queue[:, places] != latest[:, places]).any(dim=0).all()
    kept = [i for i in range(8) if i not in places]
    assert torch.equal(network.queue[:, kept], latest[:, kept])
    assert logits.shape == (3, 9) and logits.abs().max() <= 1 / 0.07 + 1e-4  # cosines over the temperature


@torch.no_grad()
def test_the_keys_encoder_follows():
    network = contrast(momentum=0.75)
    for p in network.encoder_q.parameters():
        p += 1
    before = [p.clone() for p in network.encoder_k.parameters()]
    network(images(), images(seed=1))
    for slow, was, fast in zip(network.encoder_k.parameters(), before, network.encoder_q.parameters(), strict=True):
        assert torch.allclose(slow, 0.75 * was + 0.25 * fast, atol=1e-6)


@torch.no_grad()
def test_evaluation_changes_nothing():
    network = contrast()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    network.eval()(images(), images(seed=1))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    network.train()(images(), images(seed=1))  # negative control
    assert not torch.equal(network.queue, before["queue"])


def test_gradients_reach_the_queries_encoder_only():
    network = contrast()
    loss = F.cross_entropy(network(images(), images(seed=1)), torch.zeros(3, dtype=torch.long))
    loss.backward()
    assert all(p.grad is not None for p in network.encoder_q.parameters())
    assert all(p.grad is None for p in network.encoder_k.parameters())


@pytest.mark.parametrize(("count_q", "count_k"), [(3, 2), (9, 9)])
def test_batches_that_do_not_fit(count_q, count_k):
    with pytest.raises(ValueError, match="must be as many, and at most the queue's 8"):
        contrast()(images(count_q), images(count_k))


def test_it_learns_to_tell_degradations():
    """Pairs share their noise level, not their content: training at least doubles how much more they are alike."""
    levels = torch.tensor([0.02, 0.1, 0.3, 0.9])[:, None, None, None]

    def pairs(step):
        generator = torch.Generator().manual_seed(step)
        flat = [0.3 * torch.randn(4, 3, 1, 1, generator=generator) for _ in range(2)]
        return [x + levels * torch.randn(4, 3, 16, 16, generator=generator) for x in flat]

    @torch.no_grad()
    def margin():
        """Mean cosine of pairs minus that of all others, fresh images."""
        v = F.normalize(network.encoder_q.embed(torch.cat(pairs(100))), dim=1)
        cosines = v[:4] @ v[4:].T
        return float((4 * cosines.diagonal().mean() - cosines.mean() * 4) / 3)

    network = contrast(queue=16, momentum=0.9)
    optimizer = torch.optim.SGD(network.encoder_q.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    untrained = margin()
    for step in range(12):
        loss = F.cross_entropy(network(*pairs(step)), torch.zeros(4, dtype=torch.long))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert margin() > 2 * untrained > 0
