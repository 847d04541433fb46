"""Our operators against the published ones: the numbers of the reference code, or the explained difference.

Each bound is the one stored with the vector (``atol`` of the manifest): the reference's own float32 rounding.
"""

import pytest
import torch

from ganprior_null import (
    CEM,
    AveragePool,
    BlockSensing,
    Grayscale,
    Inpaint,
    Matrix,
    Resize,
    as_matrix,
    enforce_consistency,
    psnr,
)
from ganprior_null.operators import cem_kernel, resample_matrix


def near(a, b, atol):
    torch.testing.assert_close(a, b.to(a.dtype), rtol=0, atol=atol)


# --- the seed README's operators (Wang et al. 2023)


@pytest.mark.parametrize("s", [2, 4, 8, 16])
def test_rnd_pooling(vectors, s):
    d, atol = vectors("rnd_sr")
    A, x, y = AveragePool(s), d[f"x_{s}"], d[f"y_{s}"]
    near(A(x), d[f"down_x_{s}"], atol)
    near(A.pinv(y), d[f"up_y_{s}"], atol)
    near(enforce_consistency(x, y, A), d[f"combine_{s}"], atol)


def test_rnd_colour(vectors):
    """Theirs repeats the gray value three times; ours is one channel. The combination is the same image."""
    d, atol = vectors("rnd_color")
    A = Grayscale()
    near(A(d["x"]).expand(-1, 3, -1, -1), d["Ax"], atol)
    y = d["y"][:, :1]
    assert torch.equal(y.expand(-1, 3, -1, -1), d["y"])
    near(A.pinv(y), d["Apy"], atol)
    near(enforce_consistency(d["x"], y, A), d["combine"], atol)


def test_rnd_block_sensing(vectors):
    """Their rows, which are random; their y has one batch entry per channel, ours one channel group per channel."""
    d, atol = vectors("rnd_cs")
    A = BlockSensing(8, 0.25)
    assert len(A.rows) == len(d["weight"])
    A.rows = d["weight"].flatten(1).double()
    y = d["y"].reshape(2, 3 * 16, 4, 3)
    near(A(d["gt"]), y, atol)
    near(A.pinv(y), d["Apy"], atol)
    near(enforce_consistency(d["x"], y, A), d["combine"], atol)


# --- DDNM's operators (Wang, Yu, Zhang 2023), which go through a singular value decomposition


def test_ddnm_pooling(vectors):
    d, atol = vectors("ddnm_sr")
    A = AveragePool(4)
    near(A(d["x"]).flatten(1), d["y"], atol)
    y = d["y"].reshape(2, 3, 4, 4)
    near(A.pinv(y).flatten(1), d["pinv"], atol)
    near(A.adjoint(y).flatten(1), d["At"], atol)
    # their regularised inverse sigma / (sigma^2 + eta) has one sigma, 1/4: a plain multiple of the pseudo-inverse
    near(A.pinv(y).flatten(1) * (1 / 16) / (1 / 16 + 0.1), d["pinv_eta"], atol)


def test_ddnm_colour(vectors):
    d, atol = vectors("ddnm_color")
    A = Grayscale((0.3333, 0.3334, 0.3333))
    near(A(d["x"]).flatten(1), d["y"], atol)
    near(A.pinv(d["y"].reshape(2, 1, 8, 8)), d["pinv"], atol)


def test_ddnm_inpainting(vectors):
    """Theirs is the list of kept pixels, ours the image with zeros: the same after filling in."""
    d, atol = vectors("ddnm_inpaint")
    A = Inpaint(d["mask"])
    y = A(d["x"])
    kept = y.permute(0, 2, 3, 1)[:, d["mask"] == 1].flatten(1)  # pixel by pixel, colours together
    near(kept, d["y"], atol)
    near(A.pinv(y), d["pinv"], atol)


def test_ddnm_block_sensing(vectors):
    """Their rows, which are random; y of an image of one block, channel after channel, as in ours."""
    d, atol = vectors("ddnm_cs")
    A = BlockSensing(32, 1 / 16)
    assert A.rows.shape == d["rows"].shape
    A.rows = d["rows"].double()
    near(A(d["x"]).flatten(1), d["y"], atol)
    near(A.pinv(d["y"].reshape(1, 192, 1, 1)), d["pinv"], atol)


