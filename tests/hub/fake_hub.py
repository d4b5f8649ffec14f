"""A hub on this machine: the HTTP calls by which huggingface_hub makes a repository and uploads to it."""

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

TOKEN = "hf_right"  # noqa: S105 -- of no hub


class FakeHub(ThreadingHTTPServer):
    """Keeps the requests, large objects and committed files."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.created, self.objects, self.files, self.calls = [], {}, {}, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def log_message(self, *_):
        """Print nothing."""

    def answer(self, value, status=200):
        """Send JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        """Read all of it."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_PUT(self):
        """Keep a large object under its digest."""
        content = self.body()
        self.server.objects[self.path.rpartition("/")[2]] = content
        self.answer({})

    def do_GET(self):
        """Know no repository."""
        self.answer({"error": "Repository not found"}, 404)

    def do_POST(self):
        """Go on as the path says."""
        body, hub = self.body(), self.server
        hub.calls.append(self.path)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid username or password."}, 401)
        elif self.path == "/api/repos/create":
            hub.created.append(json.loads(body))
            self.answer({"url": f"{hub.address}/{json.loads(body)['organization']}/{json.loads(body)['name']}"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            self.answer({"files": [{"path": n, "uploadMode": m, "shouldIgnore": False} for n, m in modes.items()]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            links = [{**one, "actions": {"upload": {"href": f"{hub.address}/put/{one['oid']}"}}} for one in wanted]
            self.answer({"transfer": "basic", "objects": links})
        elif "/commit/" in self.path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.answer({"error": "no such path"}, 404)

    def commit(self, lines):
        """Keep the files of a commit."""
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.server.objects[value["oid"]]
                assert value["oid"] == hashlib.sha256(content).hexdigest()
                self.server.files[value["path"]] = content
        self.answer({"commitUrl": f"{self.server.address}/{self.path.split('/models/')[1]}", "commitOid": "1"})


@contextmanager
def fake_hub():
    """Run one while the context is open."""
    with FakeHub() as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
