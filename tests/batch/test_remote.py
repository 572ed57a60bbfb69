"""Input from servers: XRootD, HTTP with ranges, and another place when one is gone."""

from __future__ import annotations

import json
from pathlib import Path

import certificates
import delays
import nanoaod
import pytest
import running
from batch import xrootd
from batch.following import ENTRIES, SUMS, Follow, complete

from wq_runner.run_events import ReadElsewhere

WORKERS = ("--workers", "local:1", "-o", "out")


def written(tmp_path: Path, *prefixes: str) -> Path:
    """Write samples whose one file is looked for below each prefix, one after the other."""
    (tmp_path / "a.json").write_text(json.dumps({"files": ["a.root"], "treeName": "Events"}))
    (tmp_path / "samples.cfg").write_text(f"{' '.join(prefixes)}\na.json\n")
    return tmp_path / "samples.cfg"


@pytest.fixture
def data(samples: Path) -> Path:
    return samples


def test_over_xrootd(data: Path, tmp_path: Path) -> None:
    with xrootd.xrootd(data) as server:
        running.run_well(*SUMS, *WORKERS, written(tmp_path, server.url), cwd=tmp_path)
    complete(tmp_path / "out")


def test_over_http_in_ranges(data: Path, tmp_path: Path) -> None:
    with xrootd.web(data) as (url, asked):
        running.run_well(*SUMS, *WORKERS, written(tmp_path, url), cwd=tmp_path)
    complete(tmp_path / "out")
    assert [one for one in asked if one.startswith("bytes=")]


def test_a_file_that_was_written_anew_is_opened_anew(data: Path, tmp_path: Path) -> None:
    with xrootd.web(data) as (url, _):
        samples = written(tmp_path, url)
        running.run_well(*SUMS, *WORKERS, samples, cwd=tmp_path)
        (data / "a.root").unlink()
        nanoaod.write_simple(data / "a.root", 2 * ENTRIES)
        again = (*SUMS, "--workers", "local:1", "-o", "again", samples)
        said = running.run_well(*again, cwd=tmp_path).out
        assert "it was written anew since it was planned" in said
        assert f"{2 * ENTRIES} of {2 * ENTRIES} events" in said
    assert running.output(tmp_path / "again")["entries"] == 2 * ENTRIES


def test_the_first_place_never_answers(data: Path, tmp_path: Path) -> None:
    with xrootd.web(data) as (url, _):
        gone = f"http://127.0.0.1:{running.free_port()}/"
        said = running.run_well(*SUMS, *WORKERS, written(tmp_path, gone, url), cwd=tmp_path).out
    complete(tmp_path / "out")
    told = [one for one in running.events_of(tmp_path / "out") if isinstance(one, ReadElsewhere)]
    assert {(f"{one.server}/", f"{one.instead}/") for one in told} == {(gone, url)}
    assert sum(one.events for one in told) == ENTRIES
    assert "8 chunks from " in said
    assert "refused" in said or "Connect call failed" in said


