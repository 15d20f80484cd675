import hashlib
import http.server
import importlib.util
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from semo import registry
from semo.datasets import PROJECT, Dataset
from semo.errors import DatasetError
from semo.registry import WeightFile, fetch_weight, listing, locate, read_weight
from tests.unit import media_samples as samples

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def fetch():
    spec = importlib.util.spec_from_file_location("fetch", PROJECT / "data" / "fetch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Ranged(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with byte ranges; records what was asked for. `sent` limits the first answer (a cut line)."""

    asked: list[str | None] = []
    limit: int | None = None
    wrong = False

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        body = CONTENT[start:] if not self.wrong else b"x" * len(CONTENT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:self.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    Ranged.asked, Ranged.limit, Ranged.wrong = [], None, False
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranged) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/net.bin"
        httpd.shutdown()


def table(path: Path, url: str | None, **more) -> Path:
    item = {"name": "net.bin", "url": url, "bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    entry = {"role": "test", "licence": "none", "page": "page", "files": [item]} | more
    path.write_text(yaml.safe_dump({"weights": {"net": entry}}))
    return path


def test_download_is_checked_and_recorded(server, tmp_path):
    file = table(tmp_path / "w.yaml", server)
    folder = fetch_weight("net", file=file, store=tmp_path / "store")
    assert (folder / "net.bin").read_bytes() == CONTENT
    assert json.loads((folder / "fetched.json").read_text())["files"]["net.bin"]["bytes"] == len(CONTENT)
    fetch_weight("net", file=file, store=tmp_path / "store")
    assert len(Ranged.asked) == 1  # the second call finds it complete
    assert locate("net", file=file, store=tmp_path / "store") == {"net.bin": folder / "net.bin"}


def test_an_interrupted_download_goes_on(server, tmp_path):
    file = table(tmp_path / "w.yaml", server)
    Ranged.limit = 300_000
    with pytest.raises(DatasetError, match="300000 of 1024000 bytes; run again"):
        fetch_weight("net", file=file, store=tmp_path / "store")
    assert not (tmp_path / "store/net/net.bin").exists()
    Ranged.limit = None
    fetch_weight("net", file=file, store=tmp_path / "store")
    assert Ranged.asked[-1] == "bytes=300000-"
    assert (tmp_path / "store/net/net.bin").read_bytes() == CONTENT


def test_a_wrong_file_is_not_kept(server, tmp_path):
    Ranged.wrong = True
    with pytest.raises(DatasetError, match="sha256"):
        fetch_weight("net", file=table(tmp_path / "w.yaml", server), store=tmp_path / "store")
    assert list((tmp_path / "store/net").iterdir()) == []


def test_mirror_folders_come_before_the_network(tmp_path, monkeypatch):
    file = table(tmp_path / "w.yaml", "http://127.0.0.1:9/net.bin")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "net.bin").write_bytes(CONTENT)
    assert locate("net", mirror, file, tmp_path / "store") == {"net.bin": mirror / "net.bin"}
    monkeypatch.setenv("SEMO_WEIGHTS", str(mirror))
    folder = fetch_weight("net", file=file, store=tmp_path / "store")
    assert (folder / "net.bin").read_bytes() == CONTENT
    (mirror / "net.bin").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DatasetError, match="cannot be downloaded .*net.bin is refused: its sha256"):
        fetch_weight("net", file=file, store=tmp_path / "other")
    with pytest.raises(DatasetError, match="not on this machine.*net.bin is refused: its sha256"):
        locate("net", mirror, file, tmp_path / "other")
    assert not list((tmp_path / "other").rglob("net.bin*"))


def test_offline_and_missing_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    file = table(tmp_path / "w.yaml", "http://127.0.0.1:9/net.bin")
    with pytest.raises(DatasetError, match=r"cannot be downloaded .*connect this machine, or place the file"):
        fetch_weight("net", file=file, store=tmp_path / "store")
    with pytest.raises(DatasetError, match=r"not on this machine: run `semo fetch net`"):
        locate("net", file=file, store=tmp_path / "store")


def test_hub_models_need_their_own_folder_in_a_mirror(tmp_path, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    file = table(tmp_path / "w.yaml", None, hub="some/model", files=[{"name": "config.json"}])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DatasetError, match="not on this machine"):
        locate("net", tmp_path, file, tmp_path / "store")
    (tmp_path / "net").mkdir()
    (tmp_path / "net/config.json").write_text("{}")
    assert fetch_weight("net", tmp_path, file, tmp_path / "store").is_dir()
    (tmp_path / "net/config.json").unlink()
    with pytest.raises(DatasetError, match="cannot be fetched from page"):
        fetch_weight("net", tmp_path, file, tmp_path / "other")


