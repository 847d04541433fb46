"""dlib's face network, read by us, gives what dlib itself gives; and it tells the people of the pack apart."""

import numpy as np
import pytest
import torch

from ganprior_null.data import face_factors, load_sides, render
from ganprior_null.experiments.feature_checks import identity_auc
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.layers import DlibFaces
from ganprior_null.weights import dlib, load_dlib_faces, load_features64

BOUND = 2e-6  # of features up to 0.4: float32 through 29 convolutions; 3e-7 to 5e-7 were seen


@pytest.fixture(scope="module")
def faces():
    """Drawn portraits and plain noise, (3, 3, 150, 150) uint8: what the runtime takes without resizing."""
    noise = torch.randint(0, 256, (1, 3, 150, 150), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return torch.cat([to_uint8(render(face_factors(2, seed=1), 150)), noise])


def test_our_reader_gives_what_the_runtime_gives(faces):
    runtime = pytest.importorskip("dlib", reason="the runtime of the file, in the dev extra")
    theirs = runtime.face_recognition_model_v1(str(dlib.find_dlib_faces()))
    images = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in faces]
    wanted = torch.tensor([list(theirs.compute_face_descriptor(image)) for image in images])
    network = load_dlib_faces(margin=0)
    torch.testing.assert_close(network(from_uint8(faces)), wanted, rtol=0, atol=BOUND)
    # the bound sees a wrong mean colour, a flipped face, and rows padded on the wrong side
    network.mean += 1 / 255
    assert (network(from_uint8(faces)) - wanted).abs().max() > 100 * BOUND
    assert (load_dlib_faces(margin=0)(from_uint8(faces.flip(-2))) - wanted).abs().max() > 1000 * BOUND
    assert not any(p.requires_grad for p in network.parameters()) and not network.training


def test_it_tells_the_people_of_the_pack_apart(shared):
    sides = load_sides(shared / "data" / "faces_color64", 64, margin=6)
    x, people = from_uint8(sides.held_out[:250]), sides.held_out_names[:250]
    torch.manual_seed(0)
    untrained = DlibFaces(dlib.MARGIN).eval()
    auc = {n: identity_auc(x, people, net) for n, net in (("dlib", load_dlib_faces()), ("64", load_features64()))}
    assert auc["dlib"] > 0.95 > auc["64"] > 0.65, auc  # 0.99 and 0.74 on all 726 held-out faces
    assert identity_auc(x, people, untrained) < 0.75  # the control: what untrained convolutions see


def test_any_size_is_a_portrait_less_its_margin(faces):
    x = from_uint8(faces[:2])
    torch.manual_seed(0)
    network, cut = DlibFaces().eval(), DlibFaces(margin=0.1).eval()
    cut.load_state_dict(network.state_dict())
    torch.testing.assert_close(cut(x), network(x[..., 15:-15, 15:-15]))
    assert network(x[..., ::2, ::3]).shape == (2, 128) and network(x[:0]).shape == (0, 128)
    for wrong, error, told in (
        (faces, TypeError, "floating point in .0, 1., got torch.uint8"),
        (x[:, :1], ValueError, "must be RGB"),
        (x[0], ValueError, r"got \(3, 150, 150\)"),
    ):
        with pytest.raises(error, match=told):
            network(wrong)
    with pytest.raises(ValueError, match="margin must be a share in .0, 0.5. of each side, got 8"):
        DlibFaces(8)


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(dlib.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'ganprior-null\[identity\]'") as caught:
        load_dlib_faces()
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no such file: .*gone.dat"):
        load_dlib_faces(tmp_path / "gone.dat")


def test_another_file_is_refused_and_so_are_other_layers(tmp_path):
    data = bytearray(dlib.find_dlib_faces().read_bytes())
    (tmp_path / "changed.dat").write_bytes(data[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"changed.dat is not dlib_face_recognition_resnet_model_v1.dat .SHA-256"):
        load_dlib_faces(tmp_path / "changed.dat")
    for name, cut, told in (
        ("short.dat", len(data) // 2, "not the .* numbers wanted|no con_4 follows|no affine_ follows"),
        ("no.dat", 100, "no con_4 follows byte 0"),
    ):
        (tmp_path / name).write_bytes(data[:cut])
        with pytest.raises(ValueError, match=told):
            dlib.read_dlib(DlibFaces(), tmp_path / name)
    network = DlibFaces()
    network.embed, network.units = torch.nn.Identity(), network.units[:-1]
    with pytest.raises(ValueError, match="holds 5 layers more than a DlibFaces"):
        dlib.read_dlib(network, dlib.find_dlib_faces())