def test_ddnm_walsh_hadamard(vectors):
    """Sensing by random rows of a Hadamard matrix: orthonormal rows, so a Matrix on the pixels of each channel."""
    d, atol = vectors("ddnm_wh")
    H = torch.ones(1, 1, dtype=torch.float64)
    while len(H) < 256:
        H = torch.cat([torch.cat([H, H], 1), torch.cat([H, -H], 1)])
    A = Matrix((H / 16)[d["perm"][:64]])
    y = d["y"].reshape(64, 3).T  # theirs keeps the channels of one measurement together
    near(A(d["x"].reshape(3, 256)), y, atol)
    near(A.pinv(y).reshape(1, 3, 16, 16), d["pinv"], atol)


@pytest.mark.parametrize("s, side", [(4, 32), (8, 64)])
def test_ddnm_bicubic_has_our_weights_but_reflects_at_the_border(vectors, s, side):
    """SRConv's kernel is the bicubic of a = -0.5 that we have, and its y is ours in the middle; at the border it
    reflects the image, as MATLAB does, where torch, PIL and we renormalise the weights that are left."""
    d, atol = vectors(f"ddnm_srconv{s}")
    A = Resize(side, s)
    middle = A.W_h[len(A.W_h) // 2]
    first = int(middle.abs().gt(0).nonzero().min())
    near(middle[first : first + 4 * s], d["kernel"], atol)
    near(A(d["x"])[..., 2:-2, 2:-2], d["y"][..., 2:-2, 2:-2], atol)
    assert float(psnr(A(d["x"]), d["y"])) < 60
    # with the border reflected, the rest is the same operator, and the same pseudo-inverse
    W = torch.zeros(side // s, side, dtype=torch.float64)
    for i in range(side // s):
        for t in range(4 * s):
            j = i * s + s // 2 - 2 * s + t
            j = -j - 1 if j < 0 else 2 * side - 1 - j if j >= side else j
            W[i, j] += d["kernel"][t].double()
    P = torch.linalg.pinv(W)
    near(W @ d["x"].double() @ W.T, d["y"], atol)
    near(P @ d["y"].double() @ P.T, d["pinv"], atol)
    near(torch.linalg.svdvals(W), d["singular"], atol)


def deblurring_rows(taps, used):
    """(32, 32): correlation with some of the taps of an odd kernel, zeros outside the image."""
    W, half = torch.zeros(32, 32, dtype=torch.float64), len(taps) // 2
    for i in range(32):
        for t in range(used):
            if 0 <= i + t - half < 32:
                W[i, i + t - half] = taps[t]
    return W


@pytest.mark.parametrize("name, taps", [
    ("uni", torch.full((9,), 1 / 9, dtype=torch.float64)),
    ("gauss", torch.exp(-0.5 * (torch.arange(-2, 3, dtype=torch.float64) / 10) ** 2)),
])  # fmt: skip
def test_ddnm_deblurring_loses_a_tap_and_mixes_up_the_channels(vectors, name, taps):
    """Two faults of the reference, both needed to explain its numbers, neither of them ours.

    It drops the last tap of an odd kernel, and for colour images it *tiles* the sorted singular values along a vector
    that holds the three colours of each component together, where they had to be interleaved: component p of colour c
    is scaled by value 3 p + c (modulo their number). Seen in the components (i, i), whose rank p has no ties.
    """
    d, atol = vectors(f"ddnm_deblur_{name}")
    taps, x, y = taps / taps.sum(), d["x"].double(), d["y"].double()
    broken, whole = deblurring_rows(taps, len(taps) - 1), deblurring_rows(taps, len(taps))
    U, sigma, Vh = torch.linalg.svd(broken)
    values = torch.outer(sigma, sigma) * torch.outer(sigma >= 3e-2, sigma >= 3e-2)  # they zero the small ones in A, too
    ordered = values.flatten().sort(descending=True).values
    tiled = [(ordered > value).sum() * 3 + torch.arange(3) for value in values.diagonal() if value > 0]
    gains = torch.stack([ordered[index % len(ordered)] for index in tiled], 1)[None]  # (1, 3, components)
    kept = gains.shape[-1]

    def diagonal(left, image):  # the components (i, i) that are not zeroed, per colour
        return (left @ image @ left.T).diagonal(dim1=-2, dim2=-1)[..., :kept]

    near(diagonal(U.T, y), gains * diagonal(Vh, x), atol)
    inverted = torch.where(gains > 0, 1 / gains, 0)
    near(diagonal(Vh, d["pinv"].double()), inverted * diagonal(U.T, y), atol)
    # repaired, the singular values of all colours are the same, and the components are others
    repaired = values.diagonal()[:kept] * diagonal(Vh, x)
    assert (diagonal(U.T, y) - repaired).abs().max() > 100 * atol
    # and with all taps a constant image keeps its brightness away from the border
    assert float(whole[16].sum()) == pytest.approx(1) and float(broken[16].sum()) < 0.9


def test_ddnm_old_photograph_is_no_pseudo_inverse(vectors):
    """Mask, gray, pool: the published A^+ composes the three pseudo-inverses, and misses y by 0.07.

    Pooling and masking act on the same pixels, so (A B)^+ is not B^+ A^+. The exact one divides by the share of the
    patch that was kept, and is what Matrix makes of the dense A.
    """
    d, atol = vectors("ddnm_oldphoto")
    mask, x, y = d["mask"].double(), d["x"].double(), d["y"].double()
    pool, gray = AveragePool(4), Grayscale()

    def A(x):
        return pool(gray(x * mask))

    near(A(x).expand(-1, 3, -1, -1), d["y"], atol)
    y = y[:, :1]
    published = mask * gray.pinv(pool.pinv(y))
    near(published, d["Apy"], atol)
    near(A(published).expand(-1, 3, -1, -1), d["A_Ap_y"], atol)
    assert (A(published) - y).abs().max() > 0.05
    exact = mask * gray.pinv(pool.pinv(y / pool(mask)))
    near(A(exact), y, 1e-12)
    dense = Matrix(as_matrix(A, (3, 16, 16)))
    near(dense.pinv(y.flatten(1)), exact.flatten(1), 1e-12)


# --- CEM (Bahat & Michaeli 2020)


@pytest.mark.parametrize("s", [2, 4])
def test_cem_with_its_default_kernel(vectors, s):
    d, atol = vectors(f"cem_{s}")
    kernel = cem_kernel(s)
    # theirs is turned by 180 degrees and holds one row and column of zeros, to be of odd side
    near(torch.nn.functional.pad(kernel, (0, 1, 0, 1)), d["ds_kernel"], 1e-7)
    side = d["x"].shape[-1]
    cem = CEM(kernel, s, side)
    near(cem.inverse, d["inv_hTh"], 1e-7)
    assert cem.margin == int(d["margins"][0])
    near(cem.downscale(d["x"]), d["downscale"], atol)
    near(cem.upscale(d["y"]), d["upscale"], atol)
    near(cem.filter(d["y"]), d["conv_inv"], atol)
    near(cem(d["x"], d["y"]), d["out_eval"], atol)
    near(CEM(kernel, s, side, pad=False)(d["x"], d["y"]), d["out_train"], atol)


def test_cem_with_a_given_kernel(vectors):
    """The published code first crops the kernel to 99 % of its root energy and moves it by half a pixel, from the
    centre of an odd kernel to that of an even one. Given the cropped kernel, ours is the same module; given the whole
    one, ours is consistent with that instead, and the two operators differ."""
    d, atol = vectors("cem_4_aniso")
    theirs = d["ds_kernel"].flip(0, 1)[1:, 1:]
    cropped = d["kernel_in"][3:11, 3:11]
    near((cropped / cropped.sum()).flip(0, 1), theirs, 1e-7)
    energy = float((cropped.square().sum() / d["kernel_in"].square().sum()).sqrt())
    assert 0.99 < energy < 1
    side = d["x"].shape[-1]
    cem = CEM(theirs, 4, side)
    near(cem.inverse, d["inv_hTh"], 1e-7)
    assert cem.margin == int(d["margins"][0])
    near(cem.downscale(d["x"]), d["downscale"], atol)
    near(cem(d["x"], d["y"]), d["out_eval"], atol)
    as_given = CEM(d["kernel_in"], 4, side)
    assert (as_given.downscale(d["x"]) - d["downscale"]).abs().max() > 100 * atol


# --- torch's antialiased resize, by its matrices


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
@pytest.mark.parametrize("s, side", [(4, 64), (8, 64), (16, 128)])
def test_separable_matrices(vectors, kernel, s, side):
    d, atol = vectors("torch_separable")
    A = Resize(side, s, kernel)
    near(resample_matrix(side, side // s, kernel), d[f"W_{kernel}_{s}_{side}"], atol)
    near(A.P_h, d[f"P_{kernel}_{s}_{side}"], atol)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
def test_separable_combination(vectors, kernel):
    d, atol = vectors("torch_separable")
    A = Resize(64, 8, kernel)
    near(A(d["gt"]), d[f"y_{kernel}_8"], atol)
    near(enforce_consistency(d["x"], d[f"y_{kernel}_8"], A), d[f"combine_{kernel}_8"], atol)
