"""explore(): ipywidgets sliders that retrain the 2-D model."""

import base64
import io
import threading

from matplotlib.figure import Figure

from marginlab import plots
from marginlab.training import DEFAULTS, Trainer

# Slider of each setting: lowest, highest, step. The head's own limits may be wider.
MARGINS = {
    "sphereface": {"margin": (1.0, 4.0, 0.1)},
    "cosface": {"margin": (0.0, 1.0, 0.01)},
    "arcface": {"margin": (0.0, 1.5, 0.05)},
    "combined": {"m1": (1.0, 3.0, 0.1), "m2": (0.0, 1.0, 0.05), "m3": (0.0, 0.5, 0.01)},
}
UNITS = {
    ("sphereface", "margin"): "times",
    ("cosface", "margin"): "cosine units",
    ("arcface", "margin"): "radians",
    ("combined", "m1"): "times",
    ("combined", "m2"): "radians",
    ("combined", "m3"): "cosine units",
}


def explore(head="arcface", seed=0):
    """Sliders for one head; moving one retrains the model on MNIST and redraws it as it learns.

    Args:
        head: "softmax", "normface", "sphereface", "cosface", "arcface" or "combined".
        seed: of the first run; a slider changes it.

    Returns:
        An ipywidgets box. Where no kernel answers (a built page, a repository's
        preview) it shows the picture of its first run.

    Raises:
        ImportError: without ipywidgets (``pip install "marginlab[lab]"``).
        ValueError: for an unknown head.
    """
    try:
        import ipywidgets
    except ImportError:
        raise ImportError('explore() needs ipywidgets: pip install "marginlab[lab]"') from None
    return _explorer_class(ipywidgets)(head, seed)


def _explorer_class(w):
    class Explorer(w.VBox):
        """Sliders, a picture, and a line of words."""

        def __init__(self, head, seed):
            self.trainer = Trainer(head, seed, frames=20)
            self.sliders = {
                name: w.FloatSlider(DEFAULTS[head][name], min=low, max=high, step=step, description=name)
                for name, (low, high, step) in MARGINS.get(head, {}).items()
            }
            if "scale" in DEFAULTS[head]:
                self.sliders["scale"] = w.FloatLogSlider(
                    DEFAULTS[head]["scale"],
                    base=2,
                    min=0,
                    max=7,
                    step=0.25,
                    description="scale",
                    readout_format=".1f",
                )
            self.sliders["seed"] = w.IntSlider(seed, min=0, max=9, description="seed")
            self.picture = w.Image(format="png", layout={"max_width": "1000px", "width": "100%"})
            self.words = w.HTML()
            rows = [w.HBox([s, w.Label(UNITS.get((head, name), ""))]) for name, s in self.sliders.items()]
            super().__init__([*rows, self.picture, self.words])

            self._stop, self._thread, self._lock = threading.Event(), None, threading.Lock()
            self._train(threading.Event())
            for slider in self.sliders.values():
                slider.observe(self._restart, "value")

        def _restart(self, change):
            """Abandon the run in progress and start one with the sliders as they are now.

            In a thread, so that the kernel stays free to hear the next move.
            """
            self._stop.set()
            with self._lock:
                if self._thread:
                    self._thread.join()
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._train, args=[self._stop], daemon=True)
                self._thread.start()

        def _train(self, stop):
            settings = {name: slider.value for name, slider in self.sliders.items()}
            frames = []
            try:
                for frame in self.trainer.iter_frames(**settings):
                    if stop.is_set():
                        return
                    frames.append(frame)
                    if len(frames) % 4 == 0:
                        self.picture.value = _draw(frames)
                self.picture.value = _draw(frames)
                self.words.value = self.trainer.result(frames, seed=settings["seed"]).explain()
            except Exception as error:
                # A thread's exception would reach nobody: show it, and leave the sliders usable.
                self.words.value = f"{type(error).__name__}: {error}"

        def _repr_mimebundle_(self, **kwargs):
            """The widget, and for readers without a kernel the picture."""
            bundle = super()._repr_mimebundle_(**kwargs)
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            picture = base64.b64encode(self.picture.value).decode()
            return data | {"image/png": picture}, metadata

    return Explorer


def _draw(frames):
    """The last frame beside the curves so far, as PNG bytes."""
    with plots.styled():
        figure = Figure(figsize=(10, 5))
        left, right = figure.subplots(1, 2)
        last = frames[-1]
        plots.scatter_on_circle(last.embeddings, last.labels, last.class_directions, ax=left)
        steps, losses, accuracies = zip(*((f.step, f.loss, f.accuracy) for f in frames), strict=True)
        plots.training_curves(steps, losses, accuracies, ax=right)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