def test_a_server_that_dies_in_mid_run(follow: Follow, data: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    with xrootd.xrootd(data) as server, xrootd.web(data) as (url, asked):
        with follow("wq-run", *gated, *WORKERS, written(tmp_path, server.url, url)) as run:
            running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
            assert not asked
            server.kill()
            gate.touch()
            run.ends_well(200)
        assert asked
    complete(tmp_path / "out")


def test_a_server_that_hangs_in_mid_run(follow: Follow, data: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    with xrootd.xrootd(data) as server, xrootd.web(data) as (url, asked):
        with follow("wq-run", *gated, *WORKERS, written(tmp_path, server.url, url)) as run:
            running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
            server.hang()
            gate.touch()
            run.says("complete     80 of 80 events", 200)
            run.ends_well(30)  # nobody waits for the server to close files
        assert asked
    complete(tmp_path / "out")


def test_a_server_that_hangs_from_the_start(follow: Follow, data: Path, tmp_path: Path) -> None:
    with xrootd.xrootd(data) as server, xrootd.web(data) as (url, _):
        server.hang()
        with follow("wq-run", *SUMS, *WORKERS, written(tmp_path, server.url, url)) as run:
            run.ends_well(250)
    complete(tmp_path / "out")


def test_a_proxy_reaches_the_tasks_and_a_renewed_one_does(follow: Follow, data: Path, tmp_path: Path) -> None:
    gate, proxy = tmp_path / "gate", tmp_path / "proxy"
    first = certificates.write(proxy, 600)
    proxied = (*SUMS, "-p", f"{running.ANALYSIS}:Proxied", "--processor-args", f"gate={gate}")
    with xrootd.xrootd(data) as server:
        samples = written(tmp_path, server.url)
        with follow("wq-run", *proxied, *WORKERS, samples, X509_USER_PROXY=str(proxy)) as run:
            assert "voms-proxy-init" in run.says(f"{proxy}, ")
            running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
            second = certificates.write(proxy, 90_000)
            run.says("renewed, ")
            gate.touch()
            run.ends_well()
    complete(tmp_path / "out")
    # nobody else may read it, and the chunk that waited at the gate had the first one yet
    assert running.output(tmp_path / "out")["proxies"] == {(first, 0), (second, 0)}


def test_no_proxy_is_sent_if_none_is_wanted(data: Path, tmp_path: Path) -> None:
    proxy, gate = tmp_path / "proxy", tmp_path / "gate"
    certificates.write(proxy, 90_000)
    gate.touch()
    proxied = (*SUMS, "-p", f"{running.ANALYSIS}:Proxied", "--processor-args", f"gate={gate}")
    with xrootd.xrootd(data) as server:
        samples = written(tmp_path, server.url)
        environ = {"WQ_RUNNER_PROXY": "none", "X509_USER_PROXY": ""}
        ended = running.run_well(*proxied, *WORKERS, samples, cwd=tmp_path, **environ)
    assert "none, as --proxy none says" in ended.err + ended.out
    assert running.output(tmp_path / "out")["proxies"] == {("", 0)}


def test_read_where_a_redirector_says(data: Path, tmp_path: Path) -> None:
    with xrootd.web(data) as (url, asked):
        moved = ("--redirector", f"root://gone.example/={url}")
        samples = written(tmp_path, "root://gone.example/")
        running.run_well(*SUMS, *WORKERS, *moved, samples, cwd=tmp_path)
    complete(tmp_path / "out")
    assert asked


FAR = 0.025  # seconds until the server answers


def far_columns(directory: Path) -> tuple[tuple[str, ...], list[str]]:
    """Write two files of many columns, and samples; return the options of an analysis, and the columns."""
    files, columns = [f"{number}.root" for number in range(2)], [f"x{number}" for number in range(60)]
    for name in files:
        nanoaod.write_simple(directory / "data" / name, ENTRIES, columns)
    (directory / "a.json").write_text(json.dumps({"files": files, "treeName": "Events"}))
    analysis = f"{running.ANALYSIS}:Columns"
    return ("-p", analysis, "--schema", "BaseSchema", "--chunksize", "20"), columns


def test_columns_of_a_far_server_come_in_one_request(tmp_path: Path) -> None:
    chosen, columns = far_columns(tmp_path)
    with xrootd.xrootd(tmp_path / "data") as server, delays.delayed(server.port, FAR) as far:
        (tmp_path / "samples.cfg").write_text(f"root://127.0.0.1:{far.port}//\na.json\n")
        running.run_well(*chosen, *WORKERS, tmp_path / "samples.cfg", cwd=tmp_path)
    assert running.output(tmp_path / "out")["sums"] == dict.fromkeys(columns, ENTRIES * (ENTRIES - 1))
    # eight chunks, of which two may have begun before anything was learned; each request takes its time
    assert far.requests < 8 * len(columns) / 2


def test_columns_of_a_far_server_that_were_kept_are_not_asked_for_again(tmp_path: Path) -> None:
    """Nor those of a file that was written anew in its place."""
    chosen, columns = far_columns(tmp_path)
    expected = dict.fromkeys(columns, ENTRIES * (ENTRIES - 1))
    kept = ("--column-cache", tmp_path / "kept", "--preload", "off")
    with xrootd.xrootd(tmp_path / "data") as server, delays.delayed(server.port, 0) as far:
        (tmp_path / "samples.cfg").write_text(f"root://127.0.0.1:{far.port}//\na.json\n")

        def asked(output: str, *more: object) -> tuple[int, dict[str, int]]:
            before = far.requests
            command = (*chosen, *kept, "-w", "local:1", "-o", output, *more, tmp_path / "samples.cfg")
            running.run_well(*command, cwd=tmp_path)
            return far.requests - before, running.output(tmp_path / output)["sums"]

        first, found = asked("first")
        assert found == expected
        second, found = asked("second", "--chunksize", "30")
        assert found == expected
        assert second < first / 4
        nanoaod.write_simple(server.data / "1.root", 2 * ENTRIES, columns)
        _, found = asked("third")
    entries = 2 * ENTRIES
    assert found == dict.fromkeys(columns, ENTRIES * (ENTRIES - 1) // 2 + entries * (entries - 1) // 2)


def test_a_column_that_no_file_has_is_said_before_anything_runs(data: Path, tmp_path: Path) -> None:
    with xrootd.xrootd(data) as server:
        samples = written(tmp_path, server.url)
        ended = running.run(*SUMS, *WORKERS, "--preload", "x,Muon_pt", samples, cwd=tmp_path)
    assert ended.code == 2
    assert "--preload Muon_pt: no column of this name" in ended.err + ended.out
