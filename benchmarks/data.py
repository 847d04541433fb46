"""Images decoded when asked for: peak memory by the number of images, and how fast batches come.

    python benchmarks/data.py                     # 1,000, 10,000 and 100,000 images of 64 pixels; some minutes
    python benchmarks/data.py --counts 1000 5000  # fewer
    python benchmarks/data.py --shards            # in tar files of 1,000

Memory: for each number of images a process of its own opens the folder, which it reads through, as the first start of a
run does, and takes 200 batches of 16; its peak, readers aside, is printed. Speed: batches a second with 0, 1 and 2
readers over those of the images held in memory, in rounds side by side, medians; once where nothing else is done, and
once beside a step that takes as long as the decoding of four batches, where reading ahead is what counts.
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from ganprior_null.data import Held, open_sides, sides
from ganprior_null.data.image_sets import all_of
from ganprior_null.training.loader import Batches

SIZE, BATCH, STEPS = 64, 16, 200


def make(folder: Path, count: int, shards: bool) -> None:
    """``count`` files of random pixels, few of them different; in FFHQ's layout, or in tar files of a thousand."""
    generator, contents = torch.Generator().manual_seed(0), []
    for _ in range(50):
        pixels = torch.randint(0, 256, (SIZE, SIZE, 3), generator=generator, dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG")
        contents.append(file.getvalue())
    for first in range(0, count, 1000):
        some = range(first, min(first + 1000, count))
        if shards:
            with tarfile.open(folder / f"{first:06}.tar", "w") as archive:
                for i in some:
                    member = tarfile.TarInfo(f"{i:06}.jpg")
                    member.size = len(contents[i % 50])
                    archive.addfile(member, io.BytesIO(contents[i % 50]))
        else:
            (folder / f"{first:06}").mkdir()
            for i in some:
                (folder / f"{first:06}" / f"{i:06}.jpg").write_bytes(contents[i % 50])


def peak(folder: Path) -> dict:
    """Of this process: the peak of its memory, MB, and the seconds to open the folder."""
    began = time.perf_counter()
    found = open_sides(folder, SIZE)
    opened = time.perf_counter() - began
    with Batches(found.training, BATCH, seed=0) as batches:
        for t in range(STEPS):
            batches(t)
    return {
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "opened": opened,
        "held": found.training.held,
    }


def rate(images, readers: int, work: float, steps: int) -> float:
    """Batches a second, ``work`` seconds of something else done with each."""
    with Batches(images, BATCH, seed=0, readers=readers) as batches:
        batches(0)  # readers are started
        began = time.perf_counter()
        for t in range(1, steps + 1):
            batches(t)
            time.sleep(work)
        return steps / (time.perf_counter() - began)


def rates(folder: Path, rounds: int) -> None:
    sides.HELD = 0
    lazy = open_sides(folder, SIZE).training.take(range(800))
    held = Held(all_of(lazy))
    decoding = 1 / rate(lazy, 0, 0.0, 20)
    for work, told in ((0.0, "nothing else to do"), (4 * decoding, "beside a step of four times the decoding")):
        found = {readers: [] for readers in (0, 1, 2)}
        for _ in range(rounds):
            base = rate(held, 0, work, 30)
            for readers, ratios in found.items():
                ratios.append(rate(lazy, readers, work, 30) / base)
        line = "   ".join(f"{readers} readers {statistics.median(ratios):6.3f}" for readers, ratios in found.items())
        print(f"batches a second over those from memory, {told}:  {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--shards", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)  # what the processes are started with
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak_of:
        print(json.dumps(peak(options.peak_of)))
        return
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, JPEG files of {SIZE} px, batches of {BATCH}")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GANPRIOR_CACHE"] = f"{scratch}/cache"
        peaks = {}
        for count in options.counts:
            folder = Path(scratch) / str(count)
            folder.mkdir()
            make(folder, count, options.shards)
            command = [sys.executable, __file__, "--peak-of", str(folder)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            peaks[count] = done["MB"]
            where = "held in memory" if done["held"] else "decoded when asked for"
            print(f"{count:9,} images  peak {done['MB']:6.0f} MB  opened in {done['opened']:5.1f} s  {where}")
        low, high = min(peaks.values()), max(peaks.values())
        print(f"largest peak over smallest: {high / low:.3f}")
        rates(Path(scratch) / str(min(c for c in options.counts if c >= 1000)), options.rounds)


if __name__ == "__main__":
    main()