def test_what_no_program_may_download_is_explained(tmp_path, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    digest = hashlib.sha256(CONTENT).hexdigest()
    files = [{"name": "net.bin", "sha256": digest[:8]}]
    file = table(tmp_path / "w.yaml", None, manual="Sign the form on https://page.", files=files)
    with pytest.raises(DatasetError, match=r"by hand: Sign the form on https://page; place it in .*net"):
        fetch_weight("net", file=file, store=tmp_path / "store")
    assert "by hand" in listing(file=file, store=tmp_path / "store")[0]
    (tmp_path / "store/net/net.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(DatasetError, match="net.bin is refused: its sha256"):
        fetch_weight("net", file=file, store=tmp_path / "store")
    (tmp_path / "store/net/net.bin").write_bytes(CONTENT)
    assert fetch_weight("net", file=file, store=tmp_path / "store") == tmp_path / "store/net"
    assert locate("net", file=file, store=tmp_path / "store") == {"net.bin": tmp_path / "store/net/net.bin"}
    assert "here" in listing(file=file, store=tmp_path / "store")[0]


def test_full_disk_while_downloading(server, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry, "_receive", full)
    with pytest.raises(DatasetError, match="disk is full"):
        fetch_weight("net", file=table(tmp_path / "w.yaml", server), store=tmp_path / "store")


def test_weight_entries_are_checked(tmp_path):
    file = table(tmp_path / "w.yaml", "u")
    assert isinstance(read_weight("net", file).files[0], WeightFile)
    with pytest.raises(DatasetError, match="no weights 'x'; it has net"):
        read_weight("x", file)
    with pytest.raises(DatasetError, match="missing or unknown key"):
        read_weight("net", table(tmp_path / "w.yaml", "u", colour="red"))
    with pytest.raises(DatasetError, match="no address"):
        read_weight("net", table(tmp_path / "w.yaml", None))
    for name in yaml.safe_load(registry.WEIGHTS_FILE.read_text())["weights"]:
        weight = read_weight(name)
        assert weight.licence and all(item.sha256 or weight.hub or weight.manual for item in weight.files)


def test_shipped_corpus_is_verified(fetch, tmp_path, capsys):
    samples.write_corpus(tmp_path / "corpus", people=2)
    dataset = Dataset("mini", "shipped", str(tmp_path / "corpus"), "street", detector="none")
    record = fetch.check_dataset(dataset, tmp_path / "raw")
    assert record["clips"] == 4 and record["pairs"] == 1
    assert json.loads((tmp_path / "raw/mini/fetched.json").read_text()) == record
    video = tmp_path / "corpus/street/street-p1-c0.mp4"
    video.write_bytes(video.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="differs from the shipped file"):
        fetch.check_dataset(dataset, tmp_path / "raw2")
    assert not (tmp_path / "raw2").exists()


def test_restricted_data_sets_name_page_and_place(fetch, tmp_path):
    dataset = Dataset("hd", "restricted", "data/raw/hd", page="https://page", enabled=False, licence="research")
    with pytest.raises(DatasetError, match=r"obtain it from https://page .*data/raw/hd.*enabled: true"):
        fetch.check_dataset(dataset, tmp_path)
    with pytest.raises(DatasetError, match="does not exist; obtain it from https://page"):
        fetch.check_dataset(replace(dataset, enabled=True, path=str(tmp_path / "no")), tmp_path)


def test_command_line(fetch, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    for arguments, words in [(["mead"], "may not be passed on"), (["nothing"], "has no data set 'nothing'"),
                             (["--weight", "nothing"], "has no weights 'nothing'")]:
        with pytest.raises(SystemExit) as stop:
            fetch.main(arguments)
        error = capsys.readouterr().err
        assert stop.value.code == 2 and words in error and error.count("\n") == 1
    (tmp_path / "a").mkdir()
    (tmp_path / "a/a.mp4").touch()
    table_file = tmp_path / "d.yaml"
    table_file.write_text(yaml.safe_dump({"datasets": {"a": {"source": "folder", "path": str(tmp_path / "a")}}}))
    fetch.main(["a", "--datasets", str(table_file), "--out", str(tmp_path / "raw")])
    assert "a: 1 clips" in capsys.readouterr().out and (tmp_path / "raw/a/fetched.json").is_file()


def test_what_is_optional_and_absent_leaves_a_note(fetch, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    entry = {"source": "folder", "path": str(tmp_path / "videos"), "enabled": False}
    file = tmp_path / "d.yaml"
    file.write_text(yaml.safe_dump({"datasets": {"own": entry}}))
    arguments = ["own", "--if-enabled", "--datasets", str(file), "--out", str(tmp_path / "raw")]
    fetch.main(arguments)
    assert [p.name for p in (tmp_path / "raw/own").iterdir()] == ["absent.json"]
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").touch()
    file.write_text(yaml.safe_dump({"datasets": {"own": entry | {"enabled": True}}}))
    fetch.main(arguments)
    assert [p.name for p in (tmp_path / "raw/own").iterdir()] == ["fetched.json"]
    weights = table(tmp_path / "w.yaml", "http://127.0.0.1:9/net.bin")
    base = ["--weight", "net", "--weights", str(weights), "--out", str(tmp_path / "store")]
    fetch.main([*base, "--if-enabled"])
    assert [p.name for p in (tmp_path / "store/net").iterdir()] == ["absent.json"]
    (tmp_path / "net.bin").write_bytes(CONTENT)
    fetch.main([*base, "--if-enabled", "--weights-dir", str(tmp_path)])
    assert sorted(p.name for p in (tmp_path / "store/net").iterdir()) == ["fetched.json", "net.bin"]
    with pytest.raises(SystemExit):
        fetch.main(["--weight", "other", "--if-enabled", "--weights", str(weights)])
