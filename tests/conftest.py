import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

from hypothesis import settings

# The machines of CI are shared: a slow example is no failure. Examples are the same in every run.
settings.register_profile("marginlab", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("marginlab")
