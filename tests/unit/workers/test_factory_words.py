"""What is said of a factory that runs, and of the file that it follows."""

from __future__ import annotations

from pathlib import Path

from wq_runner.workers.factory_words import Complaints, FileWatch

GOOD = '{\n"manager-name": "me",\n"max-workers": 5,\n"min-workers": 0\n}\n'
HEAD = "2026/11/20 17:13:15.88 work_queue_factory[9289] notice: "


def test_a_complaint_is_said_once_without_the_time(tmp_path: Path) -> None:
    log = tmp_path / "factory.log"
    complaints = Complaints(log)
    assert complaints.news() == []
    log.write_text(
        f"{HEAD}couldn't submit\nsubmitted: 2\n{HEAD}Error re-reading 'f'. Using previous values.\n"
    )
    assert complaints.news() == ["couldn't submit"]
    with log.open("a") as stream:
        stream.write(f"{HEAD.replace('17:13', '17:14')}couldn't submit\n{HEAD}unable to open it\n")
    assert complaints.news() == ["unable to open it"]


def test_what_is_wrong_with_an_edited_file_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "factory.json"
    path.write_text(GOOD)
    watch = FileWatch(path)

    def news() -> list[str]:
        assert watch.news() == []  # it might be written just now
        return watch.news()

    assert news() == []
    path.write_text(GOOD.replace("5,", "5"))
    assert news() == [
        f'{path}:4  , or }} expected, but there is "min-workers"; the factory keeps what it had'
    ]
    assert news() == []
    path.write_text(GOOD.replace("5", "0"))
    assert news() == [
        f"{path}  max-workers is 0: the factory takes 1 and more; the factory keeps what it had"
    ]
    path.write_text(GOOD.replace("max-workers", "max-worker"))
    [text] = news()
    assert text.endswith("Did you mean max-workers?; the factory follows the rest")
    path.unlink()
    assert news() == [f"{path} is gone; the factory keeps what it had"]
    path.write_text(GOOD)
    assert news() == [f"{path} is right again; the factory follows it within a minute"]
    path.write_text(GOOD.replace("5", "6"))
    assert news() == []
