"""Identity of answers: its definition, who is counted, and what it says where nothing is known."""

import pytest
import torch
from torch import nn

from ganprior_null.metrics import cosine_similarity, identity, identity_of_features


class Corner(nn.Module):
    """An image's first pixel as three features, beside a large common part, as networks trained on distances have."""

    def __init__(self):
        super().__init__()
        self.common = nn.Parameter(torch.tensor([5.0, 0.0, 0.0]), requires_grad=False)

    def forward(self, x):
        return x[..., 0, 0] + self.common


@pytest.fixture
def pictures():
    """Six truths, and answers near them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, 3, 8, 8, generator=generator)
    return x, (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def test_it_is_the_cosine_after_the_mean_of_the_truths_is_subtracted(pictures):
    x, x_hat = pictures
    z, z_hat = x[..., 0, 0].double(), x_hat[..., 0, 0].double()  # the common part is in the mean
    apart, apart_hat = z - z.mean(0), z_hat - z.mean(0)
    expected = (apart * apart_hat).sum(1) / (apart.norm(dim=1) * apart_hat.norm(dim=1))
    found = identity(x, x_hat, Corner())
    torch.testing.assert_close(found.cosine, expected, rtol=1e-5, atol=1e-6)  # features are float32
    assert found.cosine.dtype == found.rank.dtype == torch.float64
    # the trap that centring is there for: strangers have a plain cosine near 1
    strangers = x.roll(1, 0)
    assert (
        cosine_similarity(x, strangers, Corner()).mean() > 0.95 and identity(x, strangers, Corner()).cosine.mean() < 0
    )


def test_rank_counts_people_who_are_nearer():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])  # their mean is 0
    assert identity_of_features(z, z, range(4)).rank.tolist() == [1, 1, 1, 1]
    assert identity_of_features(z, -z, range(4)).rank.tolist() == [4, 4, 4, 4]
    assert identity_of_features(z, z.roll(1, 0), range(4)).rank.tolist() == [2.5] * 4  # ties count half
    found = identity_of_features(z, z.roll(1, 0), ["a", "a", "b", "c"])  # the others of a person count as that person
    assert found.rank.tolist()[:2] == [2.5, 1]  # the first answer is c, and b is as far as a; the second hits a's other
    assert found.cosine.tolist() == pytest.approx([0, 0, 0, 0])


def test_knowing_nothing_is_chance():
    generator = torch.Generator().manual_seed(0)
    z, other = torch.randn(2, 300, 16, generator=generator, dtype=torch.float64)
    found = identity_of_features(z, other, range(300))
    assert found.rank.mean() == pytest.approx(150.5, abs=4 * 300 / (12 * 300) ** 0.5)  # four standard errors
    assert abs(found.cosine.mean()) < 4 / (16 * 300) ** 0.5
    same = identity_of_features(z, z[:1].expand_as(z), range(300))  # everybody gets the same face
    assert same.rank.mean() == pytest.approx(150.5)
    constant = identity_of_features(torch.ones(300, 16), torch.ones(300, 16), range(300))  # a network that sees nothing
    assert constant.rank.mean() == pytest.approx(150.5) and float(constant.cosine.abs().max()) < 1e-6


def test_bad_input(pictures):
    x, x_hat = pictures
    for pair, people, told in (
        ((x, x_hat[:3]), None, "differ in shape"),
        ((x, x_hat), ["a"] * 5, "one for each image: 5 names for 6 images"),
        ((x, x_hat), ["a"] * 6, "at least 2 people, whose mean is nobody, got 1"),
        ((x[:1], x_hat[:1]), None, "at least 2 people, whose mean is nobody, got 1"),
        ((x, x_hat * torch.nan), None, "1152 NaN or infinite values"),
    ):
        with pytest.raises(ValueError, match=told):
            identity(*pair, Corner(), people=people)
