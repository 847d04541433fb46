"""train network: a published network trained further, with the null space in its forward pass or without."""

import torch

from ganprior_null import AveragePool, NullSpace, Resize
from ganprior_null.cli import main
from ganprior_null.experiments.fine_tune import crops, fine_tune_step
from ganprior_null.networks import load_network
from ganprior_null.storage import read_json

NETWORK = "realesrgan-video-x4"


def test_two_steps_leave_a_summary_and_another_network(tmp_path):
    words = ["train", "network", NETWORK, "--out", str(tmp_path / "run"), "--batch", "1", "--side", "32"]
    assert main([*words, "--steps", "2", "--null-space", "pd"]) == 0
    found = read_json(tmp_path / "run" / "summary.json")
    assert found["before"]["PSNR raw"] != found["after"]["PSNR raw"]
    assert {"PSNR raw", "PSNR PD", "PSNR exact", "PSNR(LR) raw"} <= found["after"].keys()


def test_with_the_null_space_no_gradient_reaches_the_range():
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    P, network = AveragePool(4), load_network(NETWORK).requires_grad_(True)
    seen = {}
    for name, whole in (("none", network), ("pd", NullSpace(network, P))):
        handle = network.register_full_backward_hook(lambda module, into, out, name=name: seen.update({name: out[0]}))
        state = {"optimizer": torch.optim.SGD(network.parameters(), lr=0.0)}
        fine_tune_step(whole, lambda t: x, Resize(32, 4))(None, state, 0)
        handle.remove()
    assert P(seen["pd"]).abs().max() < 1e-3 * P(seen["none"]).abs().max()


def test_crops_are_a_function_of_seed_and_step():
    photos = [torch.rand(1, 3, 40, 50), torch.rand(1, 3, 33, 64)]
    x_at = crops(photos, 32, 3, seed=1)
    assert torch.equal(x_at(5), crops(photos, 32, 3, seed=1)(5)) and not torch.equal(x_at(5), x_at(6))
    assert x_at(0).shape == (3, 3, 32, 32)


def test_bad_input_is_one_line(tmp_path, capsys):
    words = ["train", "network", NETWORK, "--out", str(tmp_path / "run")]
    assert main([*words, "--null-space", "pds"]) == 2
    assert "unknown null space 'pds'; did you mean 'pd'?" in capsys.readouterr().err
    assert main([*words, "--side", "400"]) == 2
    assert "of 400 pixels a side or more" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
