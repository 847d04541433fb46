"""The feature network's contract; what its trained weights are worth is tests/test_feature_checks.py."""

import pytest
import torch

from ganprior_null.layers import FeatureNet64


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FeatureNet64().double()


def image(n=2, height=64, width=48, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)).double()


def test_stages_halve_and_widen(network):
    shapes = [tuple(f.shape) for f in network.stages(image())]
    assert shapes == [(2, 16, 64, 48), (2, 32, 32, 24), (2, 64, 16, 12), (2, 128, 8, 6), (2, 192, 4, 3)]
    assert network(image()).shape == (2, 128)
    assert network(image(height=32, width=160)).shape == (2, 128)


def test_half_precision_weights_fit_in_four_megabytes(network):
    assert 2 * sum(p.numel() for p in network.parameters()) < 4 * 2**20


def test_an_image_does_not_see_its_batch(network):
    x = image(3)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]), rtol=1e-12, atol=1e-14)  # order of the sums


def test_features_are_local(network):
    """A pixel acts on its surroundings only; any normalisation over the image would carry it everywhere."""
    x = image(1, 128, 128)
    changed = x.clone()
    changed[..., 0, 0] += 0.5
    for stage, (a, b) in enumerate(zip(network.stages(x), network.stages(changed), strict=True)):
        assert torch.equal(a[..., -1, -1], b[..., -1, -1]), f"stage {stage}"
        assert not torch.equal(a[..., 0, 0], b[..., 0, 0]), f"stage {stage}"


def test_memory_layout_changes_nothing(network):
    there = network.to(memory_format=torch.channels_last)(image().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(there, network(image()), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 3, 16, 64), (1, 3, 64, 72)])
def test_other_images_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"multiples of 16 from 32 up, got \("):
        network(torch.zeros(shape).double())


def test_bytes_are_refused(network):
    with pytest.raises(TypeError, match="floating point"):
        network(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
