"""Distances between sets of images against closed forms, in float64; similarity of identity; the perceptual loss."""

import pytest
import torch
from torch import nn

from ganprior_null.layers import FeatureNet64
from ganprior_null.losses import contrastive_loss, perceptual_loss
from ganprior_null.metrics import (
    cosine_similarity,
    fd_features64,
    feature_moments,
    fid,
    frechet_distance,
    split_half_distance,
)


class Pixels(nn.Module):
    """Features that are known: the first few pixels."""

    def __init__(self, width=5):
        super().__init__()
        self.width = width

    def forward(self, x):
        return x.flatten(1)[:, : self.width]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FeatureNet64().eval()


def images(n, seed=0, size=32):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def covariance(seed, d=12, rank=None):
    a = torch.randn(rank or 4 * d, d, generator=torch.Generator().manual_seed(seed)).double()
    return a.T @ a / len(a)


def test_one_dimension_and_diagonals_have_a_closed_form():
    """(m1 - m2)^2 + (s1 - s2)^2 for every axis."""
    s1, s2 = torch.tensor([1.0, 2.0, 0.0]).double(), torch.tensor([3.0, 0.5, 1.0]).double()
    m1, m2 = torch.tensor([0.0, 1.0, 5.0]).double(), torch.tensor([2.0, 1.0, 4.0]).double()
    expected = float(((m1 - m2) ** 2 + (s1 - s2) ** 2).sum())
    assert frechet_distance(m1, s1.square().diag(), m2, s2.square().diag()) == pytest.approx(expected, abs=1e-13)


def test_general_covariances_agree_with_scipys_matrix_root():
    from scipy.linalg import sqrtm

    c1, c2, mean = covariance(0), covariance(1), torch.ones(12).double()
    root = torch.from_numpy(sqrtm((c1 @ c2).numpy()).real)
    expected = float(12 + (c1 + c2 - 2 * root).trace())
    assert frechet_distance(mean, c1, 0 * mean, c2) == pytest.approx(expected, rel=1e-10)


def test_symmetric_zero_for_equals_and_real_for_singular_covariances():
    mean = torch.zeros(12).double()
    c1, c2, flat = covariance(0), covariance(1), covariance(2, rank=3)
    assert frechet_distance(mean, c1, mean, c2) == pytest.approx(frechet_distance(mean, c2, mean, c1), rel=1e-12)
    assert abs(frechet_distance(mean, c1, mean, c1)) < 1e-12 * float(c1.trace())
    # the root of a rounding error is 1e-8: what a singular matrix costs
    assert abs(frechet_distance(mean, flat, mean, flat)) < 1e-6 * float(flat.trace())
    assert frechet_distance(mean, flat, mean, 4 * flat) == pytest.approx(float(flat.trace()), rel=1e-6)


def test_moments_are_torch_cov_across_batches():
    x = images(150)  # three batches, the last one short
    moments = feature_moments(x, Pixels())
    features = Pixels()(x).double()
    torch.testing.assert_close(moments.mean, features.mean(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(moments.covariance, features.T.cov(), rtol=0, atol=1e-13)
    assert moments.count == 150 and moments.covariance.dtype == torch.float64
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        feature_moments(x[:1], Pixels())


def test_fid_is_the_distance_in_whatever_network_it_is_given():
    x, y = images(40), 0.5 * images(60, seed=1)
    one, other = feature_moments(x, Pixels()), feature_moments(y, Pixels())
    expected = frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    assert fid(x, y, Pixels()) == expected > 0.1
    few, width = images(9), Pixels(12)
    with pytest.raises(ValueError, match="12 features needs more than 12 images, got 9: its rank would be at most 8"):
        fid(few, y, width)
    assert fid(few, y, width, rank_deficient=True) > 0


def test_the_two_distances_refuse_each_others_network(network):
    x = images(130)
    with pytest.raises(TypeError, match="no FID; call fd_features64"):
        fid(x, x, network)
    with pytest.raises(TypeError, match="defined by a FeatureNet64, got a Pixels"):
        fd_features64(x, x, Pixels())


def test_too_few_images_are_refused_with_the_number_needed(network):
    with pytest.raises(ValueError, match="128 features needs more than 128 images, got 128"):
        fd_features64(images(128), images(129), network)
    with pytest.raises(ValueError, match="more than 128 images, got 128"):
        split_half_distance(images(257), network, seed=0)


def test_split_halves_are_disjoint_seeded_and_near(network):
    x = images(258)
    distance = split_half_distance(x, network, seed=0)
    assert distance == split_half_distance(x, network, seed=0) != split_half_distance(x, network, seed=1)
    # halves that shared images would be nearer still: every image twice, so that both halves can hold each
    assert 0 < distance < fd_features64(x[:129], 0.8 * x[129:], network)
    assert abs(fd_features64(x, x, network)) < 1e-3 * distance


def test_cosine_is_one_for_equals_and_per_image(network):
    x, y = images(70), images(70, seed=1)
    torch.testing.assert_close(cosine_similarity(x, x, network), torch.ones(70).double())
    both = cosine_similarity(x, y, network)
    torch.testing.assert_close(both[66:67], cosine_similarity(x[66:67], y[66:67], network), rtol=1e-5, atol=1e-6)
    assert both.shape == (70,) and both.dtype == torch.float64 and both.max() < 1
    with pytest.raises(ValueError, match="differ in shape"):
        cosine_similarity(x, y[:3], network)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_images_of_any_precision_are_seen_in_the_networks_own(network, dtype):
    x, y = images(129).to(dtype), images(129, seed=1).to(dtype)
    assert fd_features64(x, y, network) == fd_features64(x.float(), y.float(), network)
    moments = feature_moments(x, network)
    assert torch.equal(moments.covariance, feature_moments(x.float(), network).covariance)
    conv = nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten())
    assert fid(x, y, conv) == fid(x.float(), y.float(), conv)


def test_a_network_without_parameters_will_do():
    x, y = images(3), images(3, seed=1)
    expected = nn.functional.cosine_similarity(x.double().flatten(1), y.double().flatten(1))
    torch.testing.assert_close(cosine_similarity(x, y, nn.Flatten()), expected)


def test_perceptual_loss_is_the_mean_over_stages(network):
    x, reference = images(2).requires_grad_(), images(2, seed=1)
    loss = perceptual_loss(x, reference, network)
    stages = zip(network.stages(x), network.stages(reference), strict=True)
    torch.testing.assert_close(loss, sum((a - b).square().mean() for a, b in stages) / 5)
    loss.backward()
    assert x.grad.abs().sum() > 0
    assert perceptual_loss(reference, reference, network).item() == 0
    wanted = reference.clone().requires_grad_()
    perceptual_loss(x, wanted, network).backward()
    assert wanted.grad is None


def test_contrastive_loss_is_its_formula():
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    groups = torch.tensor([0, 1, 0, 1, 1, 0])
    c = nn.functional.cosine_similarity(z[:, None], z[None], dim=2) / 0.3
    terms = []
    for i in range(6):
        others = [k for k in range(6) if k != i]
        bottom = torch.stack([c[i, k].exp() for k in others]).sum()
        terms.append(torch.stack([-(c[i, j].exp() / bottom).log() for j in others if groups[j] == groups[i]]).mean())
    torch.testing.assert_close(contrastive_loss(z, groups, temperature=0.3), torch.stack(terms).mean())
    with pytest.raises(ValueError, match="1 of 6 rows are alone"):
        contrastive_loss(z, torch.tensor([0, 0, 0, 1, 1, 2]))
