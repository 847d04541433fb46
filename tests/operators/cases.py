"""Every operator of the package at small sizes, odd and rectangular ones too: name -> (make, shape of one x)."""

import torch

from ganprior_null import (
    AveragePool,
    BlockSensing,
    BlurDownsample,
    Grayscale,
    Inpaint,
    Matrix,
    Resize,
    SpatialColour,
)


def random_kernel(*shape: int, seed: int = 0) -> torch.Tensor:
    kernel = torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return kernel / kernel.sum()


def gaussian_kernel(side: int, sigma: float) -> torch.Tensor:
    bell = torch.exp(-((torch.arange(side, dtype=torch.float64) - (side - 1) / 2) ** 2) / (2 * sigma**2))
    bell = bell / bell.sum()
    return bell[:, None] * bell


def some_matrix(m: int, n: int, rank: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    left = torch.randn(m, rank, dtype=torch.float64, generator=generator)
    return left @ torch.randn(rank, n, dtype=torch.float64, generator=generator)


def some_mask(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5)) > 0.4


OPERATORS = {
    "Matrix 5x12": (lambda: Matrix(some_matrix(5, 12, 5)), (12,)),
    "Matrix 12x5": (lambda: Matrix(some_matrix(12, 5, 5)), (5,)),
    "Matrix 9x7, rank 3": (lambda: Matrix(some_matrix(9, 7, 3)), (7,)),
    "AveragePool 1": (lambda: AveragePool(1), (2, 5, 3)),
    "AveragePool 2": (lambda: AveragePool(2), (3, 6, 10)),
    "AveragePool 3": (lambda: AveragePool(3), (1, 9, 15)),
    "AveragePool 8": (lambda: AveragePool(8), (3, 16, 8)),
    "Grayscale": (lambda: Grayscale(), (3, 5, 7)),
    "Grayscale, luma": (lambda: Grayscale((0.299, 0.587, 0.114)), (3, 4, 4)),
    "Grayscale, four channels": (lambda: Grayscale((1.0, -2.0, 0.0, 0.5)), (4, 3, 2)),
    "Inpaint": (lambda: Inpaint(some_mask(7, 5)), (3, 7, 5)),
    "Inpaint, per channel": (lambda: Inpaint(some_mask(3, 6, 4)), (3, 6, 4)),
    "Inpaint, nothing kept": (lambda: Inpaint(torch.zeros(4, 4)), (1, 4, 4)),
    "Resize nearest 2": (lambda: Resize(12, 2, "nearest"), (2, 12, 12)),
    "Resize box 4": (lambda: Resize((16, 8), 4, "box"), (3, 16, 8)),
    "Resize box 3, odd sides": (lambda: Resize((17, 13), 3, "box"), (1, 17, 13)),
    "Resize bilinear 2.6": (lambda: Resize((17, 21), 2.6, "bilinear"), (1, 17, 21)),
    "Resize bicubic 4": (lambda: Resize(16, 4), (1, 16, 16)),
    "Resize bicubic 8, odd sides": (lambda: Resize((25, 19), 8), (2, 25, 19)),
    "Resize bicubic 3.413": (lambda: Resize((20, 24), 3.413), (1, 20, 24)),
    "Resize bicubic 1": (lambda: Resize((5, 4), 1), (2, 5, 4)),
    "Resize lanczos3 5": (lambda: Resize((15, 22), 5, "lanczos3"), (1, 15, 22)),
    "Resize box 3, plain": (lambda: Resize((9, 10), 3, "box", antialias=False), (1, 9, 10)),
    "Resize bilinear 3, plain": (lambda: Resize((15, 11), 3, "bilinear", antialias=False), (1, 15, 11)),
    "Resize bicubic 4, plain": (lambda: Resize((16, 18), 4, "bicubic", antialias=False), (1, 16, 18)),
    "Resize lanczos3 1.5, plain": (lambda: Resize((9, 12), 1.5, "lanczos3", antialias=False), (1, 9, 12)),
    "BlurDownsample 5x5 by 2": (lambda: BlurDownsample(random_kernel(5, 5), 2, (12, 10)), (2, 12, 10)),
    "BlurDownsample 4x7 by 3": (lambda: BlurDownsample(random_kernel(4, 7), 3, (15, 9)), (1, 15, 9)),
    "BlurDownsample 13x13 by 4": (lambda: BlurDownsample(random_kernel(13, 13), 4, 16), (1, 16, 16)),
    "BlurDownsample 2x3 by 4": (lambda: BlurDownsample(random_kernel(2, 3), 4, (8, 12)), (3, 8, 12)),
    "BlurDownsample by 1": (lambda: BlurDownsample(random_kernel(3, 3), 1, (7, 9)), (1, 7, 9)),
    "BlurDownsample, as large as the image": (lambda: BlurDownsample(random_kernel(8, 6), 2, (8, 6)), (1, 8, 6)),
    "BlurDownsample, frequencies cut": (lambda: BlurDownsample(gaussian_kernel(15, 3), 2, (16, 18)), (1, 16, 18)),
    "BlockSensing 1/4": (lambda: BlockSensing(4, 0.25), (3, 8, 12)),
    "BlockSensing 1/10": (lambda: BlockSensing(5, 0.1, seed=7), (1, 10, 15)),
    "BlockSensing, all": (lambda: BlockSensing(4, 1.0), (2, 8, 4)),
    "SpatialColour pool": (lambda: SpatialColour(AveragePool(2), Grayscale()), (3, 6, 8)),
    "SpatialColour bicubic": (lambda: SpatialColour(Resize((13, 9), 3), Grayscale((0.3, 0.6, 0.1))), (3, 13, 9)),
    "SpatialColour mask": (lambda: SpatialColour(Inpaint(some_mask(5, 6)), Grayscale()), (3, 5, 6)),
    "SpatialColour blur": (
        lambda: SpatialColour(BlurDownsample(random_kernel(3, 5), 2, (8, 10)), Grayscale()),
        (3, 8, 10),
    ),
    "SpatialColour sensing": (lambda: SpatialColour(BlockSensing(4, 0.5), Grayscale()), (3, 8, 4)),
}
