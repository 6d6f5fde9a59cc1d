"""The service over HTTP: statuses, sentences, limits."""

import asyncio
import json
import threading

import pytest

from nextitnet_tf.serving import Limits
from nextitnet_tf.serving import Service
from nextitnet_tf.serving.loaded_model import LoadedModel
from tests.test_recommending import markov_model

LIMITS = Limits(max_batch=2, max_body=2000, max_histories=8, max_waiting=8)
NAMES = ["a", "b", "line\nend", "", "é"]


@pytest.fixture(name="loaded", scope="module")
def fixture_loaded(tmp_path_factory):
    """Warm once for all tests."""
    path = tmp_path_factory.mktemp("app") / "model.keras"
    markov_model(NAMES).save(path)
    return LoadedModel(path, LIMITS)


@pytest.fixture(name="make_client")
def fixture_make_client(loaded, monkeypatch):
    monkeypatch.setattr(
        "nextitnet_tf.serving.service.ModelProcess", lambda *_: loaded
    )
    pytest.importorskip("httpx")
    testclient = pytest.importorskip("fastapi.testclient")
    from nextitnet_tf.serving.app import make_app

    services = []

    def make(**limits):
        path = loaded.about["path"]
        services.append(Service(path, Limits(**{**vars(LIMITS), **limits})))
        return testclient.TestClient(
            make_app(services[-1]), raise_server_exceptions=False
        )

    yield make
    for service in services:
        service.close()


@pytest.fixture(name="client")
def fixture_client(make_client):
    return make_client()


def test_recommend(client, loaded):
    found = client.post("/recommend", json={"history": ["a"], "k": 2})
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json() == {
        "model": loaded.about["model"],
        "recommendations": [
            {
                "items": ["é", ""],
                "scores": [5, 4],
                "num_unknown": 0,
                "is_popular": False,
            }
        ],
    }
    histories = [["a", "b"], [], ["never", 7]]
    found = client.post("/recommend", json={"histories": histories, "k": 1})
    rows = found.json()["recommendations"]
    assert [row["items"] for row in rows] == [["line\nend"], ["b"], ["b"]]
    assert [row["num_unknown"] for row in rows] == [0, 0, 2]
    assert [row["is_popular"] for row in rows] == [False, True, True]


def test_health_and_metadata(client, loaded):
    health = client.get("/health").json()
    assert (
        health["status"] == "serving"
        and health["model"] == loaded.about["model"]
    )
    assert health["refused_model"] is None and health["waiting"] == 0
    about = client.get("/metadata").json()
    assert about["class"] == "NextItNet" and about["num_items"] == 5
    assert about["history_length"] == 3 and about["item_ids"] == "string"
    assert about["limits"]["max_histories"] == 8


def test_what_is_documented(client):
    about = client.get("/openapi.json").json()
    asked = about["paths"]["/recommend"]["post"]
    body = asked["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {
        *("history", "histories", "k", "exclude_seen")
    }
    assert {"200", "400", "408", "413", "422", "503", "504"} <= set(
        asked["responses"]
    )
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (("POST", "/recommend", b"{"), 400, "Expected JSON"),
        (("POST", "/recommend", b'{"history": [1.5]}'), 422, "history[0]"),
        (("POST", "/recommend", b'{"history": "\\ud800"}'), 422, "ud800"),
        (("POST", "/recommend", b'{"history": [], "k": 6}'), 422, "1 to 5"),
        (("POST", "/recommend", b" " * 2001), 413, "at most 2,000 bytes"),
        (("GET", "/recommend", b""), 405, "Received: GET /recommend"),
        (("GET", "/", b""), 404, "Received: GET /"),
        (("GET", "/recomend", b""), 404, "Expected POST /recommend"),
    ],
)
def test_an_error_is_a_sentence(client, asked, status, words):
    method, path, body = asked
    found = client.request(method, path, content=body)
    assert found.status_code == status
    assert list(found.json()) == ["error"] and words in found.json()["error"]


def test_a_thousand_bad_requests_in_between(client):
    bad = [b"", b"[]", b'{"history": 1}', b"\x00", b'{"k": 1}', b" " * 3000]
    for i in range(1000):
        found = client.post("/recommend", content=bad[i % len(bad)])
        assert 400 <= found.status_code < 500
        if i % 100 == 0:
            found = client.post("/recommend", json={"history": ["a"], "k": 1})
            assert found.json()["recommendations"][0]["items"] == ["é"]


def ask_directly(app, receive, headers=()):
    """What the application sends: status, headers, content."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        **{"type": "http", "method": "POST", "path": "/recommend"},
        **{"headers": headers, "query_string": b"", "http_version": "1.1"},
    }
    asyncio.run(app(scope, receive, send))
    head = dict(sent[0]["headers"])
    return sent[0]["status"], head, json.loads(sent[1]["body"])


def test_what_is_too_large_is_not_read(client):
    async def never():
        raise AssertionError("read")

    async def endless():
        return {"type": "http.request", "body": b" " * 99, "more_body": True}

    for receive, headers in (
        (never, [(b"content-length", b"2001")]),
        (endless, []),
    ):
        status, head, content = ask_directly(client.app, receive, headers)
        assert status == 413 and "at most 2,000 bytes" in content["error"]
        assert head[b"connection"] == b"close"


def test_an_answer_that_takes_too_long(make_client, loaded, monkeypatch):
    client = make_client(timeout=1)
    go = threading.Event()
    answer = loaded.answer

    def slow_answer(*arguments):
        assert go.wait(60)
        return answer(*arguments)

    monkeypatch.setattr(loaded, "answer", slow_answer)
    found = client.post("/recommend", json={"history": ["a"]})
    assert found.status_code == 504 and "within 1 sec" in found.json()["error"]
    # Who comes when too many wait is told to come again.
    first = client.post("/recommend", json={"histories": [["a"]] * 8})
    assert first.status_code == 504
    found = client.post("/recommend", json={"histories": [["a"]] * 8})
    assert found.status_code in (503, 504)
    go.set()


def test_too_many_that_wait(make_client):
    client = make_client(max_waiting=2)
    found = client.post("/recommend", json={"histories": [["a"]] * 3})
    assert found.status_code == 503
    assert found.headers["retry-after"] == "1"
    assert "at most 2 histories" in found.json()["error"]


def test_a_body_that_does_not_come(make_client):
    async def receive():
        await asyncio.sleep(60)

    status, _, content = ask_directly(make_client(timeout=1).app, receive)
    assert status == 408 and "Expected a body within 1 sec" in content["error"]


def test_a_model_that_is_gone(client, loaded, monkeypatch):
    def fail(*_):
        raise EOFError

    with monkeypatch.context() as patch:
        patch.setattr(loaded, "answer", fail)
        found = client.post("/recommend", json={"history": ["a"]})
    assert found.status_code == 503 and "again" in found.json()["error"]
    assert found.headers["retry-after"] == "1"


def test_an_error_of_ours_is_no_traceback(client, loaded, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(loaded, "answer", fail)
    found = client.post("/recommend", json={"history": ["a"]})
    assert found.status_code == 500
    assert "error of the service" in found.json()["error"]
    assert "secret" not in found.text
