"""A camera's RTSP server on this machine: GStreamer's, run by the system's Python, which has its bindings."""

from __future__ import annotations

import subprocess
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"
MISSING = (
    "no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)

_SERVE = """
import signal, sys
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
port, film = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1"); server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    f'( filesrc location="{film}" ! matroskademux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )'
)
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit("the port is taken")
print("ready", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


class RtspServer:
    """A running server that shows a film at rtsp://127.0.0.1:PORT/camera, from its beginning to whoever comes first."""

    def __init__(self, film: Path, port: int = 0) -> None:
        """Args: port 0 is a free one. Raises: RuntimeError when it does not start."""
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, "-c", _SERVE, str(port), str(film)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline().split()
        if not ready:
            _, said = self.process.communicate()
            raise RuntimeError(said)
        self.port = int(ready[1])

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.process.kill()
        self.process.communicate()


def missing_rtsp_server() -> bool:
    """Returns whether this machine lacks what the server needs."""
    needs = (
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "raise SystemExit(not all(map(Gst.ElementFactory.find, ('h264parse', 'rtph264pay', 'matroskademux'))))"
    )
    return (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", needs], capture_output=True, check=False).returncode != 0
    )
