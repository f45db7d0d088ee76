# What editors and type checkers see of the names that `__init__.py` imports on first use.

from marginlab import heads as heads
from marginlab.classifier import MarginClassifier as MarginClassifier
from marginlab.data import load_mnist as load_mnist
from marginlab.explorer import compare as compare
from marginlab.explorer import explore as explore
from marginlab.room import budget as budget
from marginlab.training import Trainer as Trainer

__version__: str
