"""Curves follow a log that another process writes: they wait for it, grow with it, and bear what is half written."""

import asyncio
import json

import pytest

from ganprior_null.training import Run
from ganprior_null.widgets import FollowRun
from ganprior_null.widgets.follow import read_curves


def caption(widget):
    return widget.children[1].value


def test_it_waits_for_the_run_and_grows_with_it(tmp_path):
    widget = FollowRun(tmp_path / "run")
    assert "waiting for" in caption(widget) and not widget.children[0].value
    run = Run(tmp_path / "run", {})
    run.log(50, {"D": 1.0})
    assert widget.update() and "step 50: D 1" in caption(widget)
    first = bytes(widget.children[0].value)
    assert first.startswith(b"\x89PNG") and not widget.update()  # the control: an unchanged log draws nothing
    run.log(100, {"D": 0.5})
    assert widget.update() and bytes(widget.children[0].value) != first and "step 100: D 0.5" in caption(widget)


def test_a_half_written_line_and_foreign_lines_are_left_out(tmp_path):
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 1, "D": 2.0, "note": "text"}\n[]\n3\n{"no": "step"}\n{"step": 2, "D": 1')
    assert read_curves(log) == {"D": ([1], [2.0])}


def test_a_run_that_went_back_to_its_checkpoint_is_drawn_as_it_is(tmp_path):
    run = Run(tmp_path, {})
    for step in (1, 2, 3):
        run.log(step, {"D": float(step)})
    widget = FollowRun(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "D": 1.0}) + "\n")
    assert widget.update() and "step 1: D 1" in caption(widget)


def test_in_a_kernel_it_follows_by_itself_until_it_is_closed(tmp_path):
    async def cell():
        widget = FollowRun(tmp_path, ["PSNR"], seconds=0.01)
        Run(tmp_path, {}).log(1, {"PSNR": 20.0, "D": 1.0})
        for _ in range(500):
            await asyncio.sleep(0.01)
            if "step 1" in caption(widget):
                break
        assert "PSNR 20" in caption(widget) and "D 1" not in caption(widget)
        widget.close()
        await asyncio.sleep(0)
        return widget._task

    assert asyncio.run(cell()).cancelled()


def test_an_interval_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seconds must be above 0, got 0"):
        FollowRun(tmp_path, seconds=0)
