"""llama.cpp's own HTTP server, out of the xllamacpp wheel: ``server.py MODEL.gguf [API_KEY]``.

Prints ``READY http://127.0.0.1:PORT`` and runs until its standard input ends, so that it never
outlives the tests. One thread: with two, each would spin while another process has the core.
"""

from __future__ import annotations

import os
import sys

import xllamacpp


def main(model: str, key: str = "") -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.model_alias = {"tiny"}
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.n_parallel = 2
    settings.n_ctx = 2 * 4096
    settings.n_predict = 512
    settings.n_gpu_layers = 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.sampling.seed = 0
    settings.use_jinja = True
    settings.warmup = False
    settings.verbosity = 0
    if key:
        settings.api_keys = [key]
    server = xllamacpp.Server(settings)
    print("READY", server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
