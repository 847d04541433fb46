"""A published network on a user's own pictures, of any size: consistent 8-bit files. The command ``restore``."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..images import from_uint8, grid, list_images, load_image, save_image, to_uint8
from ..metrics import consistency_db, psnr
from ..names import namesakes, printable, stem
from ..networks.stages import Staged, check_memory
from ..operators import BlurDownsample, LinearOperator
from ..operators.check import check_kernel
from ..restorers import Restored, restore_picture
from ..restorers.identify import downsampler as named
from ..restorers.pictures import check_noise, misfit
from ..storage import check_outputs, sole_writer
from ..training.runtime import memory_advice, pick_device
from .real_networks import cut

KERNELS = (".npy", ".mat", ".txt", ".csv")  # files that hold a blur kernel
DETAIL = 320  # pixels of the result, the side of what the sheet shows of each picture
ERROR_GAIN = 5  # the sheet shows changes times five


def restore_pictures(
    network: Staged, paths: list[Path], out: Path, *, operator: str = "auto", downsample: str = "",
    noise: float | str | None = None, memory_gb: float = 1.5, device: str = "auto", overwrite: bool = False,
) -> list[dict]:  # fmt: skip
    """NAME.png for every picture, and sheet.png, in ``out``; a dict per picture: its name and figures.

    paths: 8-bit pictures y, or folders of them. operator: what made them: a name, "auto", or a file with a blur kernel.
    downsample: they are large; y is made of each by the downsampler of this name, and the result judged; "auto" then
    means the same. What is doubtful is printed. Raises, with nothing written, ValueError that lists all that does not
    fit, FileExistsError unless overwrite; RuntimeError for a GPU that is absent or memory that is used up.
    """
    place = pick_device(device)
    check_noise(noise)
    check_memory(memory_gb)
    paths = [file for path in paths for file in (list_images(path) if path.is_dir() else [path])]
    kernel = read_kernel(Path(operator)) if Path(operator).suffix in KERNELS else None
    for name in {downsample or "auto", "auto" if kernel is not None else operator} - {"auto"}:
        named(name, (1, 1), (1, 1))  # an unknown name is refused first
    check_pictures(paths, network.factor, downsample, kernel, noise)
    files = [*(out / f"{stem(path)}.png" for path in paths), out / "sheet.png"]
    check_outputs(files, inputs=paths, overwrite=overwrite)
    network, rows, details = network.to(place), [], []
    advice = f"lower the memory for tiles (now {memory_gb:g} GB), then restore the picture in parts"
    with memory_advice(advice), sole_writer(out, files, overwrite=overwrite):
        for count, (path, file) in enumerate(zip(paths, files, strict=False), 1):
            x, y, A = measured(load_image(path), network.factor, operator, kernel, downsample)
            size = f"{y.shape[-1]} x {y.shape[-2]}"
            print(f"[{count}/{len(paths)}] {printable(path.name)}: {size}, {network.factor} times enlarged", flush=True)
            found = restore_picture(network, y.to(place), A, noise=noise, memory_gb=memory_gb, progress=True)
            found = found._replace(image=found.image.cpu(), x_r=found.x_r.cpu())
            for line in found.warnings:
                print(f"warning: {line}")
            if kernel is not None:
                for line in misfit(printable(Path(operator).name), found.A, found.x_r, y, network.factor):
                    print(f"warning: {line}")
            if A == "auto":
                print(f"of the network's answer most of y is made by {found.A}: it is taken for what made y")
            save_image(found.image, file)
            rows.append({"image": printable(stem(path))} | figures(found, x, y))
            details.append(strip(found, x, y, network.factor))
        save_image(together(details), files[-1])
    return rows


def check_pictures(
    paths: list[Path], factor: int, downsample: str = "", kernel: Tensor | None = None, noise: float | str | None = None
) -> None:
    """Raise ValueError that lists every file that cannot be read or is too small for what is asked, before any work."""
    wrong = namesakes(paths)
    for path in paths:
        try:
            h, w = cut(load_image(path), factor if downsample else 1).shape[-2:]
        except ValueError as error:
            wrong.append(str(error))
            continue
        scale = 1 if downsample else factor  # from the file's sides to those of x
        if kernel is not None and (kernel.shape[-2] > scale * h or kernel.shape[-1] > scale * w):
            wrong.append(f"{printable(path.name)} is smaller than the kernel: x has {scale * w} x {scale * h} pixels")
        if noise == "auto" and scale * min(h, w) < 3 * factor:
            wrong.append(f"{printable(path.name)} has too few pixels to estimate their noise; give --noise SIGMA")
    if wrong:
        raise ValueError(f"nothing was restored: {'; '.join(wrong)}")


def read_kernel(path: Path) -> Tensor:
    """A blur kernel, (kh, kw) float64, from .npy, .txt, .csv, or the one matrix in a MATLAB file. Raises ValueError."""
    from scipy.io import loadmat

    if not path.is_file():
        raise FileNotFoundError(f"no such kernel file: {path}")
    try:
        if path.suffix == ".npy":
            arrays = [np.load(path, allow_pickle=False)]
        elif path.suffix == ".mat":
            arrays = [value for key, value in loadmat(path).items() if not key.startswith("__") and value.size > 1]
        else:
            arrays = [np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)]
        (array,) = arrays
        if np.iscomplexobj(array):
            raise ValueError("its numbers are complex")
        return check_kernel(torch.as_tensor(array.astype(np.float64)))
    except Exception as error:  # each reader has errors of its own
        raise ValueError(f"{path} holds no blur kernel, one matrix of numbers ({error})") from error


def measured(
    image: Tensor, factor: int, operator: str, kernel: Tensor | None, downsample: str
) -> tuple[Tensor | None, Tensor, str | LinearOperator]:
    """(x or None, y, what it is taken to be made by): the picture as it is, or reduced, to 8 bits as a file has it."""
    x, y = None, image
    A: str | LinearOperator = operator
    if downsample:
        x = cut(image, factor)
        h, w = x.shape[-2:]
        made = named(downsample, (h, w), (h // factor, w // factor))
        y = from_uint8(to_uint8(made(x)))
        A = made if operator == "auto" else operator
    if kernel is not None:
        h, w = y.shape[-2:]
        A = BlurDownsample(kernel, factor, (factor * h, factor * w))
    return x, y, A


def figures(found: Restored, x: Tensor | None, y: Tensor) -> dict:
    """PSNR(LR) of the network's answer and of the file; the share of y that the file gives back in 8 bits; PSNR."""
    again = to_uint8(found.A(found.image.double()))
    row = {
        "PSNR(LR) raw": float(consistency_db(found.A, found.x_r, y)),
        "PSNR(LR) of the file": float(consistency_db(found.A, found.image, y)),
        "LR reproduced": float((again == to_uint8(y)).double().mean()),
    }
    if x is not None:
        row |= {"PSNR raw": float(psnr(found.x_r, x)), "PSNR of the file": float(psnr(found.image, x))}
    return row


def strip(found: Restored, x: Tensor | None, y: Tensor, factor: int) -> Tensor:
    """(K, 3, DETAIL, DETAIL), less for small pictures: the same detail of y, the network's answer, the file, the change
    times five and, where there is one, the truth.
    """
    h, w = (min(DETAIL // factor, side) for side in y.shape[-2:])
    top, left = ((side - part) // 2 for side, part in zip(y.shape[-2:], (h, w), strict=True))
    rows, columns = (slice(factor * a, factor * (a + n)) for a, n in ((top, h), (left, w)))
    large = y[..., top : top + h, left : left + w].repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    x_r, image = found.x_r[..., rows, columns], found.image[..., rows, columns]
    shown = [large, x_r, image, ERROR_GAIN * (image - x_r).abs()]
    return torch.cat([*shown, *([] if x is None else [x[..., rows, columns]])])


def together(details: list[Tensor]) -> Tensor:
    """Strips of unequal size -> one sheet, a row each, on white."""
    sheets = [grid(detail, columns=len(detail), pad=4) for detail in details]
    width = max(sheet.shape[-1] for sheet in sheets)
    return torch.cat([torch.nn.functional.pad(sheet, (0, width - sheet.shape[-1]), value=1.0) for sheet in sheets], 1)
