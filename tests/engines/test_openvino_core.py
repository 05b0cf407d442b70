import subprocess
import sys

import pytest

DROPPED = """
import gc, os, signal, threading
import numpy as np
import openvino
from instseg.engines.runtimes import run_openvino

ops = openvino.opset13
image = ops.parameter([2, 2], np.float32, name="image")
image.output(0).get_tensor().set_names({"image"})
twice = ops.add(image, image)
twice.output(0).get_tensor().set_names({"twice"})
runs = [run_openvino(openvino.Model([twice], [image]))]
assert runs[0](np.ones((2, 2), np.float32))["twice"].sum() == 8

def drop():
    runs.clear()
    gc.collect()

thread = threading.Thread(target=drop)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("interrupted"))
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_signal_after_a_network_was_dropped_in_a_thread_does_not_end_the_process():
    pytest.importorskip("openvino")
    done = subprocess.run(
        [sys.executable, "-c", DROPPED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
