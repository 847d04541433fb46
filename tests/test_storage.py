"""Files whole or not at all, and outputs checked before the first is written."""

import os
import resource
import threading

import pytest

from ganprior_null.storage import check_outputs, read_json, sole_writer, whole, write, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_comes_back_and_damage_is_named(tmp_path):
    content = {"é": [1, None, "\udce9"]}  # a lone surrogate: a byte of a name that is no UTF-8
    assert read_json(write_json(tmp_path / "new" / "a.json", content)) == content
    for damage in (b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "b.json").write_bytes(damage)
        with pytest.raises(ValueError, match="b.json is damaged"):
            read_json(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path):
    write(tmp_path / "a.bin", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))  # a file of 1 MiB is as large as the disk takes
    try:
        with pytest.raises(OSError, match="File too large: .*a.bin"):
            write(tmp_path / "a.bin", bytes(2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == b"old"


def test_a_block_that_is_stopped_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_the_longest_name_can_be_written(tmp_path):
    assert write(tmp_path / ("n" * 251 + ".txt"), "text").read_text() == "text"  # 255 bytes, as long as names get


def test_outputs_must_differ_also_where_disks_ignore_case_and_form(tmp_path):
    check_outputs([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c" / "a.png"])
    for one, other in (
        ("a.png", "a.png"),
        ("A.png", "a.PNG"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("c/../a.png", "a.png"),
    ):
        with pytest.raises(ValueError, match="would be written twice"):
            check_outputs([tmp_path / one, tmp_path / other])


def test_an_input_is_no_output_by_any_name(tmp_path):
    folder, source = tmp_path / "in", write(tmp_path / "in" / "a.png", "mine")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "soft.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    for output in (source, folder / "A.png", tmp_path / "link" / "a.png", tmp_path / "soft.png", tmp_path / "hard.png"):
        with pytest.raises(ValueError, match="would replace the input .*a.png; choose another output"):
            check_outputs([output], inputs=[source], overwrite=True)
    with pytest.raises(ValueError, match="would replace the input"):  # and the other way round: the input is a link
        check_outputs([source], inputs=[tmp_path / "soft.png"], overwrite=True)
    check_outputs([folder / "b.png"], inputs=[source])


def test_what_exists_is_kept_unless_overwrite(tmp_path):
    (tmp_path / "dangling").symlink_to("nowhere")
    write(tmp_path / "there", "")
    for name in ("there", "dangling"):
        with pytest.raises(FileExistsError, match=r"is there already \(1 files in all\); --overwrite replaces them"):
            check_outputs([tmp_path / "new", tmp_path / name])
        check_outputs([tmp_path / "new", tmp_path / name], overwrite=True)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_outputs([tmp_path], overwrite=True)
    with pytest.raises(NotADirectoryError, match="cannot write to the output folder .*there: it is a file"):
        check_outputs([tmp_path / "there" / "new"], overwrite=True)


def test_a_second_writer_is_refused(tmp_path):
    def hold():  # a lock belongs to an open folder, not to a process
        return sole_writer(tmp_path, [tmp_path / "a"], overwrite=False)

    with hold(), pytest.raises(OSError, match=f"another process is writing to {tmp_path};"), hold():
        pass
    with hold():
        write(tmp_path / "a", "first")
    with pytest.raises(FileExistsError, match="a is there already"), hold():  # both had checked before either wrote
        pass
    assert names(tmp_path) == ["a"]


def test_a_writer_that_is_about_to_end_is_waited_for(tmp_path):
    first = sole_writer(tmp_path, [], overwrite=True)
    first.__enter__()
    with pytest.raises(OSError, match="another process"), sole_writer(tmp_path, [], overwrite=True):
        pass  # the control: without patience it is refused
    ended = threading.Event()

    def end() -> None:
        ended.set()
        first.__exit__(None, None, None)

    ending = threading.Timer(0.3, end)
    ending.start()
    with sole_writer(tmp_path, [], overwrite=True, patience=60.0):
        assert ended.is_set()
    ending.join()
