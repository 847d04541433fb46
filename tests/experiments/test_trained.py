"""The same words for data in train and in evaluate; what a run left out, and folders that are not its own."""

from types import SimpleNamespace

import pytest

from ganprior_null.data import faces
from ganprior_null.data.sides import fingerprint, load_sides
from ganprior_null.experiments.trained import folder_of, unseen_images
from ganprior_null.images import save_image


def test_the_folder_of_train_or_the_one_above_it(tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    assert folder_of("faces", tmp_path) == folder_of("faces", tmp_path / "faces") == tmp_path / "faces"
    monkeypatch.setenv("GANPRIOR_DATA", str(tmp_path))
    assert folder_of("faces", None) == tmp_path / "faces"
    with pytest.raises(NotADirectoryError, match="no such folder: .*/cats, nor is .* called cats"):
        folder_of("cats", tmp_path)
    monkeypatch.delenv("GANPRIOR_DATA")
    with pytest.raises(ValueError, match="say with --data, or GANPRIOR_DATA"):
        folder_of("faces", None)


def test_a_run_that_left_files_out_is_evaluated_on_the_others_and_on_no_other_folder(tmp_path):
    for i, x in enumerate(faces(40, 16)):
        save_image(x, tmp_path / "faces" / f"{i:02}.png")
    sides = load_sides(tmp_path / "faces", 16)
    (tmp_path / "faces" / "broken.png").write_bytes(b"")
    names = fingerprint(sides.training_names, sides.held_out_names)
    params = {"data": "faces", "margin": 0, "test_images": 100, "data_names": names}
    trained = SimpleNamespace(params=params, network=SimpleNamespace(out_size=16))
    with pytest.warns(UserWarning, match="1 unreadable: broken.png .*left out"):
        found = unseen_images(trained, tmp_path)
    assert len(found) == len(sides.held_out)
    (tmp_path / "faces" / "07.png").unlink()
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="does not hold the images that the run was trained"),
    ):
        unseen_images(trained, tmp_path)
