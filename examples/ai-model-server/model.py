"""Serves a model that takes two seconds to load and 100 to 300 ms to predict."""

import json
import os
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = os.environ["NOMAD_ALLOC_ID"][:8]


class Model:
    """Classifies a text as favourable or unfavourable, by its words."""

    def __init__(self):
        self.loaded = threading.Event()
        self.lock = threading.Lock()
        self.inferences = 0
        self.weights = {}

    def load(self):
        time.sleep(2)  # simulates reading gigabytes of weights
        self.weights = {"good": 1, "great": 2, "like": 1, "bad": -1, "awful": -2, "slow": -1}
        self.loaded.set()

    def predict(self, text):
        time.sleep(random.uniform(0.1, 0.3))
        with self.lock:
            self.inferences += 1
        score = sum(self.weights.get(word, 0) for word in text.lower().split())
        return {"text": text, "label": "favourable" if score > 0 else "unfavourable" if score < 0 else "neutral"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            loaded = model.loaded.is_set()
            self.answer(200 if loaded else 503, {"status": "healthy" if loaded else "loading"})
        elif self.path == "/stats":
            self.answer(200, {"loaded": model.loaded.is_set(), "inferences": model.inferences})
        else:
            self.answer(404, {"error": "use GET /health, GET /stats, POST /predict or POST /batch"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not model.loaded.is_set():
            self.answer(503, {"error": "the model is not loaded"})
            return
        try:
            request = json.loads(body)
            if self.path == "/predict":
                self.answer(200, {"prediction": model.predict(request["text"])})
            elif self.path == "/batch":
                self.answer(200, {"predictions": [model.predict(text) for text in request["texts"]]})
            else:
                self.answer(404, {"error": "use POST /predict or POST /batch"})
        except (ValueError, KeyError, TypeError, AttributeError):
            self.answer(400, {"error": '/predict expects {"text": "…"}, and /batch {"texts": ["…"]}'})

    def answer(self, status, value):
        body = json.dumps({"instance": INSTANCE, **value}).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    model = Model()
    threading.Thread(target=model.load, daemon=True).start()
    server = ThreadingHTTPServer((os.environ["NOMAD_IP_http"], int(os.environ["NOMAD_PORT_http"])), Handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # Nomad stops a task with an interrupt
