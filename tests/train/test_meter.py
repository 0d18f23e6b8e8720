from __future__ import annotations

from spikewright.train.meter import PARTS, Meter


def test_every_twentieth_is_told_once_and_the_end_is_not() -> None:
    lines: list[str] = []
    meter = Meter("work", 1000, lines.append)
    for done in range(1, 1001):
        meter.show(done)
    assert len(lines) == PARTS - 1  # at 50, 100, …, 950; what comes after tells the end
    assert lines[0].startswith("work 50 of 1000, ")
    assert lines[-1].startswith("work 950 of 1000, ")


def test_short_work_tells_each_step() -> None:
    lines: list[str] = []
    meter = Meter("work", 3, lines.append)
    for done in (1, 2, 3):
        meter.show(done)
    assert [line.split(",")[0] for line in lines] == ["work 1 of 3", "work 2 of 3"]


def test_resumed_work_tells_what_is_left_by_its_own_speed() -> None:
    lines: list[str] = []
    meter = Meter("work", 1000, lines.append)
    meter.begin_at(900)
    meter.start -= 10  # as if ten seconds had passed
    meter.show(950)  # 50 done in 10 s, so 50 more take 10 s
    assert lines == ["work 950 of 1000, 0:00:10 left"]
